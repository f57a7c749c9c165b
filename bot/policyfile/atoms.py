"""Which of several wildcards one name can fit at the same time: what tells the names of environments apart."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Atom: TypeAlias = frozenset[str]
"""All names that fit these wildcards, and no others of those that were asked about."""
_PATIENCE = 300_000
"""Places within wildcards that are looked at. Policies that people write need some thousands."""
_ANY_OTHER = ""
"""A letter that is in no wildcard."""
_Places: TypeAlias = frozenset[tuple[str, int]]
"""How far the letters so far may have come in each wildcard."""


def atoms(wanted: Iterable[str]) -> tuple[Atom, ...]:
    """Each set of wildcards that some name fits, and fits no other of them; see `catalog.is_called`.

    Where that would take too long, each wildcard as if no name fitted another one, too: a caller that asks if all names
    are covered is then told less than could be known, and nothing wrong.
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
    """That of most names: those that fit nothing but `*`."""
    return min(found, key=lambda atom: (len(atom), sorted(atom)))


def _step(places: _Places, letter: str) -> Iterable[tuple[str, int]]:
    for word, at in places:
        if at < len(word) and word[at] == "*":
            yield word, at
        elif at < len(word) and word[at] == letter:
            yield word, at + 1


def _closed(places: Iterable[tuple[str, int]]) -> _Places:
    """With all that can be reached without a letter: a wildcard stands for none, too."""
    found, waiting = set[tuple[str, int]](), [*places]
    while waiting:
        word, at = waiting.pop()
        found.add((word, at))
        if at < len(word) and word[at] == "*":
            waiting.append((word, at + 1))
    return frozenset(found)
