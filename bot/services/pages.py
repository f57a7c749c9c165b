"""What a modal, or the one message with the secret, has to show, as domain values; `bot.slack` draws them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.domain.access import GivenBinding, Offer, WantedBinding
from bot.domain.approvals import Terms, Ticket
from bot.domain.catalog import Endpoints, Environment, Region
from bot.domain.deadlines import earliest, end_of_life
from bot.domain.keys import ApiKey, KeyId, Operation, Owner, RequestId, Resource, Secret, ServiceAccount
from bot.domain.leaks.report import Leak
from bot.domain.readiness import Probe
from bot.domain.requests import Keyed, Living, Ready, Request, Retired, Withdrawn
from bot.services.commands import Draft


@dataclass(frozen=True, slots=True)
class SecondKey:
    """The second key of a pair, in the same message."""

    key: ApiKey
    secret: Secret
    resource: Resource
    endpoints: Endpoints
    probe: Probe = field(default=Probe())


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything in the one message with the secret."""

    request: RequestId
    attempt: int
    key: ApiKey
    secret: Secret
    owner: Owner
    resource: Resource
    endpoints: Endpoints
    replace_until: datetime
    """Until when the key can be replaced without a new approval."""
    probe: Probe = field(default=Probe())
    """What is known about whether the key works."""
    second: SecondKey | None = None
    replace_after_review: bool = False
    """Whether the use of break-glass that created the key has to be reviewed first."""


@dataclass(frozen=True, slots=True)
class FormPage:
    """The form, filled in from `draft`; `problems` are sentences by the name of the field they are shown under.

    The rest is what the chosen ids stand for, as far as it's known.
    """

    draft: Draft
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Environment | None = None
    resource: Resource | None = None
    account: ServiceAccount | None = None
    own_account: bool = True
    """Whether people may choose their own account."""
    region: Region | None = None
    """What the chosen region of Flink is called."""
    clouds: tuple[str, ...] = ("aws", "azure", "gcp")
    """Where Flink is offered, as `Draft.cloud` says it."""
    used_clouds: int = 0
    """How many of `clouds`, from the first, are in use in the environment."""
    offered: int | None = None
    """How many resources can be chosen; None without a catalog or a place."""
    limit: timedelta | None = None
    """The longest lifetime that the rule for what is chosen allows; None is no limit."""
    ticket: Ticket | None = None
    """What that rule says about a ticket."""
    drawing: str = ""
    """Distinguishes this drawing of the form from all others in the same modal; "" for the first one."""
    notice: str = ""
    """A sentence (mrkdwn) to be read first."""
    offers: Sequence[Offer] = ()
    """The access that can be chosen with this key."""
    companion: Resource | None = None
    """The resource that a second key could be for, in the same request."""


@dataclass(frozen=True, slots=True)
class Right:
    """What lets some people approve, in words, with the names of the closest ones, and how many more there are."""

    basis: str
    names: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """What will be requested. `warnings` are sentences (mrkdwn) that the requester should read before sending."""

    draft_id: str
    draft: Draft
    owner: Owner
    resource: Resource
    terms: Terms
    approvers: tuple[Right, ...]
    """The people who could approve, closest to the key first. Those named are told, unless the rule names others."""
    warnings: tuple[str, ...] = ()
    lifetime: timedelta | None = None
    """How long the key will last; None never expires."""
    alike: Request | None = None
    """An open request of the same person for the same, which this would duplicate."""
    closes: bool = False
    """Whether sending it closes the modal: messages reach this person, and will tell the outcome."""
    bindings: tuple[WantedBinding, ...] = ()
    """The roles that the account is granted with the key."""
    also: Resource | None = None
    """What a second key is for, in the same request."""
    break_glass: timedelta | str | None = None
    """How long the key would work if its reader used break-glass, or a sentence that says why they can't use it again
    yet; None if they can't use it at all."""


@dataclass(frozen=True, slots=True)
class GlassPage:
    """What using break-glass for a reviewed form means."""

    draft_id: str
    draft: Draft
    owner: Owner
    resource: Resource
    terms: Terms
    lifetime: timedelta
    told: int
    """How many people are told: those of the approvers whose Slack account is known."""
    approvers: int
    """How many people could approve. Slack is asked about the closest 30 of them only."""


@dataclass(frozen=True, slots=True)
class TextPage:
    """A page that only says something.

    `back` is a stored draft that its button leads back to; `typed` is what someone typed and would lose, to be copied;
    `anyway` is a stored click that its other button carries out anyway.
    """

    title: str
    text: str
    back: str = ""
    typed: str = ""
    anyway: str = ""
    break_glass: timedelta | str | None = field(default=None, kw_only=True)
    """As in `ReviewPage`, for the draft `back`: what can be done instead."""


NEWEST, OLDEST, EXPIRING = "newest", "oldest", "expiring"
ORDERS = frozenset({NEWEST, OLDEST, EXPIRING})
"""The orders of a list of keys besides the one by account."""


def end_of(key: ApiKey, made: Request | None) -> datetime | None:
    """When a key expires, by Latchkey or at Confluent, whichever is earlier; None is never."""
    planned = end_of_life(made) if isinstance(made, Keyed) and not isinstance(made, Withdrawn) else None
    return earliest(planned, key.expires_at)


@dataclass(frozen=True, slots=True)
class Replacement:
    """The key that replaced another one, which Latchkey deletes at `until`."""

    key: KeyId
    until: datetime


