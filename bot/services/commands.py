"""What a person did in Slack, as durable values: written to the store before Slack gets its answer, then carried out.

A process that dies after the answer leaves the click in the store, and another one carries it out.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from bot.domain.approvals import Judgment
from bot.domain.keys import KeyId, Principal, RequestId, Secret, SlackUserId, TeamId


@dataclass(frozen=True, slots=True)
class Wish:
    """Access that was chosen in the form: the `access.Offer.id` of it, and the names that were typed for it."""

    offer: str
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it stands, nothing checked yet; "" is not chosen, or not typed.

    `owner` is `me`, `new`, a service account's id, or `service-account` while none is chosen; `cluster` is the id of
    the Kafka cluster, Schema Registry or ksqlDB cluster, or the region of Flink (`aws.us-east-1`).
    """

    owner: str = ""
    environment: str = ""
    cluster: str = ""
    name: str = ""
    description: str = ""
    reason: str = ""
    kind: str = "kafka"
    cloud: str = ""
    """Where Flink's region is: `aws`, `azure`, `gcp`."""
    account_name: str = ""
    account_description: str = ""
    """Of the service account to be made."""
    lifetime: str = ""
    """Days that the key should live; "" is as long as the rule lets it."""
    account: str = ""
    """The service account that was chosen last, to come back to from `me` and `new`."""
    access: tuple[Wish, ...] = ()
    """What the account is to be granted, also what the form doesn't show now: see `services.form.access`."""
    ticket: str = ""
    also: str = ""
    """The id of the Schema Registry whose key is to come with the one for a Kafka cluster; "" for one key."""


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where an answer goes: the click's response_url, an open modal, Home, or else an ephemeral message or a DM."""

    response_url: Secret | None = None
    channel: str | None = None
    view: str | None = None
    waiting: str = ""
    """Names the page that answered the submit of `view`, which what comes of it has to follow; "" for a button."""
    home: str = field(default="", repr=False)
    """The trigger of a click on Home, good for one modal within three seconds; "" for a click anywhere else."""


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
class Back:
    """`Back` on the review page: show the form again, as it was typed."""

    draft: str
    kind: Literal["change"] = "change"


@dataclass(frozen=True, slots=True)
class Send:
    """`Send request` on the review page of this stored draft."""

    draft: str
    kind: Literal["send"] = "send"


@dataclass(frozen=True, slots=True)
class Glass:
    """`Use break-glass` on the review page of this stored draft: show what that means."""

    draft: str
    kind: Literal["glass"] = "glass"


@dataclass(frozen=True, slots=True)
class UseGlass:
    """Break-glass is used for this stored draft; `why` is why it can't wait."""

    draft: str
    why: str
    kind: Literal["use-glass"] = "use-glass"


@dataclass(frozen=True, slots=True)
class Judge:
    """`Justified` or `Not justified` under a use of break-glass; `note` is the reason, where one is asked for."""

    request: RequestId
    outcome: Judgment
    note: str = ""
    kind: Literal["judge"] = "judge"


@dataclass(frozen=True, slots=True)
class Approve:
    """`Approve` on a card. `seen` is `Pending.drawn` of the request as it was shown there.

    `word` is what was typed to confirm it, where the rule asks for that.
    """

    request: RequestId
    seen: int = 0
    kind: Literal["approve"] = "approve"
    word: str = ""


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
class Question:
    """A question to the requester was submitted."""

    request: RequestId
    text: str
    kind: Literal["question"] = "question"


@dataclass(frozen=True, slots=True)
class Reply:
    """The requester's reply to the question of this number was submitted."""

    request: RequestId
    number: int
    text: str
    kind: Literal["reply"] = "reply"


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


