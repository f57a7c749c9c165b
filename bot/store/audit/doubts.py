"""Records that the audit log contradicts. Latchkey leaves them alone and reports them to its operators."""

from collections.abc import Sequence
from itertools import islice

from bot import trouble
from bot.domain.errors import Contradicted

NAMED = 20
"""How many records are named in the log or reread at once: anyone who can write to Redis can plant any number."""
_MOST = 10_000


class Doubts:
    """Remembers the doubtful records. Each is logged once, at ERROR, and counts until it's found right or gone."""

    def __init__(self) -> None:
        self._found = dict[str, str]()

    def __len__(self) -> int:
        return len(self._found)

    def about(self, request: str, why: str) -> Contradicted:
        """Remember this record, log it if it's new, and return the error to raise for it."""
        error = Contradicted(request, why)
        if request not in self._found and len(self._found) < _MOST:
            self._found[request] = why
            if len(self._found) <= NAMED:
                trouble.log.error("left a record alone because it contradicts the audit log", extra={"why": str(error)})
        return error

    def none_about(self, request: str) -> None:
        """Forget this record: it's right, or gone."""
        self._found.pop(request, None)

    @property
    def first(self) -> Sequence[str]:
        """Up to `NAMED` requests, those doubted for the longest time first."""
        return list(islice(self._found, NAMED))

    @property
    def problem(self) -> str | None:
        """A sentence for operators, or None if there is nothing to report."""
        if not self._found:
            return None
        request, why = next(iter(self._found.items()))
        one, these = ("record contradicts", "it") if len(self._found) == 1 else ("records contradict", "them")
        return f"{len(self._found)} {one} the audit log, and Latchkey leaves {these} alone: request {request}: {why}"
