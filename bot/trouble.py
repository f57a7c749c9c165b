"""The log of what an operator has to repair: each cause once a minute, however many clicks meet it."""

import logging
import time

MINUTE = 60.0
_MOST = 1000
"""Causes that are remembered: foreign text may be among them."""


class OncePerMinute(logging.Filter):
    """Lets a message pass once a minute with the same `cause`; with the same `why`, where it names no cause."""

    def __init__(self) -> None:
        super().__init__()
        self._said = dict[tuple[str, str], float]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one is to be heard."""
        named = getattr(record, "cause", None) or getattr(record, "why", "")
        cause, now = (str(record.msg), str(named)), time.monotonic()
        if now - self._said.get(cause, -MINUTE) < MINUTE:
            return False
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[cause] = now
        return True

    def forget(self) -> None:
        """Let everything pass once more."""
        self._said.clear()


once = OncePerMinute()
log = logging.getLogger("latchkey.trouble")
log.addFilter(once)
