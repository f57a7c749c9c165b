"""The Lua scripts, each with the value shapes it takes and gives.

A script is not rolled back when it fails half-way, so each one checks everything first and writes last. Those
that change records may be sent again after a lost answer: they know their own write.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol, TypeAlias, cast

from redis.asyncio import Redis

Argument: TypeAlias = bytes | str | int


class Script(Protocol):
    """A script on the server; it is sent in full only when the server does not know it yet."""

    async def __call__(self, *, keys: Sequence[str], args: Sequence[Argument], client: Redis | None = None) -> object:
        """Run it."""
        ...


def load(redis: Redis, *names: str) -> Script:
    """The script made of these files, one after the other."""
    folder = files("bot.store")
    text = "\n".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
    return cast("Script", redis.register_script(text))
