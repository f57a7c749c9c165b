"""Computes which requests reach a rule: those that it matches, minus those that earlier rules decide.

The result is exact, except for what IDs and names alone can't show: that a cluster is in another environment than the
one named with it, or what an environment is called.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TypeAlias

from bot.domain.catalog import is_environment_id
from bot.domain.keys import Operation
from bot.domain.kinds import Kind
from bot.domain.policy import ME, NEW_SERVICE_ACCOUNT, RULED, SERVICE_ACCOUNT, Match, Policy, Selector
from bot.policyfile.atoms import Atom, atoms, unlike

Box: TypeAlias = tuple[frozenset[str], ...]
"""A set of requests: all combinations of these operations, kinds, environments, clusters, owners and people.

People are all combinations of a Slack ID and of being in each user group, or having each role, that a rule names.
"""
_ANOTHER = "\0another"
"""Stands for all IDs that no rule names."""
_NONE = frozenset({""})
_IN, _OUT = frozenset({"in"}), frozenset({"out"})
"""Whether someone is in a user group or has a role."""
_PATIENCE = 50_000
"""Steps for one question. Policies that people write need a few hundred."""


class TooManySteps(Exception):
    """A question that would take too long to answer."""


@dataclass(frozen=True, slots=True)
class Example:
    """One request. An environment, cluster or account that is "" stands for any that no rule names."""

    operation: Operation
    kind: Kind
    environment: str
    cluster: str
    owner: str
    """`me`, `new-service-account`, or the ID of a service account."""
    called: frozenset[str] = frozenset()
    """The names and wildcards of rules that the environment's name matches, if it's described by them."""
    by: frozenset[str] = frozenset()
    """The requester's Slack ID, user groups and roles, if rules name them."""


