"""One key: what a person can see of it and request for it, and the pages for that. Changes nothing.

Everything is read from Confluent now, except roles, which may be a minute old: a request that starts here is decided
again from fresh reads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain.approvals import Terms
from bot.domain.authority import HeldRoles, Target, may_see
from bot.domain.catalog import Endpoints
from bot.domain.conditions import Conditions
from bot.domain.deadlines import end_of_life, has_expired
from bot.domain.decision import Forbidden, decide, manages
from bot.domain.errors import CloudRefused, NotFound, Refused, Tampered, Unavailable, plain
from bot.domain.keys import (
    ApiKey,
    KeyId,
    Marker,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Principal,
    RequestId,
    SlackUserId,
    TeamId,
)
from bot.domain.policy import Policy
from bot.domain.requests import MOST_OVERLAP, Ask, Keyed, Living, Ready, Request, Revealing, Withdrawn
from bot.services.browse.leaks import Leaks
from bot.services.browse.rights import rights
from bot.services.catalog.cache import CatalogCache
from bot.services.catalog.index import CatalogIndex
from bot.services.pages import (
    ChangePage,
    DeletePage,
    EditPage,
    ExtendPage,
    KeyPage,
    KeyView,
    Replacement,
    RotatePage,
    replacements,
)
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Clock, Requests, Stored
from bot.services.text import when

OFFERED = (Operation.EDIT, Operation.EXTEND, Operation.ROTATE, Operation.DELETE)
"""What can be requested for an existing key."""
MOST_ASKED = 50
"""How many of the reader's newest requests are searched for a key."""
FIELD = 3000
"""How many characters fit in one of Slack's text fields."""
NOT_OURS = "This key belongs to Latchkey's own account, so it can't be changed here. Nothing changed."
_UNKNOWN_KIND = (
    "Latchkey doesn't know this kind of key, so it can't tell who may change it. Nothing changed. "
    "Change it in the Confluent Cloud Console."
)
_ENDING = "This key is being deleted. Nothing changed."
_NOT_SHOWN = "No one has viewed this key's secret yet, so there is nothing to replace or extend. Nothing changed."
_NO_END = "This key has no expiration in Latchkey, so there is nothing to extend. Nothing changed."
_NO_PLACE = (
    "Latchkey can't find this key's resource, so it can't create another key for it. Nothing changed. "
    "If the resource is new, try again in ten minutes."
)
_BREAK_GLASS = (
    "This key was created with break-glass, so it can't be extended. Nothing changed. Rotate it instead: you get a "
    "new key, and time to switch."
)
NO_SUCH_KEY = "No key with that ID, or you don't have access to it. Nothing changed. `/apikey list` shows your keys."
"""One sentence for both cases, so that no one can find out which keys exist."""


async def present(key: ApiKey, target: Target, cloud: Cloud) -> ApiKey | None:
    """The key as it is now, or None if it's gone.

    Confluent may not find an existing key by its ID, so the owner's list decides. Raises `Unavailable` and
    `CloudRefused`, and `Throttled` if that list may be incomplete.
    """
    found = await cloud.key(key.id)
    if found is not None:
        return found
    for each in await cloud.keys(key.owner or target.owner.id, target.resource):
        if each.id == key.id:
            return each
    await cloud.must_see_all()
    return None


async def managed(key: ApiKey, requests: Requests) -> Stored[Request] | None:
    """The request that created this key; None if Latchkey didn't. Raises `Tampered` and `Unavailable`.

    A marker is text that anyone can copy into another key, so the request must name this same key.
    """
    marker = Marker.find(key.description)
    stored = await requests.get(marker.request) if marker else None
    is_ours = stored is not None and isinstance(stored.value, Keyed) and stored.value.key.id == key.id
    return stored if is_ours else None


def nothing_left(expires_at: datetime) -> str:
    """The sentence for a key whose expiration at Confluent rules out an extension."""
    return (
        f"Confluent Cloud deletes this key {when(expires_at)}, and no one can change that. Nothing changed. "
        "Rotate it instead: you get a new key, and time to switch."
    )


def _replaced_by(replaced: Replacement) -> str:
    return (
        f"This key was rotated: `{plain(replaced.key)}` replaced it, and Latchkey deletes it {when(replaced.until)}. "
        "Nothing changed. To keep it longer, use the message about the new key."
    )


