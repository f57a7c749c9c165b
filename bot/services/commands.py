"""What a person did in Slack, as durable values: stored before Slack gets its answer, then carried out.

If a process dies after the answer, the click is in the store, and another process carries it out.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from bot.domain.approvals import Judgment
from bot.domain.keys import KeyId, Principal, RequestId, Secret, SlackUserId, TeamId


@dataclass(frozen=True, slots=True)
class Wish:
    """Access that was chosen in the form: its `access.Offer.id`, and the names that were typed for it."""

    offer: str
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it was filled in, unchecked; "" is not chosen, or not typed.

    `owner` is `me`, `new`, a service account's id, or `service-account` while none is chosen. `cluster` is the id of
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
    """The provider of Flink's region: `aws`, `azure`, `gcp`."""
    account_name: str = ""
    account_description: str = ""
    """The description of a new service account."""
    lifetime: str = ""
    """Days that the key should last; "" is as long as the rule allows."""
    account: str = ""
    """The service account that was chosen last, kept while `me` or `new` is chosen."""
    access: tuple[Wish, ...] = ()
    """The access to grant, including what the form doesn't show now: see `services.form.access`."""
    ticket: str = ""
    also: str = ""
    """The id of the Schema Registry whose key comes with the one for a Kafka cluster; "" for one key."""


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where an answer goes: the click's response_url, an open modal, Home, or else an ephemeral message or a DM."""

    response_url: Secret | None = None
    channel: str | None = None
    view: str | None = None
    waiting: str = ""
    """The `external_id` of the page that answered the submit of `view`; what follows comes after it. "" for a
    button."""
    home: str = field(default="", repr=False)
    """The trigger of a click on Home, valid for one modal within three seconds; "" for any other click."""


@dataclass(frozen=True, slots=True)
class CardAt:
    """The message with the button: its channel and its ts."""

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
    """The confirmed use of break-glass for this stored draft. `why` is why it can't wait."""

    draft: str
    why: str
    kind: Literal["use-glass"] = "use-glass"


@dataclass(frozen=True, slots=True)
class Judge:
    """`Justified` or `Not justified` below a use of break-glass. `note` is the reason, if one is asked for."""

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
    """The submitted reason for `Deny`."""

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
    """A submitted question to the requester."""

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
    """A key's new name and description. `seen` is the `fingerprint` of what the modal opened with."""

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
    """A new key to replace this one, which is kept for `overlap_days`; `lifetime` as in `Draft`."""

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
    """A longer lifetime for a key that Latchkey created; `lifetime` as in `Draft`, counted from the approval."""

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
    """`Keep 1 more day`, under the key that replaced it."""

    request: RequestId
    attempt: int
    kind: Literal["keep-former"] = "keep-former"
    until: int = 0
    """How long the button said that the old key is kept, in seconds since 1970; 0 if it didn't say."""


@dataclass(frozen=True, slots=True)
class RemoveAccess:
    """`Remove access` on a key's page, for the roles that came with the key."""

    request: RequestId
    attempt: int
    kind: Literal["remove-access"] = "remove-access"


@dataclass(frozen=True, slots=True)
class Keep:
    """The reason for keeping a key of the weekly review. `digest` is the message of the review."""

    key: KeyId
    reason: str
    digest: CardAt | None = None
    kind: Literal["keep"] = "keep"


@dataclass(frozen=True, slots=True)
class KeepShown:
    """The reason for keeping all these keys of one owner. `digest` is the message of the review."""

    owner: Principal
    keys: tuple[KeyId, ...]
    reason: str
    digest: CardAt | None = None
    kind: Literal["keep-shown"] = "keep-shown"


@dataclass(frozen=True, slots=True)
class ReportLeak:
    """A report that these keys leaked. Ids alone: no text that someone typed or sent is kept in a click."""

    keys: tuple[KeyId, ...]
    kind: Literal["report-leak"] = "report-leak"


@dataclass(frozen=True, slots=True)
class FoundLeak:
    """A scanner's report of this key, found at `url`, or "". Nobody is answered. It contains no secret."""

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
"""Whatever is done to an existing request."""
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
    """A hash of two texts, 16 characters long, to see later whether someone changed them."""
    return hashlib.sha256(f"{len(name)} {name} {description}".encode()).hexdigest()[:16]


HELD = "held-"
"""The prefix of the name of a click that is kept for `Anyway`, and only carried out by it."""


NO_ONE = SlackUserId("")


@dataclass(frozen=True, slots=True)
class Click:
    """One deed of one person. `id` is the same when Slack delivers the same click twice.

    `by` is `NO_ONE` for a scanner's report.
    """

    id: str
    by: SlackUserId
    team: TeamId
    at: datetime
    deed: Deed
    reply: ReplyTo = field(default=ReplyTo())
    card: CardAt | None = None
    tries: int = 0
    """How often it failed for a temporary reason."""
    until: datetime | None = None
    """Once it has failed: until when it's tried again."""
    anyway: bool = False
    """Whether it counts even if there is an open request for the same."""
    answer: tuple[str, ...] = ()
    """Once it's carried out: the page that Slack hasn't accepted yet, as the fields of a `TextPage`."""

    @property
    def name(self) -> str:
        """Its name in the store. A submit that Slack delivers again has another one, to get its own answer."""
        return self.reply.waiting or self.id