def replacements(requests: Iterable[Request]) -> Mapping[KeyId, Replacement]:
    """What replaced each key that was rotated and isn't deleted yet, as far as these requests tell."""
    found: dict[KeyId, Replacement] = {}
    for each in requests:
        former = each.life.former if isinstance(each, Living | Retired) else None
        if not isinstance(each, Living | Retired) or each.ask.key is None or former is None or former.deleted_at:
            continue
        replaced = found.get(each.ask.key.id)
        if replaced is None or former.until < replaced.until:
            found[each.ask.key.id] = Replacement(each.key.id, former.until)
    return found


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key, as far as its reader may see it."""

    key: ApiKey
    """Its description is without our marker."""
    owner: Owner
    owner_name: str
    """The owner's name; "" if it's unknown."""
    resource: Resource
    request: Request | None = None
    """The request that created it, if Latchkey did."""
    may: frozenset[Operation] = frozenset()
    """What the reader can request: edit, delete, rotate, extend."""
    is_own: bool = False
    """Whether it belongs to the reader's own account."""
    age: timedelta | None = None
    """Since its creation; None if Confluent doesn't tell."""
    is_requester: bool = False
    """Whether its reader requested it."""
    leak: Leak | None = None
    """The report that it leaked; read for a single key only, not for a list."""
    is_reporter: bool = False
    """Whether its reader reported it."""
    manages: bool = False
    """Whether its reader manages the key, and so can remove the access that came with it."""
    replaced: Replacement | None = None
    """What replaced it; None if nothing did, or if neither its reader nor its requester requested that rotation."""

    @property
    def access(self) -> tuple[GivenBinding, ...]:
        """The roles that came with it."""
        return self.request.grant.bindings if isinstance(self.request, Keyed) else ()

    @property
    def secret_waits(self) -> bool:
        """Whether its reader can still view its secret."""
        return self.is_requester and isinstance(self.request, Ready)

    @property
    def can_remove_access(self) -> bool:
        """Whether there is access that its reader can remove."""
        is_there = any(each.state == "given" for each in self.access)
        return self.manages and is_there and isinstance(self.request, Living)

    @property
    def needs_reason(self) -> bool:
        """Whether a change needs a reason: every key but personal ones concerns others."""
        return not self.is_own

    @property
    def ends_at(self) -> datetime | None:
        """When it's deleted, by Latchkey or at Confluent, whichever is earlier; None is never."""
        return earliest(end_of(self.key, self.request), self.replaced.until if self.replaced else None)

    @property
    def left(self) -> timedelta | None:
        """How long it has left; None if it never expires, or its creation is unknown."""
        if self.ends_at is None or self.age is None or self.key.created_at is None:
            return None
        return self.ends_at - (self.key.created_at + self.age)

    @property
    def ends_at_confluent(self) -> bool:
        """Whether Confluent expires it no later than Latchkey would: then nothing can make it last longer."""
        return self.ends_at is not None and self.ends_at == self.key.expires_at


@dataclass(frozen=True, slots=True)
class KeyPage:
    """All about one key, with buttons for what its reader can do. `notice` is a sentence (mrkdwn) to be read first."""

    view: KeyView
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of keys is limited to; "" is everything. `owner` is a principal, `text` is as typed."""

    owner: str = ""
    kind: str = ""
    environment: str = ""
    text: str = ""
    order: str = ""
    """`NEWEST`, `OLDEST` or `EXPIRING` first; "" is by account and name."""


@dataclass(frozen=True, slots=True)
class KeysPage:
    """Some of the keys that a person may see, in the order of `filters`.

    `next_page` and `previous_page` are opaque positions of the neighboring pages; "" for none.
    """

    views: Sequence[KeyView]
    filters: Filters
    next_page: str = ""
    previous_page: str = ""
    note: str = ""
    """What this page leaves out, or couldn't read: mrkdwn."""
    owner_name: str = ""
    environment: Environment | None = None
    """What the filters' ids stand for."""
    total: int | None = None
    """How many keys of `looked` accounts match the filters; None if not all of these were read."""
    looked: int = 0
    accounts: int = 0
    """How many accounts there are to look through."""


@dataclass(frozen=True, slots=True)
class EditPage:
    """Name and description of a key, to be changed; `terms` says what that needs.

    `typed` is what the person typed before, which wasn't sent: name, description, reason and ticket.
    """

    view: KeyView
    terms: Terms
    typed: tuple[str, str, str, str] | None = None
    notice: str = ""
    drawing: str = ""
    """As in `FormPage`."""
    approvers: tuple[Right, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletePage:
    """What is lost with a key, and the field for the word; `terms` says what the deletion needs."""

    view: KeyView
    terms: Terms
    notice: str = ""
    approvers: tuple[Right, ...] = ()


@dataclass(frozen=True, slots=True)
class RotatePage:
    """A new key to replace this one. `overlaps` are the days to choose from; `terms` says what it needs."""

    view: KeyView
    terms: Terms
    overlaps: tuple[int, ...]
    notice: str = ""
    approvers: tuple[Right, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtendPage:
    """A longer lifetime for a key that expires in `left`; `terms` says what that needs.

    `most` is how long Confluent lets it last from now on; None is forever.
    """

    view: KeyView
    terms: Terms
    left: timedelta = timedelta()
    notice: str = ""
    most: timedelta | None = None
    approvers: tuple[Right, ...] = ()


ChangePage: TypeAlias = EditPage | DeletePage | RotatePage | ExtendPage
"""The pages to request a change of a key; `approvers` could approve it, as in `ReviewPage`."""
Page: TypeAlias = (
    FormPage | ReviewPage | GlassPage | TextPage | KeyPage | KeysPage | EditPage | DeletePage | RotatePage | ExtendPage
)
