"""A place where something can be held in the middle."""

import asyncio


class Gate:
    """Holds whoever passes through, so that a test can act at exactly that moment: kill a client, say.

    The server sets `reached` and goes on when the test sets `opened`.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self) -> None:
        """Say that somebody has come this far, and wait until they may go on."""
        self.reached.set()
        await self.opened.wait()
