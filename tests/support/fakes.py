"""Small systems that keep state and behave like the real ones: a Confluent Cloud, a Slack, a clock."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from bot.domain.catalog import Account, Endpoints, Environment, Quota, Region, User
from bot.domain.errors import CloudRefused, Throttled, Undeliverable
from bot.domain.keys import (
    ApiKey,
    KeyId,
    Owner,
    Person,
    Placed,
    Principal,
    RequestId,
    Resource,
    Secret,
    ServiceAccount,
    SlackUserId,
)
from bot.domain.kinds import Kind
from bot.domain.leaks.report import LeakNotice
from bot.domain.readiness import Answer
from bot.domain.requests import Request
from bot.domain.review import Backlog, Digest
from bot.domain.roles import Binding, Scope
from bot.services.commands import CardAt, ReplyTo
from bot.services.pages import Handover, Page, TextPage
from bot.services.ports.cloud import Bound, NewKey
from bot.services.ports.slack import Profile
from bot.services.ports.store import Post
from bot.services.surfaces import Surface
from tests.support import build


@dataclass(slots=True)
class TestClock:
    """A clock that stands still until it is moved."""

    __test__ = False
    now: datetime = build.NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass(slots=True)
class Minted:
    """A key as it truly is: `lands_at` is when Confluent shows it, `deleted_at` when it was deleted."""

    key: ApiKey
    secret: str
    lands_at: datetime
    deleted_at: datetime | None = None


@dataclass(slots=True)
class FakeCloud:
    """A Confluent Cloud. `watch` is told about every effect, at its moment: ("create", "edit" or "delete", key)."""

    clock: Callable[[], datetime]
    bindings: dict[Principal, list[Binding]] = field(default_factory=dict[Principal, list[Binding]])
    minted: dict[KeyId, Minted] = field(default_factory=dict[KeyId, Minted])
    people: list[Person] = field(default_factory=list[Person])
    watch: Callable[[str, ApiKey], None] = lambda _, __: None
    accounts: dict[Principal, Account] = field(default_factory=dict[Principal, Account])
    """Service accounts that were made here."""
    accounts_land: timedelta = timedelta()
    """How long after the call a new service account shows."""
    made_bindings: dict[str, tuple[Bound, datetime]] = field(default_factory=dict[str, tuple[Bound, datetime]])
    """Role bindings that were made here, by id, and since when they show."""
    bindings_land: timedelta = timedelta()
    """How long after the call a new role binding shows in lists."""
    binding_history: list[tuple[str, Binding]] = field(default_factory=list[tuple[str, Binding]])
    account_history: list[tuple[str, Account]] = field(default_factory=list[tuple[str, Account]])
    unshown: set[KeyId] = field(default_factory=set[KeyId])
    """Keys that are refused by their id, as those that are gone are, and listed all the same."""
    unlisted: set[str] = field(default_factory=set[str])
    """Ids of clusters that no list names: not yet, or no longer."""
    is_partial: bool = False
    """Whether Confluent shows no key, account, user or role anymore, as to who has lost all rights."""
    landing: list[timedelta] = field(default_factory=list[timedelta])
    """How long after the call the next keys land; a key that lands late is of a create whose answer is lost."""
    expiry: Literal["honored", "ignored", "refused", "refused too late"] = "ignored"
    """What becomes of the `expires_at` of a create."""
    told: datetime | None = None
    """An end that new keys tell, and that ends no key."""
    limits: Sequence[Quota] | Exception = ()
    """What the quota API tells, or how it fails."""
    there: Sequence[Placed] = (build.CLUSTER,)
    """The resources, all in one environment."""
    called: dict[str, str] = field(default_factory=lambda: {"env-dev001": "dev"})
    """What the environments are called that its list names, by id."""

    async def own_account(self) -> Principal:
        """Nobody else's."""
        return Principal("sa-latchk")

    def live(self, request: RequestId | None = None) -> list[KeyId]:
        """Keys that open something now."""
        return [
            id_
            for id_, each in self.minted.items()
            if self._is_there(each) and (request is None or f"[lk:{request}/" in each.key.description)
        ]

    async def organization(self) -> str:
        return build.ORGANIZATION

    async def environments(self) -> Sequence[Environment]:
        return [Environment(id_, name) for id_, name in self.called.items()]

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        return [each for each in self.there if each.kind is kind and each.id not in self.unlisted]

    async def resource(self, kind: Kind, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
        return next(((each, build.ENDPOINTS) for each in self.there if each.id == id_), None)

    async def regions(self) -> Sequence[Region]:
        return []

    async def quotas(self, owner: Owner | None = None, cluster: str = "", environment: str = "") -> Sequence[Quota]:
        if isinstance(self.limits, Exception):
            raise self.limits
        return [each for each in self.limits if each.of in {"", owner.id if owner else "", cluster}]

    async def accounts_named(self, name: str) -> Sequence[Account]:
        if self.clock() < build.NOW + self.accounts_land:
            return []
        return [each for each in self.accounts.values() if each.name == name and not self.is_partial]

    async def create_account(self, name: str, description: str) -> Account:
        if any(each.name == name for each in self.accounts.values()):
            raise CloudRefused(status=409, detail="Service name is already in use", reference="R-1")
        made = Account(Principal(f"sa-new{len(self.accounts) + 1:03}"), name, description)
        self.accounts[made.id] = made
        self.account_history.append(("create", made))
        return made

    async def describe_account(self, account: Principal, description: str) -> None:
        self.accounts[account] = replace(self.accounts[account], description=description)

    async def delete_account(self, account: Principal) -> None:
        self.bindings.pop(account, None)
        if (gone := self.accounts.pop(account, None)) is not None:
            self.account_history.append(("delete", gone))

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        return [build.ACCOUNT]

    async def service_account(self, account: Principal) -> ServiceAccount | None:
        made = self.accounts.get(account)
        return build.ACCOUNT if account == build.ACCOUNT.id else ServiceAccount(made.id, made.name) if made else None

    async def users(self) -> Sequence[User]:
        people = [] if self.is_partial else self.people
        return [User(person.principal, person.email, person.name) for person in people]

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        return () if self.is_partial else tuple(self.bindings.get(principal, ()))

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        return [each for held in self.bindings.values() for each in held if each.crn == crn]

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        return [each for held in self.bindings.values() for each in held if each.crn.startswith(f"{crn}/")]

    async def bound(self, principal: Principal) -> Sequence[Bound]:
        """Those whose answers were lost may show late."""
        now, ours = self.clock(), self.made_bindings
        shown = [] if self.is_partial else self.bindings.get(principal, [])
        ids = {each.binding: id_ for id_, (each, _) in ours.items()}
        return [
            Bound(ids.get(each, f"rb-{each.role}-{each.crn[-12:]}"), each)
            for each in shown
            if each not in ids or ours[ids[each]][1] <= now
        ]

    async def bind(self, wanted: Binding) -> Bound:
        held = self.bindings.setdefault(wanted.principal, [])
        if any((each.role, Scope.parse(each.crn)) == (wanted.role, Scope.parse(wanted.crn)) for each in held):
            raise CloudRefused(status=409, detail="The role binding already exists", reference="R-4")
        made = Bound(f"rb-made{len(self.binding_history) + 1}", wanted)
        held.append(wanted)
        self.made_bindings[made.id] = (made, self.clock() + self.bindings_land)
        self.binding_history.append(("create", wanted))
        return made

    async def unbind(self, bound: Bound) -> None:
        held = self.bindings.get(bound.binding.principal, [])
        if bound.binding in held and not self.is_partial:
            held.remove(bound.binding)
            self.made_bindings.pop(bound.id, None)
            self.binding_history.append(("delete", bound.binding))
        await self.must_see_all()

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        number = len(self.minted) + 1
        now = self.clock()
        id_, secret = KeyId(f"KEY{number:013}"), f"cfltmarker0secret{number:04}wrong0"
        if new.expires_at and self.expiry == "refused":
            raise CloudRefused(status=400, detail="unknown field", reference="R-3")
        key = ApiKey(id_, new.owner.id, new.resource.id, new.name, new.description, now, new.resource.kind)
        if self.expiry == "honored":
            key = replace(key, expires_at=new.expires_at)
        key = replace(key, expires_at=self.told or key.expires_at)
        lands_at = now + self.landing.pop(0) if self.landing else now
        self.minted[id_] = Minted(key, secret, lands_at)
        self.watch("create", key)
        if new.expires_at and self.expiry == "refused too late":
            raise CloudRefused(status=400, detail="bad gateway request", reference="R-3")
        return key, Secret(secret)

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        return [
            each.key
            for each in self.minted.values()
            if self._is_there(each)
            and each.lands_at <= self.clock()
            and (each.key.owner, each.key.resource) == (owner, resource.id)
            and not self.is_partial
        ]

    def _shown(self) -> list[ApiKey]:
        now = self.clock()
        shown = [] if self.is_partial else self.minted.values()
        return [each.key for each in shown if self._is_there(each) and each.lands_at <= now]

    def _is_there(self, minted: Minted) -> bool:
        expires = minted.key.expires_at
        return minted.deleted_at is None and (self.told is not None or expires is None or self.clock() < expires)

    async def must_see_all(self) -> None:
        if self.is_partial:
            raise Throttled("Confluent shows a part.", wait=timedelta(minutes=5))

    async def key(self, key: KeyId) -> ApiKey | None:
        return next((each for each in self._shown() if each.id == key and key not in self.unshown), None)

    async def keys_shown(self, owner: Principal) -> tuple[Sequence[ApiKey], int]:
        return await self.keys_of(owner), 0

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        return [each for each in self._shown() if each.owner == owner]

    async def key_page(self, token: str) -> tuple[Sequence[ApiKey], str]:
        return self._shown(), ""

    async def edit_key(self, key: KeyId, name: str, description: str) -> ApiKey:
        found = self.minted.get(key)
        if found is None or not self._is_there(found):
            raise CloudRefused(status=403, detail="Forbidden", reference="R-2")
        found.key = replace(found.key, name=name, description=description)
        self.watch("edit", found.key)
        return found.key

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        found = self.minted.get(key)
        if found is None or not self._is_there(found) or self.is_partial:
            await self.must_see_all()
            return False
        found.deleted_at = self.clock()
        self.watch("delete", found.key)
        return True

    def add(self, key: ApiKey) -> ApiKey:
        """A key that was not made by Latchkey."""
        self.minted[key.id] = Minted(key, "cfltmarker0secretofothers0wrong0", self.clock())
        return key


@dataclass(slots=True)
class FakeProber:
    """Data planes that answer every probe the same way, and remember which keys were tried."""

    status: int = 200
    reachable: bool = True
    tried: list[KeyId] = field(default_factory=list[KeyId])

    def can_probe(self, resource: Resource, endpoints: Endpoints) -> bool:
        return self.reachable

    async def probe(self, resource: Resource, endpoints: Endpoints, key: KeyId, secret: Secret) -> Answer:
        self.tried.append(key)
        return Answer(self.status)


@dataclass(slots=True)
class FakeSlack:
    """A Slack: its users, and what it was told. Implements `People`, `Channels` and `Notifier`."""

    people: list[Person] = field(default_factory=list[Person])
    messages: dict[tuple[str, str], list[tuple[str, Request]]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], list[tuple[str, Request]]](list)
    )
    """By channel and ts: every version of the message, oldest first."""
    said: list[tuple[SlackUserId, str]] = field(default_factory=list[tuple[SlackUserId, str]])
    pages: list[Page] = field(default_factory=list[Page])
    opened: list[tuple[str, Page]] = field(default_factory=list[tuple[str, Page]])
    """By the trigger that opened it."""
    handed: list[tuple[ReplyTo, Handover]] = field(default_factory=list[tuple[ReplyTo, Handover]])
    cleared: list[ReplyTo] = field(default_factory=list[ReplyTo])
    digested: list[tuple[str, Digest]] = field(default_factory=list[tuple[str, Digest]])
    backlogs: list[tuple[str, Backlog]] = field(default_factory=list[tuple[str, Backlog]])
    leaks: list[tuple[CardAt, LeakNotice]] = field(default_factory=list[tuple[CardAt, LeakNotice]])
    """Every version of each message about a leaked key, and where it is."""
    profiles: dict[SlackUserId, Profile] = field(default_factory=dict[SlackUserId, Profile])
    """How Slack shows these people, where they are not simply members."""
    unreachable: set[str] = field(default_factory=set[str])
    """To whom no message about a leaked key can be sent."""
    groups: dict[str, Sequence[SlackUserId]] = field(default_factory=dict[str, Sequence[SlackUserId]])
    """Who is in a user group."""
    joined_by: dict[str, Sequence[SlackUserId]] = field(default_factory=dict[str, Sequence[SlackUserId]])
    """Who is in a channel."""
    public: set[str] = field(default_factory=set[str])
    """Channels that everybody can open."""
    beside: dict[str, Post | None] = field(default_factory=dict[str, Post | None])
    """The card that each message was published with."""
    withheld: set[str] = field(default_factory=set[str])
    """The kinds of messages that are refused for now."""

    async def profile(self, user: SlackUserId) -> Profile | None:
        person = next((each for each in self.people if each.slack == user), None)
        if person is None or user in self.profiles:
            return self.profiles.get(user)
        return Profile(
            user,
            person.team,
            person.name,
            person.email,
            email_confirmed=True,
            is_bot=False,
            is_guest=False,
            deleted=False,
        )

    async def by_email(self, email: str) -> Profile | None:
        person = next((each for each in self.people if each.email == email), None)
        return await self.profile(person.slack) if person else None

    async def members(self, group: str) -> Sequence[SlackUserId]:
        return self.groups.get(group, ())

    async def is_open(self, channel: str) -> bool:
        return channel in self.public

    async def link(self, post: Post) -> str:
        return f"https://acme.slack.example/archives/{post.channel}/p{post.ts.replace('.', '')}"

    async def joined(self, channel: str) -> Sequence[SlackUserId]:
        return self.joined_by.get(channel, ())

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        if surface.kind.value in self.withheld:
            raise Undeliverable("restricted_action_thread_locked", lasting=True)
        self.beside[str(surface)] = beside
        digest = f"{request.kind} {getattr(request, 'attempt', '')} {note}"
        if post is not None and post.digest == digest:
            return post
        place = (post.channel, post.ts) if post else (f"{surface}@{request.ask.id}", f"{len(self.messages) + 1}.0")
        if post is None and surface.root and beside is not None and (beside.channel, beside.ts) not in self.messages:
            raise Undeliverable("thread_not_found", lasting=True)
        if post is not None and place not in self.messages:
            raise Undeliverable("message_not_found", lasting=True)
        self.messages[place].append((str(surface), request))
        return Post(surface, *place, digest)

    async def digest(self, to: str, digest: Digest, at: CardAt | None) -> CardAt:
        self.digested.append((to, digest))
        return at or CardAt(to, f"{len(self.digested)}.0")

    async def backlog(self, to: str, backlog: Backlog) -> None:
        self.backlogs.append((to, backlog))

    async def leak(self, to: str, notice: LeakNotice, at: CardAt | None) -> CardAt:
        if to in self.unreachable:
            raise Undeliverable("user_disabled", lasting=True)
        place = at or CardAt(to, f"{len(self.leaks) + 1}.0")
        self.leaks.append((place, notice))
        return place

    async def say(self, to: SlackUserId, reply: ReplyTo, page: TextPage) -> None:
        self.said.append((to, page.text))

    async def show_page(self, view: str, page: Page, waiting: str = "") -> None:
        self.pages.append(page)

    async def open_page(self, trigger: str, page: Page) -> None:
        self.opened.append((trigger, page))

    async def hand_over(self, reply: ReplyTo, handover: Handover) -> None:
        self.handed.append((reply, handover))

    async def clear(self, reply: ReplyTo) -> None:
        self.cleared.append(reply)