@dataclass(slots=True)
class Reach:
    """Answers questions about one policy. Rules are given by their positions."""

    policy: Policy
    _people: "_People" = field(init=False)
    _environments: "_Environments" = field(init=False)
    _world: tuple[Box, ...] = field(init=False)
    _matches: tuple[tuple[Box, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        matches = [rule.match for rule in self.policy.rules]
        self._environments = _Environments.of(matches)
        owners = _named(match.owners for match in matches) | {ME, NEW_SERVICE_ACCOUNT}
        every = (
            frozenset[str](RULED),
            frozenset[str](Kind),
            frozenset(self._environments.all),
            _named(match.clusters for match in matches),
            owners - {SERVICE_ACCOUNT},
        )
        self._people = _People.of(match.by for match in matches)
        self._matches = tuple(self._boxes(match, every) for match in matches)
        boxes = zip(*(_of_kind(kind, every) for kind in Kind), strict=True)  # new service accounts last, for examples
        self._world = tuple((*box, *self._people.all) for alike in boxes for box in alike)

    def _boxes(self, match: Match, every: Box) -> tuple[Box, ...]:
        """All requests that match, with one set for each person, user group and role that it names."""
        box = _box(replace(match, environments=self._environments.meant(match.environments)), every)
        return tuple((*box, *who) for who in self._people.picked(match.by))

    def possible(self, rule: int, among: Match | None = None) -> list[Box]:
        """The requests that this rule matches, or only those of them that `among` matches, too.

        Empty if there are none.
        """
        boxes = _both(self._world, self._matches[rule])
        if among is not None:
            boxes = _both(boxes, self._boxes(among, _union(self._world)[:5]))
        return boxes

    def decides(self, rule: int, among: Match | None = None) -> bool:
        """Whether there is a request that this rule decides, and no earlier one."""
        try:
            return _first_left(self.possible(rule, among), self._before(rule)) is not None
        except TooManySteps:
            return True  # better no finding than a wrong one

    def taken(self, rule: int, earlier: int, among: Match) -> Example | None:
        """A request that both `among` and this rule match, and that the earlier rule decides; None if there is none.

        Its service account exists, unless all such requests are for a new one. Raises `TooManySteps`.
        """
        both = _both(self.possible(rule, among), self._matches[earlier])
        found = _first_left(self._environments.likely(both), self._before(earlier))
        if found is None:
            return None
        return replace(self._environments.example(found[:5]), by=self._people.names(found[5:]))

    def is_exception(self, earlier: int, rule: int) -> bool:
        """Whether the later rule matches everything that the earlier one decides, for the later one's operations.

        Raises `TooManySteps`.
        """
        others = [*self._before(earlier), *self._matches[rule]]
        same = Match(self.policy.rules[rule].match.operations)
        return _first_left(self._environments.likely(self.possible(earlier, same)), others) is None

    def in_its_way(self, rule: int) -> list[int]:
        """The earlier rules that decide something this rule matches; only one of them if that decides everything."""
        mine = self.possible(rule)
        above = [before for before in range(rule) if self._outlasts(before, rule)]
        taking = [before for before in above if _both(mine, self._matches[before])]
        whole = [before for before in taking if _first_left(mine, self._matches[before]) is None]
        return whole[:1] or taking

    def _before(self, rule: int) -> list[Box]:
        """Everything that the rules above this one match, as long as this one applies."""
        return [box for before in range(rule) if self._outlasts(before, rule) for box in self._matches[before]]

    def _outlasts(self, earlier: int, rule: int) -> bool:
        ends, end = self.policy.rules[earlier].until, self.policy.rules[rule].until
        return ends is None or (end is not None and ends >= end)


@dataclass(frozen=True, slots=True)
class _People:
    """The people who request, as far as rules tell them apart."""

    users: frozenset[str]
    others: tuple[str, ...]
    """User groups and roles."""

    @classmethod
    def of(cls, selectors: Iterable[Selector]) -> "_People":
        named = list(selectors)
        others = frozenset[str]().union(*(each.groups | each.roles for each in named))
        return cls(_named(each.users for each in named), tuple(sorted(others)))

    @property
    def all(self) -> Box:
        """Everyone."""
        return (self.users, *[_IN | _OUT] * len(self.others))

    def picked(self, by: Selector) -> Iterator[Box]:
        """The people whom a selector picks, with one set for each way to be picked; everyone if it's empty."""
        if not by:
            yield self.all
        if by.users:
            yield (by.users, *self.all[1:])
        for index, each in enumerate(self.others, 1):
            if each in by.groups | by.roles:
                yield (*self.all[:index], _IN, *self.all[index + 1 :])

    def names(self, box: Box) -> frozenset[str]:
        """The ID, groups and roles of one of the people in a set: as few as possible."""
        user = () if _ANOTHER in box[0] else (min(box[0]),)
        return frozenset([*user, *(each for each, how in zip(self.others, box[1:], strict=True) if how == _IN)])


@dataclass(frozen=True, slots=True)
class _Environments:
    """Environments, as far as rules tell them apart: by ID, and by the names and wildcards that they match.

    Any ID can have any name.
    """

    all: Mapping[str, tuple[str, Atom]]
    """A stand-in for each combination of an ID and a kind of name. With the usual name, it's the ID itself."""
    usual: Atom
    """The wildcards that most names match."""

    @classmethod
    def of(cls, matches: Iterable[Match]) -> "_Environments":
        words = frozenset[str]().union(*(match.environments for match in matches))
        named = frozenset(word for word in words if not is_environment_id(word))
        names = atoms(named)
        usual, ids = unlike(names), [_ANOTHER, *sorted(words - named)]
        sorts = dict[str, tuple[str, Atom]]()
        for id_, (index, name) in product(ids, enumerate(names)):
            sorts[id_ if name == usual else f"{id_}\0{index}"] = (id_, name)
        return cls(sorts, usual)

    def meant(self, words: frozenset[str]) -> frozenset[str]:
        """The environments that these words of a rule match."""
        return frozenset(each for each, (id_, name) in self.all.items() if id_ in words or not name.isdisjoint(words))

    def likely(self, boxes: Iterable[Box]) -> Iterator[Box]:
        """The sets, without environments that one rule gives by ID and another by name.

        The file doesn't show that they exist.
        """
        odd = {each for each, (id_, name) in self.all.items() if id_ != _ANOTHER and name != self.usual}
        for box in boxes:
            if left := box[2] - odd:
                yield (*box[:2], left, *box[3:])

    def example(self, box: Box) -> Example:
        """One of the requests in a set.

        It names a cluster only if it must: a cluster's environment isn't known here.
        """
        operations, kinds, environments, clusters, owners = box
        cluster = "" if clusters & {_ANOTHER, ""} else min(clusters)
        named = sorted(environments - {_ANOTHER}, key=lambda each: (each.startswith(_ANOTHER), each))
        environment = "" if not named or (cluster and _ANOTHER in environments) else named[0]
        id_, name = self.all.get(environment, ("", self.usual))
        kind = next(kind for kind in Kind if kind in kinds)
        operation = next(each for each in RULED if each in operations)
        owner = min(owners - {_ANOTHER}, default="")
        return Example(operation, kind, "" if id_ == _ANOTHER else id_, cluster, owner, name - self.usual)


def kind_of(cluster: str) -> Kind:
    """The kind of key that opens the cluster with this ID."""
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
    # An empty part matches everything, even the missing place of keys for the whole organization.
    return tuple(part or whole | _NONE for part, whole in zip(parts, every, strict=True))


def _of_kind(kind: Kind, every: Box) -> tuple[Box, Box]:
    """All requests for a kind; those with a new service account, which only `create` can have, are the second set."""
    operations, _, environments, clusters, owners = every
    if kind.row.is_wide:
        environments = clusters = _NONE
    else:
        clusters = frozenset(id_ for id_ in clusters if id_ == _ANOTHER or kind_of(id_) is kind)
    place = (frozenset[str]({kind}), environments, clusters)
    create, new = frozenset[str]({Operation.CREATE}), frozenset({NEW_SERVICE_ACCOUNT})
    return (operations, *place, owners - new), (create, *place, new)


def _union(boxes: Sequence[Box]) -> Box:
    return tuple(frozenset[str]().union(*parts) for parts in zip(*boxes, strict=True))


def _both(some: Iterable[Box], others: Sequence[Box]) -> list[Box]:
    """The requests that are in both."""
    return [both for one in some for other in others if all(both := _common(one, other))]


def _common(one: Box, other: Box) -> Box:
    return tuple(left & right for left, right in zip(one, other, strict=True))


def _first_left(boxes: Iterable[Box], earlier: Sequence[Box]) -> Box | None:
    """A part of these sets that is in none of `earlier`; None if nothing is left. Raises `TooManySteps`."""
    steps = [_PATIENCE]
    return next((left for box in boxes if (left := _left(box, earlier, steps))), None)


def _left(box: Box, earlier: Sequence[Box], steps: list[int]) -> Box | None:
    steps[0] -= 1
    if steps[0] < 0:
        raise TooManySteps
    if not earlier:
        return box
    first, rest = earlier[0], earlier[1:]
    if not all(_common(box, first)):
        return _left(box, rest, steps)
    for index, part in enumerate(first):
        if outside := box[index] - part:
            if left := _left((*box[:index], outside, *box[index + 1 :]), rest, steps):
                return left
            box = (*box[:index], box[index] & part, *box[index + 1 :])
    return None
