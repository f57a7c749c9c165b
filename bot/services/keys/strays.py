"""Finds keys that carry our marker but have no record, or one that doesn't know them. Nothing else would.

A record expires, or is lost with the store; after a failover it may be an older one, from before the key was created.

The agenda's item `STRAY` looks through the organization's keys once a day, continuing from its page token. It reports
what it finds, with what the audit log says about the secret: "seen"; "unseen" if the log has the key's creation and no
showing; else "unknown", because anyone can write a marker into another key, and an archive may have the line of a
showing. An unseen one is deleted after a time that the policy sets, counted from the audit line about its finding.
Until then, people can notice that the log lacks its end, as after a restored backup.

Anyone who writes to Redis can delete the item, so each finished look is recorded next to it, sealed.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from bot.domain.audit import Action
from bot.domain.deadlines import due
from bot.domain.errors import CloudRefused, NotFound, Tampered, Unavailable
from bot.domain.keys import ApiKey, KeyId, Marker, RequestId
from bot.domain.policy import Policy
from bot.domain.requests import Approved, Keyed, Request, Working
from bot.services.agenda import Item, ItemKind
from bot.services.catalog.cache import CatalogCache
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Agenda, Audit, Cache
from bot.services.requests.transitions import Transitions

EVERY = timedelta(days=1)
SECONDS = 20.0
"""After this many seconds, a step starts no further page: a page may take as long again, and a step has 50."""
LATE = timedelta(hours=2)
"""If the daily look is this late, something is keeping it from happening."""
STEP_KEPT = timedelta(hours=1)
_DONE, _NEXT = "strays-looked", "strays-next"
SWEPT = timedelta(hours=1)
"""A key older than this is part of no attempt that is in progress."""
HANDED_OVER = frozenset({Action.SHOW_INTENDED, Action.SHOWN, Action.CONFIRMED})
log = logging.getLogger("latchkey.strays")


@dataclass(frozen=True, slots=True)
class Said:
    """What the audit log says about these requests, which are lost, and their keys."""

    requests: Collection[RequestId]
    created: dict[KeyId, RequestId] = field(default_factory=dict[KeyId, RequestId])
    shown: set[RequestId] = field(default_factory=set[RequestId])
    found: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When Latchkey first found a key without a record, by key and marker."""
    intended: set[str] = field(default_factory=set[str])
    """Those whose deletion was announced in the log."""
    archived: set[RequestId] = field(default_factory=set[RequestId])
    """The requests with other lines that were moved to a file."""

    def take(self, line: Mapping[str, object]) -> None:
        """Take the next line into account."""
        request, action, details = RequestId(str(line["request"])), line["action"], line["details"]
        if request in self.requests and action in HANDED_OVER:
            self.shown.add(request)
        if not isinstance(details, dict):
            return
        said = cast("Mapping[str, str]", details)
        if request in self.requests and action == Action.CREATED:
            self.created[KeyId(said["key"])] = request
        elif action == Action.FOUND_ORPHANED:
            self.found.setdefault(_name(said["key"], said["marker"]), datetime.fromisoformat(str(line["at"])))
        elif action == Action.DELETE_INTENDED and "marker" in said:
            self.intended.add(_name(said["key"], said["marker"]))

    def secret(self, key: ApiKey, marker: Marker) -> str:
        """What is known about a key's secret: "seen", "unseen" or "unknown"."""
        if marker.request in self.shown:
            return "seen"
        is_whole = marker.request not in self.archived
        return "unseen" if is_whole and self.created.get(key.id) == marker.request else "unknown"


