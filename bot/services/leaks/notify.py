"""Messages about a leaked key: one each to the channel, the owner, the requester, and the people who manage it.

The agenda's item `LEAK` sends them, one by one, and checks every hour whether the key is gone, until the report lapses.
The store remembers where each message is. A crash between sending and remembering can leave a second copy.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias, cast

from bot.domain.audit import Action
from bot.domain.authority import Target
from bot.domain.errors import CloudRefused, Unavailable, Undeliverable
from bot.domain.keys import ApiKey, KeyId, Operation, Person, Principal, RequestId, SlackUserId, TeamId, has_place
from bot.domain.leaks.report import Leak, LeakAudience, LeakNotice
from bot.domain.policy import Rule
from bot.domain.requests import Done, Living, Request, Withdrawn
from bot.services.agenda import Item, ItemKind, must_hold
from bot.services.browse.key import present
from bot.services.browse.leaks import Leaks
from bot.services.catalog.cache import CatalogCache
from bot.services.commands import CardAt
from bot.services.keys.origin import Origin
from bot.services.pages import end_of
from bot.services.people.candidates import Candidates, closest
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.slack import Notifier
from bot.services.ports.store import Agenda, Audit, Cache
from bot.services.requests.transitions import Transitions
from bot.services.review.audience import Recipients

LOOK_AGAIN = timedelta(hours=1)
LOOK_SOON = timedelta(minutes=10)
"""When to look again for the environment of a key's resource, or for its name: without it, Latchkey can't tell who
manages the key, or which rule applies."""
log = logging.getLogger("latchkey.leaks")


_Readers: TypeAlias = tuple[tuple[str, LeakAudience], ...]
"""Slack IDs of a channel or of people, and why each gets a message."""


@dataclass(frozen=True, slots=True)
class LeakNotices:
    """Tells people about leaked keys."""

    directory: Directory
    catalog: CatalogCache
    cloud: Cloud
    leaks: Leaks
    cache: Cache
    agenda: Agenda
    recipients: Recipients
    candidates: Candidates
    notifier: Notifier
    maker: Callable[[ApiKey], Awaitable[Request | None]]
    transitions: Transitions
    origin: Origin
    audit: Audit

    async def step(self, item: Item) -> datetime | None:
        """Carry out an item `LEAK`. Returns when to look again, or None for never.

        May raise `Unavailable`, `CloudRefused` and `Undeliverable`: what was sent isn't sent again.
        """
        leak = await self.leaks.of(KeyId(item.id))
        target = await self.catalog.find(leak.key) if leak else None
        if leak is None or target is None:
            return None
        rule = await self._rule(target)
        is_gone = await self._is_gone(leak, target, rule)
        maker = await self.maker(leak.key)
        name = await self.directory.name_of(target.owner.id)
        notice = LeakNotice(leak, "channel", target.owner, name, target.resource if leak.key.kind else None)
        notice = replace(
            notice,
            requester=maker.ask.requester.slack if maker else None,
            ends_at=end_of(leak.key, maker),
            is_gone=is_gone,
            is_ours=await self.directory.is_own(target.owner),
        )
        await self._tell(notice, target, rule)
        if is_gone:
            return None
        is_known = rule is not None and has_place(target.resource)
        again = self.transitions.clock() + (LOOK_AGAIN if is_known else LOOK_SOON)
        if again >= leak.until:
            log.warning("a key that was reported as leaked still exists", extra={"key": leak.key.id})
            return None
        return again

    async def moved(self, request: Request) -> None:
        """If this step of a request deleted a reported key, have the messages about it updated."""
        key = _deleted(request)
        if key is not None and await self.leaks.of(key) is not None:
            await self.agenda.put(Item(ItemKind.LEAK, key), self.transitions.clock())

    async def _rule(self, target: Target) -> Rule | None:
        """The rule that applies if Latchkey deletes the key; None while it depends on a name that can't be read."""
        try:
            names = await self.directory.environments(target)
            return self.directory.policy().rule(Operation.DELETE, target, None, names)
        except (Unavailable, CloudRefused) as error:
            log.warning("can't tell yet which policy rule a leaked key is under", extra={"why": str(error)})
            return None

    async def _is_gone(self, leak: Leak, target: Target, rule: Rule | None) -> bool:
        """Delete the key if its rule says so, after recording that intent. Returns whether the key is gone."""
        key, policy = leak.key, self.directory.policy()
        is_gone = await present(key, target, self.cloud) is None
        if rule is None or rule.leaked != "delete" or rule.forbid or await self.directory.is_own(target.owner):
            return is_gone
        if not has_place(target.resource):  # a rule for its environment may say something else
            return is_gone
        name, maker = f"leak-deletion:{key.id}", await self.maker(key)
        found, request = await self.cache.get(name, str), maker.ask.id if maker else None
        details = {"key": str(key.id), "rule": rule.name, "policy": policy.digest}
        outcome = Action.DELETED
        if not is_gone:
            if found is None:
                await self.transitions.record(Action.DELETE_INTENDED, request, **details)
                await self._intend(name, leak)
            try:
                was_there = await self.cloud.delete_key(key.id, key.owner or target.owner.id, target.resource)
            except CloudRefused as error:
                log.warning("a leaked key can't be deleted", extra={"key": key.id, "why": str(error)})
                return False
            outcome = Action.DELETED if was_there or found is not None else Action.FOUND_GONE
        elif found is None or found[0] != _INTENDED:
            return True
        await must_hold()  # otherwise another process says what became of it
        if found is None or not await self._is_told(key.id):
            await self.transitions.record(outcome, request, **details)
        await self.origin.ended(key, _LEAKED)
        await self._keep(name, _DONE, str, leak)
        return True

    async def _intend(self, name: str, leak: Leak) -> None:
        """Remember the intent, unless another process got further while this one stood still."""
        now = self.transitions.clock()
        if now < leak.until:
            await self.cache.change(name, str, _begun, now=now, keep=leak.until - now)

    async def _is_told(self, key: KeyId) -> bool:
        """Whether the audit log has the outcome of a deletion that was begun before, here or elsewhere."""
        outcomes = [line async for line in self.audit.proven() if line["action"] in _OUTCOMES]
        return any(cast("Mapping[str, str]", line["details"]).get("key") == key for line in outcomes)

    async def _tell(self, notice: LeakNotice, target: Target, rule: Rule | None) -> None:
        """Update every message. The one in the channel comes first, because the search for people may fail."""
        rule = rule or self.directory.policy().rules[-1]
        await self._show(rule.channel, notice)
        name = f"leak-readers:{notice.leak.key.id}"
        known = await self.cache.get(name, _Readers)
        readers = known[0] if known else tuple({to: why async for to, why in self._people(notice, target)}.items())
        if not known and has_place(target.resource):
            await self._keep(name, readers, _Readers, notice.leak)
        for to, audience in readers:
            if to != rule.channel:
                await self._show(to, replace(notice, audience=audience))

    async def _people(self, notice: LeakNotice, target: Target) -> AsyncIterator[tuple[str, LeakAudience]]:
        """The people who manage or use the key, those closest to it last: a later reason replaces an earlier one."""
        for each in closest(await self.candidates.of(target, _NOBODY), RequestId(notice.leak.key.id)):
            if each.slack:
                yield each.slack, "manager"
        if notice.requester:
            yield notice.requester, "requester"
        for reader in await self.recipients.people(await self.recipients.known(target.owner.id)):
            yield reader.to, "owner" if reader.audience == "owner" else "account-owner"

    async def _show(self, to: str, notice: LeakNotice) -> None:
        """Send a message if it hasn't been sent. Once the key is gone, update it.

        Each message has its own record, so processes that overlap can't overwrite each other's.
        """
        name = f"leak-post:{notice.leak.key.id}:{to}"
        found = await self.cache.get(name, CardAt)
        if found is not None and (found[0] == _NOWHERE or not notice.is_gone):
            return
        await must_hold()  # otherwise another process may have sent it
        try:
            at = await self.notifier.leak(to, notice, found[0] if found else None)
        except Undeliverable as error:
            if not error.lasting:
                raise
            log.warning("couldn't send a message about a leaked key", extra={"to": to, "why": error.reason})
            at = _NOWHERE
        await self._keep(name, at, CardAt, notice.leak)

    async def _keep(self, name: str, value: object, of: type[object], leak: Leak) -> None:
        now = self.transitions.clock()
        if now < leak.until:
            await self.cache.put(name, value, of, now=now, keep=leak.until - now)


_INTENDED, _DONE = "intended", "done"
"""The progress of a deletion required by a rule."""
_OUTCOMES = frozenset({Action.DELETED, Action.FOUND_GONE})
_LEAKED = "It was reported as leaked, and the policy deletes such keys at once."
_NOWHERE = CardAt("", "")
"""The place of a message that Slack will never accept."""
_NOBODY = Person(SlackUserId(""), TeamId(""), "", "", Principal(""))
"""Nobody to leave out of the search for people who manage a key."""


def _begun(known: str | None) -> str | None:
    return None if known else _INTENDED


def _deleted(request: Request) -> KeyId | None:
    """The key whose deletion this request has just recorded, or None."""
    if isinstance(request, Withdrawn):
        return request.key.id if request.deleted_at else None
    former = request.life.former if isinstance(request, Living) else None
    is_done = isinstance(request, Done) and request.ask.operation is Operation.DELETE
    gone = is_done or (former is not None and former.deleted_at is not None)
    return request.ask.key.id if gone and request.ask.key else None
