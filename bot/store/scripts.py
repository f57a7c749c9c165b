"""The Lua scripts, each with the value shapes it takes and gives.

A script is not rolled back when it fails half-way, so each one checks everything first and writes last. Those
that change records may be sent again after a lost answer: they know their own write.
"""

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Literal, Protocol, TypeAlias, TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot import trouble

Argument: TypeAlias = bytes | str | int
Type: TypeAlias = Literal["string", "hash", "zset"]
T = TypeVar("T")


class Script(Protocol):
    """A script on the server; it is sent in full only when the server does not know it yet."""

    async def __call__(
        self, *, keys: Sequence[bytes | str], args: Sequence[Argument], client: Redis | None = None
    ) -> object:
        """Run it."""
        ...


def load(redis: Redis, *names: str) -> Script:
    """The script made of these files, one after the other."""
    folder = files("bot.store")
    text = "\n".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
    return cast("Script", redis.register_script(text))


class Healer:
    """Removes a value of another type from a key that holds copies or an index only, so that it stops no reader."""

    def __init__(self, redis: Redis) -> None:
        self._script = load(redis, "heal")

    async def read(self, key: str, of: Type, reading: Callable[[], Awaitable[T]]) -> T:
        """What stands at a key of this type; a value of another type counts as nothing, and is logged as it goes."""
        try:
            return await reading()
        except ResponseError:
            if not await self.remove(key, of):
                raise  # of something else than the type
        return await reading()

    async def remove(self, key: str, of: Type) -> bool:
        """Remove what is there, unless it is of this type; whether it was removed."""
        removed = await self._script(keys=[key], args=[of]) == 1
        if removed:
            trouble.log.error(
                "removed a value that Latchkey didn't write", extra={"cause": key, "why": f"its type isn't {of}"}
            )
        return removed
