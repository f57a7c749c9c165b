"""Keys that carry our marker and have no record: it expired, or was lost with the store. Nothing else would find them.

The item `STRAY` of the agenda looks once a day through the organization's keys, on from its page token. What it finds
it reports, with what the audit log says of the secret: "seen", "unseen" where the log has the key's creation and no
showing, else "unknown", for anybody may write a marker into another key. It deletes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from bot.domain.audit import Action
from bot.domain.errors import NotFound, Tampered
from bot.domain.keys import ApiKey, KeyId, Marker, RequestId
from bot.services.agenda import Item, ItemKind
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Agenda, Audit
from bot.services.requests.transitions import Transitions

EVERY = timedelta(days=1)
SECONDS = 20.0
"""After so many no further page is begun in one step: a page may take as long again, and a step has 50."""
HANDED_OVER = frozenset({Action.SHOW_INTENDED, Action.SHOWN, Action.CONFIRMED})
log = logging.getLogger("latchkey.strays")


@dataclass(frozen=True, slots=True)
class Strays:
    """Looks for keys without a record. `found` is told of each, every time, what is known of its secret."""

    transitions: Transitions
    cloud: Cloud
    audit: Audit
    agenda: Agenda
    found: Callable[[str], None]

    async def begin(self) -> None:
        """Put the first look on the agenda, unless one is there that is due earlier."""
        await self.agenda.put(Item(ItemKind.STRAY), self.transitions.clock() + EVERY)

    async def look(self, item: Item) -> datetime | None:
        """Carry out an item `STRAY`; returns when it is due again."""
        token, read, lost = item.id, {item.id}, dict[ApiKey, Marker]()
        ends_at = asyncio.get_running_loop().time() + SECONDS
        while True:
            try:
                keys, token = await self.cloud.key_page(token)
            except NotFound:
                token = ""  # it has expired: the next look begins anew
                break
            lost |= await self._lost(keys)
            if not token or token in read or asyncio.get_running_loop().time() >= ends_at:
                break
            read.add(token)
        if token and token not in read:  # before the long read of the log: should that fail, the look goes on
            await self.agenda.put(Item(ItemKind.STRAY, token), self.transitions.clock())
        await self._report(lost)
        return None if item.id else self.transitions.clock() + EVERY

    async def _lost(self, keys: Collection[ApiKey]) -> Mapping[ApiKey, Marker]:
        """Those whose marker names a request that is not there; one that cannot be read is there.

        Nothing is lost, either, while the audit log is not to be trusted: the operator has to repair that first.
        """
        lost = dict[ApiKey, Marker]()
        for key in keys:
            marker = Marker.find(key.description)
            with suppress(Tampered):
                if marker and await self.transitions.find(marker.request) is None:
                    lost[key] = marker
        return lost

    async def _report(self, lost: Mapping[ApiKey, Marker]) -> None:
        if not lost:
            return
        created, handed_over = await self._told({marker.request for marker in lost.values()})
        for key, marker in lost.items():
            was_created = created.get(key.id) == marker.request
            secret = "seen" if marker.request in handed_over else "unseen" if was_created else "unknown"
            about = {"key": key.id, "owner": key.owner, "marker": str(marker), "secret": secret}
            log.warning("a key has no record", extra=about)
            self.found(secret)

    async def _told(self, requests: Collection[RequestId]) -> tuple[Mapping[KeyId, RequestId], Collection[RequestId]]:
        """What the audit log says of these requests: keys that were created, and requests whose secrets were shown."""
        created, shown = dict[KeyId, RequestId](), set[RequestId]()
        async for line in self.audit.read():
            request, action, details = RequestId(str(line["request"])), line["action"], line["details"]
            if request in requests and action in HANDED_OVER:
                shown.add(request)
            elif request in requests and action == Action.CREATED and isinstance(details, dict):
                created[KeyId(str(cast("Mapping[str, object]", details)["key"]))] = request
        return created, shown
