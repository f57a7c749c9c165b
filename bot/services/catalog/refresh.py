"""Reading the catalog: one list of each kind for each environment, of which any may fail without losing the others."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.domain.catalog import Catalog, Environment, by_name
from bot.domain.errors import CloudRefused, Unavailable
from bot.domain.keys import Placed
from bot.domain.kinds import PLACED, Kind
from bot.services.catalog.index import NOTHING
from bot.services.ports.cloud import Cloud

READ_FOR = 35.0
"""Seconds for the lists: less than an item of the agenda may take. What a reading did not come to stays as it was
known, and is read first the next time."""
AT_ONCE = 5
"""Lists that are read at the same time; Confluent limits how much one account asks for."""
T = TypeVar("T")
log = logging.getLogger("latchkey.catalog")


@dataclass(slots=True)
class Cataloguing:
    """Reads the catalog again and again."""

    cloud: Cloud
    _begin: int = 0
    """The list that the next reading begins with."""

    async def read(self, known: Catalog | None) -> Catalog:
        """Everything that the form offers; what Confluent does not tell now is as in `known`.

        Raises `Unavailable` and `CloudRefused` when not even the environments can be read.
        """
        former = known or NOTHING
        organization, environments = await asyncio.gather(self.cloud.organization(), self.cloud.environments())
        ends = asyncio.get_running_loop().time() + READ_FOR
        accounts, regions, found = await asyncio.gather(
            _told(self.cloud.service_accounts, "service accounts", former.service_accounts, ends),
            _told(self.cloud.regions, "regions", former.regions, ends),
            self._lists(environments, former, ends),
        )
        return Catalog(
            organization,
            by_name(environments),
            by_name(accounts),
            {kind: by_name([each for each in found if each.kind is kind]) for kind in PLACED},
            tuple(sorted(regions, key=lambda each: each.id)),
        )

    async def _lists(self, environments: Sequence[Environment], known: Catalog, ends: float) -> list[Placed]:
        """Each list of each environment, a few at a time: those first that the last reading did not come to."""
        former = _by_place(known)
        jobs = [(kind, environment) for kind in PLACED for environment in environments]
        begin = self._begin % max(len(jobs), 1)
        room, clock, late = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop().time, 0

        async def read(kind: Kind, environment: Environment) -> Sequence[Placed]:
            nonlocal late
            kept = former.get((kind, environment.id), ())
            async with room:
                if clock() >= ends:
                    late += 1
                    return kept
                what = f"{kind} in {environment.id}"
                return await _told(lambda: self.cloud.resources(kind, environment), what, kept, ends)

        found = await asyncio.gather(*(read(*job) for job in (*jobs[begin:], *jobs[:begin])))
        self._begin = begin + len(jobs) - late
        if late:
            log.warning("the catalog is not read to its end", extra={"left": late, "of": len(jobs)})
        return [each for items in found for each in items]


async def _told(ask: Callable[[], Awaitable[Sequence[T]]], what: str, known: Sequence[T], ends: float) -> Sequence[T]:
    """What Confluent says, or what was known where it refuses, fails, or takes too long."""
    try:
        async with asyncio.timeout_at(ends):
            return await ask()
    except (Unavailable, CloudRefused, TimeoutError) as error:
        log.warning("a part of the catalog cannot be read", extra={"part": what, "why": str(error)})
        return known


def _by_place(catalog: Catalog) -> Mapping[tuple[Kind, str], Sequence[Placed]]:
    found: defaultdict[tuple[Kind, str], list[Placed]] = defaultdict(list)
    for items in catalog.resources.values():
        for each in items:
            found[each.kind, each.environment].append(each)
    return found
