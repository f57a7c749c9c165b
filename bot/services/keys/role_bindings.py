"""Role bindings that come with a key: granted before it, and removed if nobody gets to use it.

Each is journaled in the request before it's tried, so any process can find out what became of it. A binding that
existed before is left alone. One that didn't, and exists after a lost answer, counts as Latchkey's own.

They stay with the account once the key's secret was shown; `Remove access` removes them. One that was also requested
with another key is never removed: it becomes that request's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from bot.domain import requests as states
from bot.domain.access import GivenBinding, WantedBinding
from bot.domain.approvals import Grant
from bot.domain.audit import Action, Event
from bot.domain.decision import in_words
from bot.domain.errors import CloudRefused, Conflict, LatchkeyError
from bot.domain.keys import ApiKey, KeyId, Marker, Principal, RequestId
from bot.domain.roles import Binding, Scope
from bot.services.agenda import Item, regardless_of_lease
from bot.services.keys.service_accounts import Accounts, settlement, waits
from bot.services.ports.cloud import Bound, Cloud
from bot.services.ports.store import Stored
from bot.services.requests.transitions import STRAGGLER, Transitions, With, persistently

_NOBODY = Principal("")
_LOST = "its answer was lost"
_OURS = frozenset({"intended", "given"})
"""The states of a binding that Latchkey created, or may have."""
_ALIVE = (states.Ready, states.Revealing, states.Shown, states.Confirmed)
"""The states of a key that someone has, or is about to view."""
Waiting = TypeVar("Waiting", states.Approved, states.Offered)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the role bindings of a request are. `error` keeps the rest from being created."""

    stored: Stored[states.Request]
    grant: Grant
    error: LatchkeyError | None = None