def gone(request: Keyed, now: datetime) -> str:
    """The sentence for the requester of a key that Confluent no longer has."""
    ended = request.deleted_at if isinstance(request, Withdrawn) else None
    how = "expired" if has_expired(request.key, ended or now) else "was deleted"
    return f"Key `{plain(request.key.id)}` no longer exists in Confluent Cloud: it {how}. Nothing changed."


T = TypeVar("T")
C = TypeVar("C", bound=ChangePage)
SEARCHED_WITHIN = 5.0
"""How many seconds a page waits for the search for people who could approve."""


@dataclass(frozen=True, slots=True)
class KeyViews:
    """One key as a person may see it. Every method may raise `NotFound`, `Unavailable` and `CloudRefused`."""

    directory: Directory
    catalog: CatalogCache
    cloud: Cloud
    requests: Requests
    clock: Clock
    candidates: Candidates
    leaks: Leaks

    async def visitor(self, user: SlackUserId, team: TeamId | None = None) -> HeldRoles:
        """The person who is looking, with roles up to a minute old. `team` is the workspace named by a click.

        Raises `Refused` for a person who can't use Latchkey.
        """
        return await self.directory.glance(await self.directory.identify(user, team or self.directory.team, shown=True))

    async def reader(self, user: SlackUserId, team: TeamId) -> HeldRoles:
        """Like `visitor`, for a person who clicked: before a refusal, everything is read again."""
        return await self.directory.before_no(
            user, lambda directory: replace(self, directory=directory).visitor(user, team)
        )

    async def fitting(self, held_roles: HeldRoles, conditions: Conditions) -> HeldRoles:
        """The person, with the user groups that decide whether they meet these conditions, up to a minute old."""
        return await self.directory.fitting(held_roles, conditions, shown=True)

    async def read(self, user: SlackUserId, team: TeamId, look: Callable[["KeyViews", HeldRoles], Awaitable[T]]) -> T:
        """What `look` returns for a person who clicked: before a refusal, everything is read again."""

        async def on(directory: Directory) -> T:
            key_views = replace(self, directory=directory)
            return await look(key_views, await key_views.visitor(user, team))

        return await self.directory.before_no(user, on)

    async def key_view(self, key: KeyId, held_roles: HeldRoles) -> KeyView:
        """One key. Raises `NotFound` with the same words if it's gone and if the person can't see it."""
        found = await self.cloud.key(key) or await self._listed(key, held_roles)
        view = await self.view_of(found, held_roles, await self.catalog.index())
        if view is None:
            raise NotFound(NO_SUCH_KEY)
        replaced = await self._replaced(view, held_roles)
        may = view.may - {Operation.EXTEND} if replaced else view.may
        leak = await self.leaks.of(key)
        is_reporter = leak is not None and leak.by == held_roles.person.slack
        return replace(view, leak=leak, is_reporter=is_reporter, replaced=replaced, may=may)

    async def _replaced(self, view: KeyView, held_roles: HeldRoles) -> Replacement | None:
        """What replaced a key. Searches the newest requests of its reader and of its requester."""
        asked = [held_roles.person.slack, *([view.request.ask.requester.slack] if view.request else [])]
        stored = [each for user in dict.fromkeys(asked) for each in await self.requests.of_requester(user, MOST_ASKED)]
        return replacements(each.value for each in stored).get(view.key.id)

    async def some(self, owner: Principal, keys: Sequence[KeyId], held_roles: HeldRoles) -> Sequence[KeyView]:
        """The keys among these of one owner that exist and that this person can see, in the given order."""
        shown, _ = await self.cloud.keys_shown(owner)
        listed, catalog = {each.id: each for each in shown}, await self.catalog.index()
        views = [await self.view_of(listed[key], held_roles, catalog) for key in keys if key in listed]
        return [view for view in views if view is not None]

    async def _listed(self, key: KeyId, held_roles: HeldRoles) -> ApiKey:
        """A key that Confluent didn't find by its ID. That happens for existing keys, so the lists of keys decide.

        Raises `NotFound`. Only a person who requested the key reads that it's gone.
        """
        mine = await self.requests.of_requester(held_roles.person.slack, MOST_ASKED)
        asked_for = [each.value for each in mine if isinstance(each.value, Keyed) and each.value.key.id == key]
        owned_by = [each.key.owner for each in asked_for if each.key.owner]
        for owner in dict.fromkeys([held_roles.person.principal, *owned_by]):
            listed = await self.cloud.keys_of(owner)
            if found := next((each for each in listed if each.id == key), None):
                return found
        if asked_for:
            await self.cloud.must_see_all()
            raise NotFound(gone(asked_for[0], self.clock()))
        raise NotFound(NO_SUCH_KEY)

    async def view_of(self, key: ApiKey, held_roles: HeldRoles, catalog: CatalogIndex) -> KeyView | None:
        """A key that was just read, as this person can see it; None if they can't."""
        target, request = catalog.target(key), await self.maker(key)
        if target is None or not may_see(held_roles, target, request):
            return None
        own = held_roles.person.principal
        return KeyView(
            key=replace(key, description=Marker.without(key.description)),
            owner=target.owner,
            owner_name=held_roles.person.name if target.owner.id == own else await self._name(target, request),
            resource=target.resource,
            request=request,
            may=(await self._case(key, target, request, await self._offered(held_roles, target))).may(),
            is_own=target.owner.id == own,
            age=self.clock() - key.created_at if key.created_at else None,
            is_requester=request is not None and request.ask.requester.slack == held_roles.person.slack,
            manages=manages(held_roles, target),
        )

    async def key_page(self, key: KeyId, held_roles: HeldRoles, notice: str = "") -> KeyPage:
        """The page about one key, with `notice` at the top."""
        return KeyPage(await self.key_view(key, held_roles), notice)

    async def edit_page(self, key: KeyId, held_roles: HeldRoles) -> EditPage:
        """The page to edit a key's name and description.

        Raises `Refused` if they can't be changed or don't fit in a field.
        """
        view, terms = await self._asking(Operation.EDIT, key, held_roles)
        for field, text in (("name", view.key.name), ("description", view.key.description)):
            if len(text) > FIELD:
                raise Refused(
                    f"The {field} of this key has {len(text):,} characters, and Slack's fields hold {FIELD:,}. It "
                    "would be cut off here, so nothing changed. Change it in the Confluent Cloud Console."
                )
        return EditPage(view, terms)

    async def delete_page(self, key: KeyId, held_roles: HeldRoles) -> DeletePage:
        """The page to delete a key. Raises `Refused` if it can't be deleted."""
        view, terms = await self._asking(Operation.DELETE, key, held_roles)
        return DeletePage(view, terms)

    async def rotate_page(self, key: KeyId, held_roles: HeldRoles) -> RotatePage:
        """The page to rotate a key. Raises `Refused` if it can't be rotated."""
        view, terms = await self._asking(Operation.ROTATE, key, held_roles)
        most = min(each for each in (terms.overlap, MOST_OVERLAP, self._left_at_confluent(view)) if each is not None)
        overlaps = tuple(range(max(most.days, 0) + 1))
        return RotatePage(view, terms, overlaps)

    async def extend_page(self, key: KeyId, held_roles: HeldRoles) -> ExtendPage:
        """The page to extend a key's lifetime. Raises `Refused` if it can't be extended."""
        view, terms = await self._asking(Operation.EXTEND, key, held_roles)
        left = view.ends_at - self.clock() if view.ends_at else timedelta()
        return ExtendPage(view, terms, left, most=self._left_at_confluent(view))

    async def with_approvers(self, page: C, held_roles: HeldRoles) -> C:
        """The page with the people who could approve the change, if it needs approval and the search ends in time."""
        if not page.terms.approvals:
            return page
        view = page.view
        try:
            async with asyncio.timeout(SEARCHED_WITHIN):
                target, conditions = Target(view.owner, view.resource), page.terms.approvers
                found = await self.candidates.of(target, held_roles.person, conditions)
        except (Unavailable, CloudRefused, TimeoutError):
            return page
        return replace(page, approvers=rights(found, RequestId(view.key.id)))

    def _left_at_confluent(self, view: KeyView) -> timedelta | None:
        """How long Confluent lets this key last from now on; None is forever."""
        return view.key.expires_at - self.clock() if view.key.expires_at else None

    async def endpoints(self, view: KeyView) -> Endpoints | None:
        """The addresses of the key's resource for clients, read from Confluent; None if it's gone or unknown."""
        if view.key.kind is None:
            return None
        resource = view.resource
        found = await self.cloud.resource(resource.kind, resource.environment, resource.id)
        return found[1] if found else None

    async def maker(self, key: ApiKey) -> Request | None:
        """The request that created the key, or None. A damaged record counts as None: it must not hide the key."""
        try:
            stored = await managed(key, self.requests)
        except Tampered:
            return None
        return stored.value if stored else None

    async def _name(self, target: Target, request: Request | None) -> str:
        """The name of the owner. To match the person, all users were just read, so this costs no call."""
        if not isinstance(target.owner, MyAccount):
            made = request.ask.owner if request else None  # an account created with its key isn't in the catalog yet
            return target.owner.name or (made.name if isinstance(made, NewServiceAccount) else "")
        return await self.directory.name_of(target.owner.id)

    async def _offered(self, held_roles: HeldRoles, target: Target) -> HeldRoles:
        """The person, with the user groups that decide what they can request; without them if Slack doesn't answer."""
        with suppress(Unavailable):
            for operation in OFFERED:
                held_roles = await self.directory.asking(held_roles, operation, target, shown=True)
        return held_roles

    async def _case(self, key: ApiKey, target: Target, request: Request | None, held_roles: HeldRoles) -> "_Case":
        is_ours = await self.directory.is_own(target.owner)
        return _Case(self.directory.policy(), held_roles, key, target, request, self.clock(), is_ours=is_ours)

    async def _asking(self, operation: Operation, key: KeyId, held_roles: HeldRoles) -> tuple[KeyView, Terms]:
        """The key, and the terms for this operation. Raises `Refused` with the reason if it can't be requested."""
        view = await self.key_view(key, held_roles)
        if view.replaced and operation is Operation.EXTEND:
            raise Refused(_replaced_by(view.replaced))
        target = Target(view.owner, view.resource)
        asker = await self.directory.asking(held_roles, operation, target, shown=True)
        case = await self._case(view.key, target, view.request, asker)
        return view, replace(case, is_leaked=view.leak is not None).terms(operation)


