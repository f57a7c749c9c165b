"""What a person did in Slack, as durable values: written to the store before Slack gets its answer, then carried out.

A process that dies after the answer leaves the click in the store, and another one carries it out.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from bot.domain.keys import RequestId, Secret, SlackUserId, TeamId


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it stands, nothing checked yet. `owner` is "me" or a service account's id; "" is not chosen."""

    owner: str = ""
    environment: str = ""
    cluster: str = ""
    name: str = ""
    description: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where an answer goes: the click's own response_url, an open modal, or else an ephemeral message or a DM."""

    response_url: Secret | None = None
    channel: str | None = None
    view: str | None = None


@dataclass(frozen=True, slots=True)
class CardAt:
    """The message that a button stood on."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Check:
    """The form was submitted: check it and show the review page."""

    draft: Draft
    kind: Literal["check"] = "check"


@dataclass(frozen=True, slots=True)
class Change:
    """`Back` on the review page: show the form again, as it was typed."""

    draft: str
    kind: Literal["change"] = "change"


@dataclass(frozen=True, slots=True)
class Send:
    """`Send request` on the review page of this stored draft."""

    draft: str
    kind: Literal["send"] = "send"


@dataclass(frozen=True, slots=True)
class Approve:
    """`Approve` on a card."""

    request: RequestId
    kind: Literal["approve"] = "approve"


@dataclass(frozen=True, slots=True)
class Deny:
    """The reason was given and `Deny` submitted."""

    request: RequestId
    reason: str
    kind: Literal["deny"] = "deny"


@dataclass(frozen=True, slots=True)
class Cancel:
    """`Cancel request`."""

    request: RequestId
    kind: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True)
class Show:
    """`Show secret`."""

    request: RequestId
    attempt: int
    kind: Literal["show"] = "show"


@dataclass(frozen=True, slots=True)
class Saved:
    """`I saved it`."""

    request: RequestId
    attempt: int
    kind: Literal["saved"] = "saved"


@dataclass(frozen=True, slots=True)
class Replace:
    """`Replace key`."""

    request: RequestId
    attempt: int
    kind: Literal["replace"] = "replace"


Deed: TypeAlias = Check | Change | Send | Approve | Deny | Cancel | Show | Saved | Replace


@dataclass(frozen=True, slots=True)
class Click:
    """One deed of one person. `id` is the same when Slack delivers the same click twice."""

    id: str
    by: SlackUserId
    team: TeamId
    at: datetime
    deed: Deed
    reply: ReplyTo = field(default=ReplyTo())
    card: CardAt | None = None