@dataclass(frozen=True, slots=True)
class RoleBindings:
    """Creates and deletes role bindings. All may raise `Conflict`, and `Unavailable` if nothing was tried."""

    transitions: Transitions
    accounts: Accounts
    cloud: Cloud

    async def give(self, stored: Stored[states.Request], waiting: Waiting) -> Progress:
        """Grant every role binding that was requested, and before them create the account if it's new."""
        grant, wanted = waiting.grant, waiting.ask.bindings
        if len(grant.bindings) == len(wanted) and all(
            each.is_settled and each.state != "existed" for each in grant.bindings
        ):
            return Progress(stored, grant)
        if not grant.bindings:
            waiting = _with(waiting, [GivenBinding(each) for each in wanted])
            # On the agenda before anything is created, so that what is never used is removed.
            also = settlement(waiting, grant.fresh_until)
            stored, _ = await self.transitions.commit(stored, waiting, extra=With(durable=True, also=also))
        try:
            account = await self.accounts.ensure(waiting)
            looked, events = await self._looked(waiting, account.id if account else waiting.ask.owner.id)
        except LatchkeyError as error:
            return Progress(stored, waiting.grant, error)
        if looked != list(waiting.grant.bindings):
            waiting = _with(waiting, looked)
            stored, _ = await self.transitions.commit(stored, waiting, *events, extra=With(durable=True))
        tried, events, trouble = await self._tried(waiting)
        waiting = _with(waiting, tried)
        if events:
            try:
                stored, _ = await self.transitions.commit(stored, waiting, *events)
            except Conflict:  # another process gave this attempt up; what it created must not outlive that
                await self._disown(waiting.ask.id, [each for each in tried if each not in looked and each.id])
                raise
        return Progress(stored, waiting.grant, trouble)

    async def _looked(
        self, waiting: states.Approved | states.Offered, principal: Principal
    ) -> tuple[Sequence[GivenBinding], Sequence[Event]]:
        """What exists already, and the intent to create the rest, with their audit events."""
        there, now = await self.cloud.bound(principal), self.transitions.clock()
        looked, events = list[GivenBinding](), list[Event]()
        for known in waiting.grant.bindings:
            each = replace(known, principal=principal)
            is_known = each.state == "existed"  # found at an earlier attempt; someone may have removed it since
            found = None if each.is_settled and not is_known else await self._found(each, there)
            if each.is_settled and (found or not is_known):
                looked.append(each)
                continue
            if found is None:
                now_is = replace(each, state="intended", id="", at=now, tries=each.tries + 1)
                action, said = Action.BINDING_INTENDED, ""
            elif each.state == "planned":
                now_is, action, said = replace(each, state="existed", id=found.id), Action.BINDING_FOUND, ""
            else:
                now_is, action, said = replace(each, state="given", id=found.id), Action.BINDING_CREATED, _LOST
            looked.append(now_is)
            events.append(_event(self.transitions, action, waiting, now_is, **({"found": said} if said else {})))
        return looked, events

    async def _tried(
        self, waiting: states.Approved | states.Offered
    ) -> tuple[Sequence[GivenBinding], Sequence[Event], LatchkeyError | None]:
        """Create the intended ones, up to the first that can't be created."""
        tried, events = list(waiting.grant.bindings), list[Event]()
        for number, each in enumerate(tried):
            if each.state != "intended":
                continue
            try:
                made = await self.cloud.bind(await self._binding(each))
            except CloudRefused as refused:
                tried[number], event = self._refused(waiting, each, refused)
                events.append(event)
                if refused.status != HTTPStatus.CONFLICT:
                    return tried, events, _told(each, refused)
            except LatchkeyError as error:
                return tried, events, error
            else:
                tried[number] = replace(each, state="given", id=made.id)
                events.append(_event(self.transitions, Action.BINDING_CREATED, waiting, tried[number]))
        return tried, events, None

    def _refused(
        self, request: states.Request, each: GivenBinding, refused: CloudRefused
    ) -> tuple[GivenBinding, Event]:
        """What a refusal means. If an earlier answer was lost, what exists is Latchkey's own, or may still appear."""
        is_first = each.tries == 1
        if refused.status == HTTPStatus.CONFLICT:
            if is_first:
                return replace(each, state="existed"), _event(self.transitions, Action.BINDING_FOUND, request, each)
            return replace(each, state="given"), _event(
                self.transitions, Action.BINDING_CREATED, request, each, found=_LOST
            )
        back = replace(each, state="planned", tries=0) if is_first else each
        return back, _event(self.transitions, Action.BINDING_REFUSED, request, each, why=refused.detail)

    async def settle(self, item: Item) -> datetime | None:
        """Carry out an item `BINDINGS`: delete what nobody uses, or will use. Returns when to look again."""
        stored = await self.transitions.get(RequestId(item.id))
        request, now = stored.value, self.transitions.clock()
        if not any(each.state == "unwanted" for each in bindings_of(request)):
            if (again := waits(request, now)) is not None:
                return again
            given_up, events = give_up(request, self.transitions)
            if isinstance(request, states.Living | states.Retired) or not events or await self._was_rotated(request):
                return None
            stored, _ = await self.transitions.commit(stored, given_up, *events, extra=With(durable=True))
        return await self._delete(stored)

    async def _was_rotated(self, request: states.Request) -> bool:
        """Whether someone uses a key that a key of this request was rotated to, and that needs the same access."""
        principal = next((each.principal for each in bindings_of(request) if each.principal), None)
        for key in await self.cloud.keys_of(principal) if principal else ():
            marker = Marker.find(key.description)
            stored = await self.transitions.find(marker.request) if marker else None
            heir = stored.value if stored else None
            former = heir.ask.key if isinstance(heir, states.Living) and heir.key.id == key.id else None
            origin = Marker.find(former.description) if former else None
            if origin and origin.request in request.ask.keys_marked:
                return True
        return False

    async def _delete(self, stored: Stored[states.Request]) -> datetime | None:
        """Delete what is unwanted. Returns when to look again for one whose answer was lost: it may show up late."""
        request, now, events = stored.value, self.transitions.clock(), list[Event]()
        left, late = list(bindings_of(request)), list[datetime]()
        principal = next(each.principal for each in left if each.state == "unwanted") or _NOBODY
        there = await self.cloud.bound(principal)
        keys = await self.cloud.keys_of(principal) if there else ()
        for number, each in enumerate(left):
            if each.state != "unwanted":
                continue
            found = await self._found(each, there)
            if found is not None and (other := await self._handed_over(request, each, found, keys)):
                left[number] = replace(each, state="kept", id=found.id)
                events.append(_event(self.transitions, Action.BINDING_KEPT, request, left[number], other=other))
                continue
            if found is not None:
                await self.cloud.unbind(found)
            elif not each.id and each.at and each.at + STRAGGLER > now:
                late.append(each.at + STRAGGLER)
                continue
            else:
                await self.cloud.must_see_all()
            left[number] = replace(each, state="removed")
            events.append(_event(self.transitions, Action.BINDING_DELETED, request, each))
        if events:
            await self.transitions.commit(stored, with_bindings(request, left), *events)
        return min(late, default=None)

    async def _handed_over(
        self, request: states.Request, each: GivenBinding, found: Bound, keys: Sequence[ApiKey]
    ) -> RequestId | None:
        """The request of another key that this role binding was also requested with, and now belongs to; or None.

        The other request's record is written first: if this process dies then, the next one finds the binding there,
        and hands it over again.
        """
        for key in keys:
            marker = Marker.find(key.description)
            if marker is None or marker.request == request.ask.id:
                continue
            came_with = replace(each, id=found.id)
            if await persistently(partial(self._hand_over, marker.request, key.id, came_with, request.ask.id)):
                return marker.request
        return None

    async def _hand_over(self, to: RequestId, key: KeyId, each: GivenBinding, origin: RequestId) -> bool:
        stored = await self.transitions.find(to)
        heir = stored.value if stored else None
        if stored is None or not isinstance(heir, _ALIVE) or heir.key.id != key:
            return False
        bindings = list(heir.grant.bindings)
        same = (n for n, its in enumerate(bindings) if (its.wanted, its.principal) == (each.wanted, each.principal))
        number = next((n for n in same if bindings[n].state in {"existed", "given"}), None)
        if number is None:
            return False
        if bindings[number].state == "existed":
            bindings[number] = replace(bindings[number], state="given", id=each.id, at=each.at)
            said = f"it came with request {origin}"
            event = _event(self.transitions, Action.BINDING_CREATED, heir, bindings[number], found=said)
            await self.transitions.commit(stored, with_bindings(heir, bindings), event)
        return True

    async def _disown(self, request: RequestId, made: Sequence[GivenBinding]) -> None:
        """Delete what couldn't be recorded because another process continued the request, unless that one found it."""
        stored = await self.transitions.find(request)
        known = bindings_of(stored.value) if stored else ()
        gone = {each.wanted for each in known if each.state in {"planned", "removed"}}
        for each in made:
            if stored is None or each.wanted in gone or not known:
                with regardless_of_lease():
                    await self.cloud.unbind(Bound(each.id, await self._binding(each)))
                event = self.transitions.event(Action.BINDING_DELETED, request, **_about(each))
                await self.transitions.append(event)

    async def _found(self, each: GivenBinding, there: Sequence[Bound]) -> Bound | None:
        """The same role binding among the existing ones: by its ID if that is known, otherwise by role and place."""
        if each.id:
            return next((found for found in there if found.id == each.id), None)
        scope = Scope.parse((await self._binding(each)).crn)
        same = (found for found in there if found.binding.role == each.wanted.role)
        return next((found for found in same if Scope.parse(found.binding.crn) == scope), None)

    async def _binding(self, each: GivenBinding) -> Binding:
        return Binding(each.principal or _NOBODY, each.wanted.role, each.wanted.crn(await self.cloud.organization()))