@dataclass(frozen=True, slots=True)
class _Case:
    """A key, and a person who might request a change to it."""

    policy: Policy
    held_roles: HeldRoles
    key: ApiKey
    target: Target
    request: Request | None
    now: datetime
    is_ours: bool
    """Whether it is a key of Latchkey's own account."""
    is_leaked: bool = False

    def may(self) -> frozenset[Operation]:
        """All operations that the person can request, with or without someone else's approval.

        An operation that depends on a user group that can't be read is included: a person who selects it learns why
        it isn't possible now.
        """
        found: set[Operation] = set()
        for operation in OFFERED:
            with suppress(Refused):
                with suppress(Unavailable):
                    self.terms(operation)
                found.add(operation)
        return frozenset(found)

    def terms(self, operation: Operation) -> Terms:
        """The terms for requesting this. Raises `Refused` with the reason if it can't be requested."""
        if hindrance := NOT_OURS if self.is_ours else self._hindrance(operation):
            raise Refused(hindrance)
        verdict = decide(self.policy, self._ask(operation), self.held_roles, is_sketch=True)
        if isinstance(verdict, Forbidden):
            raise Refused(f"{plain(verdict.reason)} Nothing changed. (Rule: {plain(verdict.rule)}.)")
        return verdict.terms

    def _hindrance(self, operation: Operation) -> str:
        """Why it can't be done, regardless of the policy; "" if it can."""
        made, resource = self.request, self.target.resource
        if self.key.kind is None:
            return _UNKNOWN_KIND
        if isinstance(made, Withdrawn):
            return _ENDING
        if operation in {Operation.ROTATE, Operation.EXTEND} and isinstance(made, Ready | Revealing):
            return _NOT_SHOWN
        if operation is Operation.ROTATE and not isinstance(resource, OrganizationScope) and not resource.environment:
            return _NO_PLACE
        if operation is not Operation.EXTEND:
            return ""
        if isinstance(made, Living) and made.grant.glass:
            return _BREAK_GLASS
        end = end_of_life(made) if isinstance(made, Living) else None
        if end is not None and self.key.expires_at is not None and self.key.expires_at <= end:
            return nothing_left(self.key.expires_at)
        return "" if end else _NO_END

    def _ask(self, operation: Operation) -> Ask:
        key, target = self.key, self.target
        return Ask(
            id=RequestId(""),
            requester=self.held_roles.person,
            operation=operation,
            owner=target.owner,
            resource=target.resource,
            name=key.name,
            description=key.description,
            reason="",
            asked_at=self.now,
            key=key,
            leaked=self.is_leaked,
        )
