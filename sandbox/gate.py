"""A place where something can be held in the middle."""

import asyncio


class Gate:
    """Holds a client that passes through, so that a test can act at exactly that moment: kill it, say.

    The server sets `reached` and goes on when the test sets `opened`.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self) -> None:
        """Say that a client has come this far, and wait until it may go on."""
        self.reached.set()
        await self.opened.wait()
