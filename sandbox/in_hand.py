"""Describes what a bot was doing when it was killed: its leases, which other processes have to wait for."""

from collections import Counter
from datetime import UTC, datetime

from redis.exceptions import RedisError

from bot.domain.keys import TeamId
from bot.services.agenda import Item, ItemKind
from bot.store.connection import Commands, connect
from bot.store.keyspace import Keyspace
from sandbox.cast import TEAM
from sandbox.slack.blocks import Json
from sandbox.stage import Stage

WORDS = {
    ItemKind.CLICK: ("a click", "{} clicks"),
    ItemKind.REQUEST: ("the next step of a request", "the next steps of {} requests"),
    ItemKind.HOME: ("a Home tab", "{} Home tabs"),
    ItemKind.CATALOG: ("the lists that the form offers", "the lists that the form offers"),
}
OTHER = ("a background task", "{} background tasks")


async def in_hand(stage: Stage) -> list[Json]:
    """What was begun and isn't done, in words, and when another process can take it (ISO 8601), soonest first.

    Empty if the stage doesn't have its own store, or the store is gone.
    """
    socket = stage.folder / "data" / "valkey.sock"
    if not socket.exists():
        return []
    try:
        async with connect(f"unix://{socket}") as redis:
            commands: Commands = redis
            leases: dict[bytes, bytes] = await commands.hgetall(Keyspace(TeamId(TEAM)).leases)
    except RedisError:
        return []
    return described(leases, stage.clock.now())


def described(leases: dict[bytes, bytes], now: datetime) -> list[Json]:
    """These leases in words, without those that have ended."""
    counts, ends = Counter[tuple[str, str]](), dict[tuple[str, str], datetime]()
    for item, lease in leases.items():
        end = datetime.fromtimestamp(int(lease.partition(b".")[0]) / 1000, UTC)
        if end > now:
            words = WORDS.get(Item.parse(item.decode()).kind, OTHER)
            counts[words] += 1
            ends[words] = max(end, ends.get(words, end))
    return [
        {"what": words[0] if counts[words] == 1 else words[1].format(counts[words]), "until": end.isoformat()}
        for words, end in sorted(ends.items(), key=lambda each: each[1])
    ]
