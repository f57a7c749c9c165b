"""The people who could approve, for the pages that say so before anything is sent."""

from collections.abc import Sequence

from bot.domain.keys import RequestId
from bot.services.pages import Right
from bot.services.people.candidates import Candidate, closest


def rights(candidates: Sequence[Candidate], request: RequestId) -> tuple[Right, ...]:
    """The people who could approve, grouped by the role or grant that lets them. Only the closest are named.

    Groups with someone named come first: they are told, and a page lists only some groups.
    """
    named = closest(candidates, request)
    groups = dict[str, list[Candidate]]()
    for each in candidates:
        groups.setdefault(each.basis, []).append(each)
    found = (
        Right(basis, names := tuple(each.name for each in people if each in named), len(people) - len(names))
        for basis, people in groups.items()
    )
    return tuple(sorted(found, key=lambda right: not right.names))
