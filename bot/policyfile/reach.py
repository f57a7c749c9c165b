"""Which asks get as far as a rule: what its match speaks of, less what earlier rules take.

Exact, up to what ids alone cannot tell: that a cluster is in another environment than the one named beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bot.domain.keys import Operation
from bot.domain.kinds import Kind
from bot.domain.policy import ME, NEW_SERVICE_ACCOUNT, RULED, SERVICE_ACCOUNT, Match, Policy

Box: TypeAlias = tuple[frozenset[str], ...]
"""A set of asks: every combination of these operations, kinds, environments, clusters and owners."""
_ANOTHER = "\0another"
"""Stands for all ids that no rule names."""
_NONE = frozenset({""})
_PATIENCE = 50_000
"""Steps for one question. Policies that people write need a few hundred."""


@dataclass(slots=True)
class Reach:
    """Answers for one policy. Rules are named by their positions."""

    policy: Policy
    _world: tuple[Box, ...] = field(init=False)
    _matches: tuple[Box, ...] = field(init=False)

    def __post_init__(self) -> None:
        matches = [rule.match for rule in self.policy.rules]
        owners = _named(match.owners for match in matches) | {ME, NEW_SERVICE_ACCOUNT}
        every = (
            frozenset[str](RULED),
            frozenset[str](Kind),
            _named(match.environments for match in matches),
            _named(match.clusters for match in matches),
            owners - {SERVICE_ACCOUNT},
        )
        self._matches = tuple(_box(match, every) for match in matches)
        self._world = tuple(box for kind in Kind for box in _of_kind(kind, every))

    def possible(self, rule: int, among: Match | None = None) -> list[Box]:
        """What this rule's match can speak of at all, or only what `among` speaks of too; empty is nothing."""
        boxes = [_common(box, self._matches[rule]) for box in self._world]
        if among is not None:
            narrow = _box(among, _union(self._world))
            boxes = [_common(box, narrow) for box in boxes]
        return [box for box in boxes if all(box)]

    def decides(self, rule: int, among: Match | None = None) -> bool:
        """Whether there is an ask that this rule, and none before it, decides."""
        steps = [_PATIENCE]
        return any(_is_left(box, self._matches[:rule], steps) for box in self.possible(rule, among))

    def in_its_way(self, rule: int) -> list[int]:
        """The earlier rules that take something from this one; if one takes all of it, that one."""
        mine = self.possible(rule)
        taking = [before for before in range(rule) if any(all(_common(box, self._matches[before])) for box in mine)]
        whole = [before for before in taking if not any(_is_left(box, [self._matches[before]], [99]) for box in mine)]
        return whole[:1] or taking


def kind_of(cluster: str) -> Kind:
    """What kind of key opens the cluster with this id."""
    return Kind.of_id(cluster) or next(kind for kind in Kind if kind.row.is_regional)


def _named(parts: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset({_ANOTHER}).union(*parts)


def _box(match: Match, every: Box) -> Box:
    owners = match.owners
    if SERVICE_ACCOUNT in owners:
        owners |= every[-1] - {ME, NEW_SERVICE_ACCOUNT}
    parts: Box = (
        frozenset[str](match.operations),
        frozenset[str](match.kinds),
        match.environments,
        match.clusters,
        owners,
    )
    # An empty part matches everything, also the place that keys of the whole organization do not have.
    return tuple(part or whole | _NONE for part, whole in zip(parts, every, strict=True))


def _of_kind(kind: Kind, every: Box) -> list[Box]:
    """All asks of a kind; a new service account comes only with a create."""
    operations, _, environments, clusters, owners = every
    if kind.row.is_wide:
        environments = clusters = _NONE
    else:
        clusters = frozenset(id_ for id_ in clusters if id_ == _ANOTHER or kind_of(id_) is kind)
    place = (frozenset[str]({kind}), environments, clusters)
    create, new = frozenset[str]({Operation.CREATE}), frozenset({NEW_SERVICE_ACCOUNT})
    return [(operations, *place, owners - new), (create, *place, new)]


def _union(boxes: Sequence[Box]) -> Box:
    return tuple(frozenset[str]().union(*parts) for parts in zip(*boxes, strict=True))


def _common(one: Box, other: Box) -> Box:
    return tuple(left & right for left, right in zip(one, other, strict=True))


def _is_left(box: Box, earlier: Sequence[Box], steps: list[int]) -> bool:
    """Whether anything in `box` is in none of `earlier`. Out of steps, it says yes: better silent than wrong."""
    steps[0] -= 1
    if not earlier or steps[0] < 0:
        return True
    first, rest = earlier[0], earlier[1:]
    if not all(_common(box, first)):
        return _is_left(box, rest, steps)
    for index, part in enumerate(first):
        if outside := box[index] - part:
            if _is_left((*box[:index], outside, *box[index + 1 :]), rest, steps):
                return True
            box = (*box[:index], box[index] & part, *box[index + 1 :])
    return False