@dataclass(slots=True)
class Strays:
    """Looks for keys without a record. `found` is called for each, every time, with what is known about its secret."""

    transitions: Transitions
    cloud: Cloud
    catalog: CatalogCache
    audit: Audit
    agenda: Agenda
    policy: Callable[[], Policy]
    found: Callable[[str], None]
    cache: Cache
    _begun: datetime | None = field(default=None, init=False)
    """When this process first checked it."""

    async def begin(self) -> None:
        """Put the next look on the agenda, a day after the last one, in case it's missing."""
        now = self.transitions.clock()
        done = await self.cache.get(_DONE, str)
        self._begun = self._begun or now
        since = done[1] if done else self._begun
        if now - since > EVERY + LATE:
            log.error("the daily check for keys without a record is overdue", extra={"since": str(since)})
        await self.agenda.put(Item(ItemKind.STRAY), max(since + EVERY, now))

    async def look(self, item: Item) -> datetime | None:
        """Carry out an item `STRAY`. Returns when it's due again, None for never."""
        token, read, lost = item.id, {item.id}, dict[ApiKey, Marker]()
        goes_on = await self.cache.get(_NEXT, str) if token else None
        is_whole = not token or (goes_on is not None and goes_on[0] == token)
        ends_at = asyncio.get_running_loop().time() + SECONDS
        while True:
            try:
                keys, token = await self.cloud.key_page(token)
            except NotFound:
                token, is_whole = "", False  # it has expired: the next look starts over
                break
            lost |= await self._lost(keys)
            if not token or token in read or asyncio.get_running_loop().time() >= ends_at:
                break
            read.add(token)
        is_end = not token or token in read
        if is_whole and not is_end:
            await self._note(_NEXT, token, STEP_KEPT)
        if not is_end:  # before the long read of the log, which may fail
            await self.agenda.put(Item(ItemKind.STRAY, token), self.transitions.clock())
        if lost:
            await self._report(lost)
        if is_whole and is_end:
            await self._note(_DONE, "", 2 * (EVERY + LATE))
        return None if item.id else self.transitions.clock() + EVERY

    async def _note(self, name: str, value: str, keep: timedelta) -> None:
        await self.cache.put(name, value, str, now=self.transitions.clock(), keep=keep)

    async def _lost(self, keys: Collection[ApiKey]) -> Mapping[ApiKey, Marker]:
        """Those whose marker names a request that doesn't exist. One that can't be read exists.

        Nothing counts as lost while the audit log can't be trusted: the operator has to repair that first.
        """
        lost = dict[ApiKey, Marker]()
        for key in keys:
            if (marker := Marker.find(key.description)) is None:
                continue
            with suppress(Tampered):
                stored = await self.transitions.find(marker.request)
                if stored is None:
                    lost[key] = marker
                elif self._is_denied(key, stored.value):
                    about = {"key": key.id, "owner": key.owner, "marker": str(marker), "state": stored.value.kind}
                    log.warning("a key's record says nothing of this key", extra=about)
                    self.found("denied")
                else:
                    await self._remind(key, stored.value)
        return lost

    async def _remind(self, key: ApiKey, request: Request) -> None:
        """Put an overdue request back on the agenda: its record may have been hidden from every other look."""
        deadline, now = due(request), self.transitions.clock()
        if deadline and deadline < now - LATE:
            about = {"key": key.id, "request": request.ask.id, "due": str(deadline)}
            log.error("a key's request is overdue; put it back on the agenda", extra=about)
            await self.agenda.put(Item(ItemKind.REQUEST, request.ask.id), now)

    def _is_denied(self, key: ApiKey, request: Request) -> bool:
        """Whether the key's request knows of no such key, as after a failover that lost its last steps."""
        if isinstance(request, Approved | Working) or (isinstance(request, Keyed) and request.key.id == key.id):
            return False
        # What an attempt left behind is swept within minutes.
        return key.created_at is None or self.transitions.clock() - key.created_at > SWEPT

    async def _report(self, lost: Mapping[ApiKey, Marker]) -> None:
        said = Said({marker.request for marker in lost.values()})
        async for line in self.audit.proven():
            said.take(line)
        said.archived.update(await self.audit.archived(said.requests))  # after the lines: some may be moved meanwhile
        for key, marker in lost.items():
            secret, about = said.secret(key, marker), {"key": key.id, "owner": key.owner, "marker": str(marker)}
            delete_at = await self._delete_at(key, marker, said) if secret == "unseen" else None  # noqa: S105 - a word
            log.warning(
                "a key has no record", extra={**about, "secret": secret, "delete_at": str(delete_at or "never")}
            )
            self.found(secret)
            if delete_at and delete_at <= self.transitions.clock():
                await self._delete(key, marker, said)

    async def _delete_at(self, key: ApiKey, marker: Marker, said: Said) -> datetime | None:
        """When a key that nobody can have is deleted; None if the policy only has it reported."""
        found_at = said.found.get(_name(key.id, str(marker)))
        if found_at is None:
            found_at = self.transitions.clock()
            await self.transitions.record(Action.FOUND_ORPHANED, marker.request, key=key.id, marker=str(marker))
        after = self.policy().delete_orphans_after
        return None if after is None else found_at + after

    async def _delete(self, key: ApiKey, marker: Marker, said: Said) -> None:
        """Delete the key. What Confluent refuses is tried again with the next look."""
        target = (await self.catalog.index()).target(key)
        if target is None or key.owner is None or await self.transitions.find(marker.request) is not None:
            return
        details = {"key": str(key.id), "marker": str(marker)}
        is_first = _name(key.id, str(marker)) not in said.intended
        if is_first:  # once for all tries
            await self.transitions.record(Action.DELETE_INTENDED, marker.request, **details)
        try:
            was_there = await self.cloud.delete_key(key.id, key.owner, target.resource)
        except (Unavailable, CloudRefused) as error:
            log.warning("couldn't delete a key without a record", extra={**details, "why": str(error)})
            return
        action = Action.FOUND_GONE if is_first and not was_there else Action.DELETED
        await self.transitions.record(action, marker.request, **details)
        log.warning("deleted a key without a record", extra=details)


def _name(key: str, marker: str) -> str:
    return f"{key} {marker}"
