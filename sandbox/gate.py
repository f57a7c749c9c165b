"""A gate that holds a request halfway."""

import asyncio


class Gate:
    """Holds a client that passes through, so that a test can act at exactly that moment, for example kill it.

    The server sets `reached`, and continues once the test sets `opened`.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self) -> None:
        """Set `reached`, and wait until `opened` is set."""
        self.reached.set()
        await self.opened.wait()
