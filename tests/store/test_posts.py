from typing import Any

from bot.domain.keys import RequestId
from bot.services.ports.store import Post
from bot.services.surfaces import Surface, SurfaceKind
from bot.store import Store


async def test_a_message_is_written_together_with_its_end(stored_here: Store, real: Any) -> None:
    async def transactions() -> int:
        commands = await real.info("commandstats")
        return int(commands["cmdstat_exec"]["calls"]) if "cmdstat_exec" in commands else 0

    before = await transactions()
    await stored_here.posts.put(RequestId("R1"), Post(Surface(SurfaceKind.CARD), "C01", "1.0", "digest"))

    assert await transactions() == before + 1, "a connection that breaks in between leaves no key that lives for ever"
