"""Items of the agenda: what is due, by kind, and the name that the store keeps for it.

Code that needs another form of name gets a new kind. Items of unknown kinds are left to versions that know them, but an
item of a known kind with a name that Latchkey never writes is dropped.
"""

import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.errors import Unavailable

HOLDING: ContextVar[Callable[[], Awaitable[bool]] | None] = ContextVar("HOLDING", default=None)
"""Whether this process alone still does this task's work; None outside of a lease."""


async def must_hold() -> None:
    """Call this directly before each effect: after a pause, another process may have taken over this work.

    Raises `Unavailable` if it has.
    """
    holds = HOLDING.get()
    if holds is not None and not await holds():
        raise Unavailable("Latchkey was delayed.", changed="Nothing changed.", log="lost the lease on this work")


@contextmanager
def regardless_of_lease() -> Generator[None]:
    """For undoing what this task did and no other process knows about: that can't wait, even if the lease is lost."""
    before = HOLDING.set(None)
    try:
        yield
    finally:
        HOLDING.reset(before)


class ItemKind(StrEnum):
    """What an item is about, and how its stored name begins. Stored: never change one."""

    REQUEST = "request:"
    """The next step of a request, and its messages."""
    CLICK = "click:"
    SWEEP = "sweep:"
    """A last look for the key of an attempt that was given up."""
    ACCOUNT = "account:"
    """The new service account of a request."""
    BINDINGS = "bindings:"
    """The role bindings that came with the key of a request."""
    GONE = "gone:"
    """A check whether the key of a request still exists."""
    REFUSAL = "refusal:"
    """The count of identical refusals of one person within a minute."""
    STRAY = "stray:"
    """The keys that carry our marker, from a page token on; without one, the beginning of a daily look."""
    LEAK = "leak:"
    """The messages about a key that was reported as leaked."""
    HOME = "home:"
    CATALOG = "catalog"
    REVIEW = "review:"
    """The review of the keys of one owner; without an id, the beginning of a pass."""
    REVIEW_PAGE = "review:@"
    """The organization's keys from a page token on."""
    REVIEW_REDRAW = "review:~"
    """The messages that ask about an owner's keys."""
    REVIEW_CHANNEL = "review-channel"
    """What the channel is asked at the end of a pass. Older versions leave it alone: they don't know its name."""
    UNKNOWN = ""
    """An item that Latchkey didn't write. Its ID is the whole name."""


REVIEW_ITEMS = (ItemKind.REVIEW, ItemKind.REVIEW_PAGE, ItemKind.REVIEW_REDRAW, ItemKind.REVIEW_CHANNEL)
_WITHOUT_ID = (ItemKind.CATALOG, ItemKind.REVIEW_CHANNEL)
_OF_AN_ATTEMPT = re.compile(r"(?P<request>[^/]*)/(?P<attempt>0|[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Item:
    """An item: its kind, the ID of what it's about, and for a sweep the attempt."""

    kind: ItemKind
    id: str = ""
    attempt: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}{self.id}" + ("" if self.attempt is None else f"/{self.attempt}")

    @classmethod
    def parse(cls, name: str) -> "Item":
        """The item with this stored name. Each name stands for one item, which is written the same way again."""
        kind = max(filter(name.startswith, ItemKind), key=len)
        id_ = name.removeprefix(kind)
        if kind is ItemKind.SWEEP and (found := _OF_AN_ATTEMPT.fullmatch(id_)):
            return cls(kind, found["request"], int(found["attempt"]))
        is_known = kind is not ItemKind.SWEEP and (kind not in _WITHOUT_ID or not id_)
        return cls(kind, id_) if is_known else cls(ItemKind.UNKNOWN, name)