def give_up(request: states.Request, transitions: Transitions) -> tuple[states.Request, Sequence[Event]]:
    """The same request, with everything that Latchkey granted to be deleted, and the events to record before that."""
    ours = [each for each in bindings_of(request) if each.state in _OURS]
    left = [replace(each, state="unwanted") if each in ours else each for each in bindings_of(request)]
    events = [_event(transitions, Action.BINDING_DELETE_INTENDED, request, each) for each in ours]
    return with_bindings(request, left), events


def removal_asked(request: states.Request, transitions: Transitions, by: str) -> Sequence[Event]:
    """An audit event for each binding that Latchkey created: `by` asked for its deletion."""
    ours = [each for each in bindings_of(request) if each.state in _OURS]
    return [transitions.event(Action.BINDING_REMOVAL_ASKED, request.ask.id, by, **_about(each)) for each in ours]


def bindings_of(request: states.Request) -> Sequence[GivenBinding]:
    """What became of the role bindings that were requested with a key."""
    if isinstance(request, states.Granted):
        return request.grant.bindings
    return request.bindings if isinstance(request, states.Failed) else ()


def given(request: states.Request) -> tuple[WantedBinding, ...]:
    """The roles that Latchkey granted with the key of this request, and that it may remove."""
    return tuple(each.wanted for each in bindings_of(request) if each.state == "given")


def with_bindings(request: states.Request, bindings: Sequence[GivenBinding]) -> states.Request:
    """The same request with another state of its role bindings."""
    if isinstance(request, states.Granted):
        return replace(request, grant=replace(request.grant, bindings=tuple(bindings)))
    return replace(request, bindings=tuple(bindings)) if isinstance(request, states.Failed) else request


def _event(
    transitions: Transitions, action: Action, request: states.Request, each: GivenBinding, **details: str
) -> Event:
    return transitions.event(action, request.ask.id, **_about(each), **details)


def _about(each: GivenBinding) -> dict[str, str]:
    about = {"principal": str(each.principal), "role": each.wanted.role, "scope": each.wanted.scope}
    return about | ({"binding": each.id} if each.id else {})


def _with(waiting: Waiting, bindings: Sequence[GivenBinding]) -> Waiting:
    return replace(waiting, grant=replace(waiting.grant, bindings=tuple(bindings)))


def _told(each: GivenBinding, refused: CloudRefused) -> CloudRefused:
    """The same refusal, saying which role it's about."""
    detail = f"{in_words(each.wanted)} couldn't be granted: {refused.detail}"
    return CloudRefused(status=refused.status, detail=detail, reference=refused.reference, reason=refused.reason)
