"""Editing, deleting and extending an existing key. Each effect can be repeated, so a lost answer leaves no doubt.

Approved ─▶ Working (the intent, on disk) ─▶ Done, or Failed. A step that finds a request in Working first checks
whether its effect has happened already.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.access import WantedBinding
from bot.domain.audit import Action, Event
from bot.domain.authority import Target
from bot.domain.deadlines import earliest, has_expired, in_force, lifetime
from bot.domain.errors import (
    ASK_ADMINISTRATOR,
    CloudRefused,
    Conflict,
    LatchkeyError,
    Refused,
    Unavailable,
    Unknown,
    plain,
)
from bot.domain.keys import ApiKey, Marker, Operation
from bot.domain.requests import Approved, Done, Request, Working
from bot.services.browse.key import present
from bot.services.keys.expiry import EXPIRED
from bot.services.keys.origin import Origin, why_gone
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Stored
from bot.services.requests.recheck import Permission
from bot.services.requests.transitions import Transitions, With, backoff

UNTOUCHED = "Nothing changed in Confluent Cloud."
LOOK_AGAIN = "Check the key with `/apikey show`, then try again."
_INTENDED = {Operation.EDIT: Action.EDIT_INTENDED, Operation.DELETE: Action.DELETE_INTENDED}
"""An extension changes nothing at Confluent, so it has no intent."""


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """The steps of a request that changes a key. All may raise `Conflict` and `Unavailable`."""

    transitions: Transitions
    permission: Permission
    origin: Origin
    cloud: Cloud

    async def begin(self, stored: Stored[Request], approved: Approved) -> None:
        """Write the intent to disk, then carry it out."""
        now = self.transitions.clock()
        working = approved.then(Working, sent_at=now, look_at=now)
        action = _INTENDED.get(approved.ask.operation)
        events = [self._event(action, working)] if action else []
        try:
            written, _ = await self.transitions.commit(stored, working, *events, extra=With(durable=True))
        except Unavailable as error:
            await self.transitions.later(stored, approved, error)
            return
        await self.finish(written, working, is_first=True)

    async def finish(self, stored: Stored[Request], working: Working, *, is_first: bool = False) -> None:
        """Carry out what isn't done yet. A temporary failure is retried while the approval is fresh.

        `is_first`: nobody has tried before, so what is done already was done by someone else.
        """
        if not is_first:  # the process that wrote the intent may not have had it on disk
            stored, _ = await self.transitions.commit(stored, working, extra=With(durable=True))
        try:
            note = await self._done_already(working, is_first=is_first)
            if note is None:
                working = replace(working, terms=await self.permission.renew(working))
                note = "" if await self._do(working) or not is_first else _GONE
        except (Unavailable, Unknown) as error:
            await self._later(stored, working, error)
        except CloudRefused as error:
            happened, changed = f"Confluent Cloud refused: {error.detail}", _left(is_first=is_first)
            await self._fail(stored, working, happened, changed, ASK_ADMINISTRATOR, error.reference)
        except LatchkeyError as error:
            await self._fail(stored, working, error.happened, _left(is_first=is_first), LOOK_AGAIN)
        else:
            await self._note(stored, working, note)

    async def _done_already(self, working: Working, *, is_first: bool) -> str | None:
        """A sentence about it ("" for none) if it has happened, no matter who did it; None if it hasn't.

        Raises `Refused` if it can no longer happen.
        """
        ask = working.ask
        if ask.operation is Operation.EXTEND and await self.origin.was_extended(_key(working), ask.id):
            return ""
        found = await self._present(working)
        if found is not None:
            return await self._edited_already(working, found) if ask.operation is Operation.EDIT else None
        if ask.operation is not Operation.DELETE:
            raise await self._gone(working)
        if not is_first:
            return _GONE if await self.origin.ended_by_other(_key(working), ask.requester) else ""
        return EXPIRED if has_expired(_key(working), self.transitions.clock()) else _GONE

    async def _gone(self, working: Working) -> Refused:
        """What to say about a key that someone deleted outside Latchkey. Its own request records that, too."""
        key = _key(working)
        await self.origin.ended(key, why_gone(key, self.transitions.clock()))
        return Refused(f"The key `{plain(key.id)}` no longer exists in Confluent Cloud.")

    async def _edited_already(self, working: Working, present: ApiKey) -> str | None:
        key = _key(working)
        if (present.name, present.description) == _wanted(working):
            await self.origin.edited(present)
            return ""
        if (present.name, present.description) != (key.name, key.description):
            raise Refused("Someone else changed the key in the meantime, so Latchkey left their change in place.")
        return None

    async def _do(self, working: Working) -> bool:
        """Carry it out. Returns False if someone else has just deleted the key."""
        ask, key = working.ask, _key(working)
        if ask.operation is Operation.DELETE:
            return await self.cloud.delete_key(key.id, key.owner or ask.owner.id, ask.resource)
        if ask.operation is Operation.EDIT:
            await self._edit(working)
        elif not await self.origin.extended(key, new_end(working), ask.id):
            raise Refused("The key can't be extended: it was deleted or replaced.")
        return True

    async def _edit(self, working: Working) -> None:
        try:
            edited = await self.cloud.edit_key(_key(working).id, *_wanted(working))
        except CloudRefused:
            if await self._present(working) is None:  # it was deleted just now, for which Confluent answers 403 as well
                raise await self._gone(working) from None
            raise
        await self.origin.edited(edited)

    async def _present(self, working: Working) -> ApiKey | None:
        """The key as it is now, or None if it's gone."""
        ask = working.ask
        return await present(_key(working), Target(ask.owner, ask.resource), self.cloud)

    async def _note(self, stored: Stored[Request], working: Working, note: str) -> None:
        ask = working.ask
        action = {Operation.EDIT: Action.EDITED, Operation.EXTEND: Action.EXTENDED}.get(ask.operation, Action.DELETED)
        access: tuple[WantedBinding, ...] = ()
        if ask.operation is Operation.DELETE:
            access = await self.origin.access_left(_key(working))
            await self.origin.ended(_key(working), note, None if note else ask.requester)
            action = Action.FOUND_GONE if note else action
        done, event = (
            working.then(Done, at=self.transitions.clock(), note=note, news=True, access=access),
            self._event(action, working),
        )
        try:
            await self.transitions.commit(stored, done, event)
        except Conflict:
            await self._note_late(working, event)
            raise

    async def _note_late(self, working: Working, event: Event) -> None:
        """Write only the outcome if a faster process gave the change up.

        If that one continued the change, it writes the outcome: a deletion has one. An edit was sent twice.
        """
        stored = await self.transitions.find(working.ask.id)
        goes_on = stored is not None and isinstance(stored.value, Working | Done)
        if working.ask.operation is Operation.EDIT or not goes_on:
            await self.transitions.append(event)

    async def _later(self, stored: Stored[Request], working: Working, error: LatchkeyError) -> None:
        now = self.transitions.clock()
        if now >= working.grant.fresh_until:
            happened = f"Latchkey ran out of time: {error.trouble}"
            await self._fail(stored, working, happened, _left(is_first=False), LOOK_AGAIN)
            return
        look_at = now + backoff(working.clean, error)
        again = replace(working, look_at=look_at, trouble=error.trouble, clean=working.clean + 1)
        await self.transitions.commit(stored, again)

    async def _fail(
        self, stored: Stored[Request], working: Working, happened: str, changed: str, step: str, reference: str = ""
    ) -> None:
        failed = working.fail(self.transitions.clock(), happened, changed, step, reference)
        event = self.transitions.event(Action.FAILED, working.ask.id, happened=happened, reference=reference)
        await self.transitions.commit(stored, failed, event)

    def _event(self, action: Action, working: Working) -> Event:
        """The event, with old and new values, so that the audit log alone tells what changed."""
        ask, key, details = working.ask, _key(working), {"key": str(_key(working).id)}
        if ask.operation is Operation.EDIT:
            name, description = _wanted(working)
            details |= {"old_name": key.name, "new_name": name}
            details |= {"old_description": key.description, "new_description": description}
        if ask.operation is Operation.EXTEND:
            details["ends_at"] = str(new_end(working) or "never")
        return self.transitions.event(action, ask.id, ask.requester.slack, **details)


_GONE = "Someone else had already deleted it."  # in Confluent, or by a faster request


def _left(*, is_first: bool) -> str:
    """What a failure left at Confluent: an earlier attempt may have succeeded without an answer."""
    return UNTOUCHED if is_first else "Latchkey couldn't confirm that anything changed."


def new_end(working: Working) -> datetime | None:
    """When an extended key expires. Its new lifetime starts with the intent, so repeating the step adds nothing."""
    lasts = lifetime(working.ask, working.terms)
    return earliest(working.sent_at + lasts if lasts else None, in_force(_key(working).expires_at, working.sent_at))


def _key(working: Working) -> ApiKey:
    key = working.ask.key
    if key is None:
        raise Refused("This request doesn't name a key.")
    return key


def _wanted(working: Working) -> tuple[str, str]:
    """The name and description that the key should have, with our marker kept."""
    marker = Marker.find(_key(working).description)
    description = f"{working.ask.description} {marker}".strip() if marker else working.ask.description
    return working.ask.name, description
