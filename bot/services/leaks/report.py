"""Reports of leaked keys: anyone who finds one can report it, without a role or a Confluent user.

A report is on the agenda before its reporter gets an answer, so a crash loses none. If a key is reported again within
`COUNTS_FOR`, that counts as the first report. `notify` has the messages.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from bot.domain.audit import SYSTEM, Action
from bot.domain.errors import plain
from bot.domain.keys import ApiKey, KeyId, SlackUserId
from bot.domain.leaks.report import COUNTS_FOR, MOST_AT_ONCE, MOST_REPORTS, Leak
from bot.domain.requests import Request
from bot.services.agenda import Item, ItemKind
from bot.services.browse.leaks import Leaks
from bot.services.commands import NO_ONE, Click, FoundLeak, ReportLeak
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Agenda, Cache
from bot.services.requests.transitions import Transitions
from bot.services.text import duration, when

Outcome: TypeAlias = Literal["reported", "known", "unknown", "too many"]
_Counted: TypeAlias = tuple[tuple[KeyId, datetime], ...]
"""The keys that a person reported recently, and when."""
log = logging.getLogger("latchkey.leaks")


@dataclass(frozen=True, slots=True)
class LeakReports:
    """Accepts reports from people and scanners."""

    transitions: Transitions
    directory: Directory
    cloud: Cloud
    leaks: Leaks
    agenda: Agenda
    cache: Cache
    maker: Callable[[ApiKey], Awaitable[Request | None]]
    """Finds the request that created a key; None if Latchkey didn't create it."""

    async def report(self, deed: ReportLeak, click: Click) -> str:
        """Accept a report of up to `MOST_AT_ONCE` keys, and return what to answer (mrkdwn).

        Raises `Refused` for bots and people of other workspaces. May raise `Unavailable` and `CloudRefused`.
        """
        await self.directory.must_belong(click.by, click.team)
        found = [(key, await self._take(FoundLeak(key, ""), click)) for key in deed.keys[:MOST_AT_ONCE]]
        sentences = [_SAID[outcome](keys) for outcome in _SAID if (keys := [k for k, each in found if each == outcome])]
        known = [await self.leaks.of(key) for key, outcome in found if outcome == "known"]
        first = min((leak.at for leak in known if leak), default=None)
        return " ".join(sentences) + (f" First reported {when(first)}." if first else "")

    async def found(self, deed: FoundLeak, click: Click) -> None:
        """Accept what a scanner found. `Scans` has counted it already, and no one waits for an answer."""
        await self._take(deed, click)

    async def _take(self, deed: FoundLeak, click: Click) -> Outcome:
        """Accept the report of one key. After a crash, calling this again continues where it stopped."""
        key, leak = deed.key, await self.leaks.of(deed.key)
        if leak is None:
            if click.by != NO_ONE and not await self._is_within_limit(click.by, key):
                return "too many"
            found = await self.cloud.key(key)
            if found is None or not found.owner:
                await self.cloud.must_see_all()
                log.info("someone reported a key that doesn't exist")
                return "unknown"
            leak = Leak(found, click.by, self.transitions.clock(), click.id, deed.source, deed.url)
            request = await self.maker(found)
            about = {"key": str(key), "owner": str(found.owner), **({"source": deed.source} if deed.source else {})}
            of, by = request.ask.id if request else None, click.by or SYSTEM
            await self.transitions.record(Action.LEAK_REPORTED, of, by, **about)
            await self.leaks.put(leak)
        await self.agenda.put(Item(ItemKind.LEAK, key), self.transitions.clock())
        self.transitions.wake()
        return "reported" if leak.click == click.id else "known"

    async def _is_within_limit(self, by: SlackUserId, key: KeyId) -> bool:
        """Count a report by this person, the same key only once. Returns False if it would exceed the limit."""
        now = self.transitions.clock()

        def with_this(counted: _Counted | None) -> _Counted | None:
            recent = tuple((each, at) for each, at in counted or () if now - at < COUNTS_FOR)
            if any(each == key for each, _ in recent):
                return recent
            return (*recent, (key, now)) if len(recent) < MOST_REPORTS else None

        return await self.cache.change(f"leak-reports:{by}", _Counted, with_this, now=now, keep=COUNTS_FOR)


def _named(keys: Sequence[KeyId]) -> str:
    return ", ".join(f"`{plain(key)}`" for key in keys)


def _reported(keys: Sequence[KeyId]) -> str:
    owners, them = ("its owner", "it") if len(keys) == 1 else ("their owners", "them")
    return (
        f"Thanks for reporting {_named(keys)}. Latchkey is notifying {owners}, the people who manage {them} and the "
        "approvals channel."
    )


def _known(keys: Sequence[KeyId]) -> str:
    is_one = len(keys) == 1
    return (
        f"{_named(keys)} {'was' if is_one else 'were'} already reported. The people who manage "
        f"{'it' if is_one else 'them'} know, so no one was notified again."
    )


def _unknown(keys: Sequence[KeyId]) -> str:
    what = f"no API key {_named(keys)}" if len(keys) == 1 else f"no API keys {_named(keys)}"
    return (
        f"Confluent Cloud has {what} in this organization: deleted already, or mistyped. No one was notified. Check "
        "the ID, which is letters and digits like `ABCD1234EFGH5678`."
    )


def _too_many(keys: Sequence[KeyId]) -> str:
    return (
        f"You've reported {MOST_REPORTS} keys within {duration(COUNTS_FOR)}, the most for one person. "
        f"{_named(keys)} {'was' if len(keys) == 1 else 'were'} not reported. Tell the owner or your Latchkey "
        "administrator directly."
    )


_SAID: dict[Outcome, Callable[[Sequence[KeyId]], str]] = {
    "reported": _reported,
    "known": _known,
    "unknown": _unknown,
    "too many": _too_many,
}
