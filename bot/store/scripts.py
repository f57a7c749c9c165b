"""Loads the Lua scripts. The top of each file says which keys and arguments it takes and what it replies.

A script that fails halfway isn't rolled back, so each one checks everything first and writes last. The scripts that
change records can be sent again after a lost answer: they recognize their own write.
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
    """A script on the server. Its text is sent only if the server doesn't know it yet."""

    async def __call__(
        self, *, keys: Sequence[bytes | str], args: Sequence[Argument], client: Redis | None = None
    ) -> object:
        """Run it and return its reply, with strings as bytes."""
        ...


def load(redis: Redis, *names: str) -> Script:
    """The script made by joining these files."""
    folder = files("bot.store")
    text = "\n".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
    return cast("Script", redis.register_script(text))


class Healer:
    """Deletes a value of the wrong type, so that it stops no reader.

    It's for copies, indexes and counts, and for clicks and forms, which then count as expired. The records and the
    audit log stay as they are, as evidence.
    """

    def __init__(self, redis: Redis) -> None:
        self._script = load(redis, "heal")

    async def read(self, key: str, of: Type, reading: Callable[[], Awaitable[T]]) -> T:
        """Return what `reading` reads from this key.

        A value of another type is deleted, logged, and counts as nothing.
        """
        try:
            return await reading()
        except ResponseError:
            if not await self.remove(key, of):
                raise  # the type isn't the reason
        return await reading()

    async def remove(self, key: str, of: Type) -> bool:
        """Delete the value unless it has this type. Returns whether it was deleted."""
        removed = await self._script(keys=[key], args=[of]) == 1
        if removed:
            trouble.log.error(
                "removed a value that Latchkey didn't write", extra={"cause": key, "why": f"its type isn't {of}"}
            )
        return removed
