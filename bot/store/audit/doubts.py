"""Records that the audit log contradicts: left alone, and told to the people who operate Latchkey."""

from collections.abc import Sequence
from itertools import islice

from bot import trouble
from bot.domain.errors import Contradicted

NAMED = 20
"""Records that are named in the log, or read again at once: anyone who can write to Redis can put any number there."""
_MOST = 10_000


class Doubts:
    """Each record is logged once, at ERROR, and counts until it is seen to be right, or gone."""

    def __init__(self) -> None:
        self._found = dict[str, str]()

    def __len__(self) -> int:
        return len(self._found)

    def about(self, request: str, why: str) -> Contradicted:
        """The error for such a record."""
        error = Contradicted(request, why)
        if request not in self._found and len(self._found) < _MOST:
            self._found[request] = why
            if len(self._found) <= NAMED:
                trouble.log.error("left a record alone because it contradicts the audit log", extra={"why": str(error)})
        return error

    def none_about(self, request: str) -> None:
        """This record is right, or gone."""
        self._found.pop(request, None)

    @property
    def first(self) -> Sequence[str]:
        """The requests that have been doubted for the longest time."""
        return list(islice(self._found, NAMED))

    @property
    def problem(self) -> str | None:
        """What to show to an operator: a sentence; None when there is nothing to show."""
        if not self._found:
            return None
        request, why = next(iter(self._found.items()))
        one, these = ("record contradicts", "it") if len(self._found) == 1 else ("records contradict", "them")
        return f"{len(self._found)} {one} the audit log, and Latchkey leaves {these} alone: request {request}: {why}"
