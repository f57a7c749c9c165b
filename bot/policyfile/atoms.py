"""Computes which wildcards one name can match at the same time, to tell environments apart by name."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Atom: TypeAlias = frozenset[str]
"""The names that match exactly these of the wildcards."""
_PATIENCE = 300_000
"""Steps before giving up. Policies that people write need a few thousand."""
_ANY_OTHER = ""
"""Stands for any letter that is in no wildcard."""
_Places: TypeAlias = frozenset[tuple[str, int]]
"""Positions in the wildcards that the letters so far may have reached."""


def atoms(wanted: Iterable[str]) -> tuple[Atom, ...]:
    """Every set of these wildcards such that some name matches exactly those; see `catalog.is_called`.

    If that takes too long, the result is as if no name matched two of them. A caller that asks whether all names are
    covered then learns less than it could, but nothing wrong.
    """
    words = sorted(set(wanted))
    begin = _closed((word, 0) for word in words)
    seen, waiting, found = {begin}, [begin], dict[Atom, None]()
    left = _PATIENCE
    while waiting:
        places = waiting.pop()
        found.setdefault(frozenset(word for word, at in places if at == len(word)))
        for letter in {_ANY_OTHER, *(word[at] for word, at in places if at < len(word) and word[at] != "*")}:
            left -= len(places)
            if left < 0:
                return (frozenset(), *(frozenset({word}) for word in words))
            after = _closed(_step(places, letter))
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return tuple(sorted(found, key=sorted))


def unlike(found: Sequence[Atom]) -> Atom:
    """The set for most names, which match nothing but `*`."""
    return min(found, key=lambda atom: (len(atom), sorted(atom)))


def _step(places: _Places, letter: str) -> Iterable[tuple[str, int]]:
    for word, at in places:
        if at < len(word) and word[at] == "*":
            yield word, at
        elif at < len(word) and word[at] == letter:
            yield word, at + 1


def _closed(places: Iterable[tuple[str, int]]) -> _Places:
    """These positions, and those that can be reached without a letter, because `*` also matches no text."""
    found, waiting = set[tuple[str, int]](), [*places]
    while waiting:
        word, at = waiting.pop()
        found.add((word, at))
        if at < len(word) and word[at] == "*":
            waiting.append((word, at + 1))
    return frozenset(found)