@dataclass(frozen=True, slots=True)
class Edit:
    """The name and the description of a key were changed. `seen` is `fingerprint` of what the modal opened with."""

    key: KeyId
    name: str
    description: str
    seen: str
    reason: str = ""
    kind: Literal["edit"] = "edit"
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """`Delete API key`, with the word that was typed to confirm it."""

    key: KeyId
    word: str
    reason: str = ""
    kind: Literal["delete"] = "delete"
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Rotate:
    """A new key in place of this one, which lives on for `overlap_days`; `lifetime` as in `Draft`."""

    key: KeyId
    name: str
    description: str
    reason: str
    overlap_days: int
    lifetime: str = ""
    kind: Literal["rotate"] = "rotate"
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Extend:
    """A longer life for a key that Latchkey made; `lifetime` as in `Draft`, from now on."""

    key: KeyId
    reason: str
    lifetime: str = ""
    kind: Literal["extend"] = "extend"
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class DropFormer:
    """`Delete old key now`, under the key that replaced it."""

    request: RequestId
    attempt: int
    kind: Literal["drop-former"] = "drop-former"


@dataclass(frozen=True, slots=True)
class KeepFormer:
    """`Keep a day longer`, under the key that replaced it."""

    request: RequestId
    attempt: int
    kind: Literal["keep-former"] = "keep-former"
    until: int = 0
    """Until when the button said that the old key lives, in seconds since 1970; 0 where it did not say."""


@dataclass(frozen=True, slots=True)
class RemoveAccess:
    """`Remove access`, on the page of a key: of the roles that came with it."""

    request: RequestId
    attempt: int
    kind: Literal["remove-access"] = "remove-access"


@dataclass(frozen=True, slots=True)
class Keep:
    """A key of the weekly review is to stay, for this reason. `digest` is the message of the review."""

    key: KeyId
    reason: str
    digest: CardAt | None = None
    kind: Literal["keep"] = "keep"


@dataclass(frozen=True, slots=True)
class KeepShown:
    """All these keys of one owner are to stay, for this reason. `digest` is the message of the review."""

    owner: Principal
    keys: tuple[KeyId, ...]
    reason: str
    digest: CardAt | None = None
    kind: Literal["keep-shown"] = "keep-shown"


@dataclass(frozen=True, slots=True)
class ReportLeak:
    """These keys were reported as leaked. Ids alone: no text that someone typed or sent is in a click."""

    keys: tuple[KeyId, ...]
    kind: Literal["report-leak"] = "report-leak"


@dataclass(frozen=True, slots=True)
class FoundLeak:
    """A scanner found this key at `url`, or "". No person did it, so no one is answered. No secret is in it."""

    key: KeyId
    source: str
    url: str = ""
    kind: Literal["found-leak"] = "found-leak"


@dataclass(frozen=True, slots=True)
class Anyway:
    """`Request another anyway`, under the answer to this click."""

    click: str
    kind: Literal["anyway"] = "anyway"


Act: TypeAlias = (
    Approve | Deny | Cancel | Question | Reply | Judge | Show | Saved | Replace | DropFormer | KeepFormer | RemoveAccess
)
"""What is done to a request that is there."""
Deed: TypeAlias = (
    Check
    | Back
    | Send
    | Glass
    | UseGlass
    | Edit
    | Delete
    | Rotate
    | Extend
    | Keep
    | KeepShown
    | ReportLeak
    | FoundLeak
    | Anyway
    | Act
)


def fingerprint(name: str, description: str) -> str:
    """What two texts were, in 16 characters: to see later whether someone changed them meanwhile."""
    return hashlib.sha256(f"{len(name)} {name} {description}".encode()).hexdigest()[:16]


HELD = "held-"
"""What the name begins with of a click that is kept for `Anyway`, and carried out only by that."""


NO_ONE = SlackUserId("")


@dataclass(frozen=True, slots=True)
class Click:
    """One deed of one person. `id` is the same when Slack delivers the same click twice.

    `by` is `NO_ONE` for what a scanner reports.
    """

    id: str
    by: SlackUserId
    team: TeamId
    at: datetime
    deed: Deed
    reply: ReplyTo = field(default=ReplyTo())
    card: CardAt | None = None
    tries: int = 0
    """How often it failed for a reason that passes."""
    until: datetime | None = None
    """Once it has failed: until when it is tried again."""
    anyway: bool = False
    """Whether it counts even though there is an open request for the same."""
    answer: tuple[str, ...] = ()
    """Once it is carried out: the page that Slack hasn't taken yet, as the fields of a `TextPage`."""

    @property
    def name(self) -> str:
        """What it is stored under. A submit that Slack delivers again has another one, to be answered again."""
        return self.reply.waiting or self.id
