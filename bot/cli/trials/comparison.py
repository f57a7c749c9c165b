"""Compares two policies: which decisions differ and for whom, over a snapshot and with the functions that decide.

Requests that no rule and no role tells apart count as one, for example those for all clusters of an environment that no
rule names and that no role is bound to.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TypeAlias

from bot.cli.explanation import in_short, terms_of
from bot.cli.snapshot import Snapshot
from bot.cli.trials.side import ANOTHER, ME, Side, Users, ask_for
from bot.domain.authority import Target
from bot.domain.catalog import User
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict
from bot.domain.keys import (
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Path,
    Person,
    Principal,
    Resource,
    SlackUserId,
    TeamId,
)
from bot.domain.kinds import PLACED, Kind
from bot.domain.policy import Match, Policy, Rule
from bot.domain.roles import Scope

_NOBODY = Person(SlackUserId("?"), TeamId(""), "", "", Principal("?"))
_OF_THE_KEY = frozenset({"claim_seconds", "mint", "lifetime_seconds", "overlap_seconds"})
_UNSEEN = {
    Operation.CREATE: frozenset({"overlap_seconds"}),
    Operation.EXTEND: _OF_THE_KEY - {"lifetime_seconds"},
    Operation.EDIT: _OF_THE_KEY,
    Operation.DELETE: _OF_THE_KEY,
}
"""Terms that don't matter for an operation."""
_IN_THE_DECISION = frozenset({"approvals", "unless_manager", "user_keys"})
_WHILE_IT_WAITS = frozenset({"pending_seconds", "remind_seconds", "notify", "risk"})


@dataclass(frozen=True, slots=True)
class Change:
    """How a decision differs.

    `gained` and `lost` are the people who can approve only under the new or the old policy.
    """

    before: str
    after: str
    terms: tuple[tuple[str, object, object], ...] = field(hash=False)  # some are lists
    """Each term that differs: its name in `explain --json`, its old value, and its new value."""
    gained: frozenset[Principal]
    lost: frozenset[Principal]


Cell: TypeAlias = tuple[str, str, str, str]
"""A kind of request, in words: operation, kind of key, place, owner."""
Box: TypeAlias = tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]
"""Requests: all combinations of these words, in the order of `Cell`."""
Whole: TypeAlias = tuple[frozenset[str], str]
"""Words that together make up a whole, and the name of the whole."""
ANY_ACCOUNT = "any service account"


@dataclass(frozen=True, slots=True)
class Difference:
    """A change, and the people and requests that it affects."""

    change: Change
    people: tuple[User, ...]
    requests: tuple[Box, ...]


@dataclass(slots=True)
class _Comparison:
    """Two policies and their differences. Each kind of request is compared only once."""

    old: Side
    new: Side
    _sorts: tuple[Users, ...] = field(init=False)
    """Groups of people who get the same decisions, except for the features of `Side.features`."""
    _is_same: bool = field(init=False)
    """Whether everyone has the same roles under both policies, so that only rules can make a difference."""
    _unlike: dict[object, bool] = field(default_factory=dict[object, bool], init=False)
    _found: dict[object, tuple[tuple[Change, Users], ...]] = field(
        default_factory=dict[object, tuple[tuple["Change", Users], ...]], init=False
    )

    def __post_init__(self) -> None:
        sorts = defaultdict[object, set[Principal]](set)
        for user in self.old.people:
            sorts[self.old.sort(user), self.new.sort(user)].add(user)
        self._sorts = tuple(map(frozenset, sorts.values()))
        one, two = self.old.policy, self.new.policy
        self._is_same = _said_of_people(one) == _said_of_people(two)

    def changes(self, operation: Operation, target: Target) -> Sequence[tuple[Change, Users]]:
        """What differs for such a request, and for whom."""
        was, now = (side.rules(operation, target) for side in (self.old, self.new))
        if self._is_same and not self._differ(was, now):
            return ()
        features = (*self.old.features(was, target), *self.new.features(now, target))
        able = tuple(side.approvers(target) for side in (self.old, self.new))
        owner = target.owner if target.owner in (ME, ANOTHER) else None
        owning = (self.old.owners(was, target), self.new.owners(now, target))
        key = (operation, target.resource.kind, target.owner.kind, owner, was, now, features, able, owning)
        if key not in self._found:
            found = defaultdict[Change, set[Principal]](set)
            for people in _parts(self._sorts, features):
                for change, who in self._of(operation, target, people, *able):
                    found[change] |= who
            self._found[key] = tuple((change, frozenset(who)) for change, who in found.items())
        return self._found[key]

    def _differ(self, was: tuple[int, ...], now: tuple[int, ...]) -> bool:
        """Whether these rules of the two policies differ in more than their names and matches."""
        if (was, now) not in self._unlike:
            sides = ((self.old, was), (self.new, now))
            one, two = ([_but_for_its_name(side.policy.rules[each]) for each in those] for side, those in sides)
            self._unlike[was, now] = one != two
        return self._unlike[was, now]

    def _of(
        self, operation: Operation, target: Target, people: Users, could: Users, can: Users
    ) -> Iterator[tuple[Change, Users]]:
        """The changes for these people, whose requests are all decided the same way."""
        first = min(people)
        theirs = replace(target, owner=MyAccount(first)) if target.owner == ME else target
        before, after = (side.verdict(operation, theirs, first) for side in (self.old, self.new))
        could, can = self.old.fitting(could, target, before), self.new.fitting(can, target, after)
        rules = (self.old.rule(operation, theirs, first), self.new.rule(operation, theirs, first))
        terms = tuple(_terms(rules, operation, theirs, before, after))
        is_asked = isinstance(before, NeedsApproval) and isinstance(after, NeedsApproval)
        concerned = people & (could | can)
        # Nobody approves their own request. If the same people can approve, each of them can stand for the others.
        is_alike = could == can and not any(map(_is_distinct, (before, after)))
        each_alone = [concerned] if is_alike else [frozenset({user}) for user in sorted(concerned)]
        for who in (people - concerned, *each_alone):
            requester = frozenset([min(who)] if who else []) & concerned
            then, those = could - requester, can - requester
            gained, lost = (
                (those - then, then - those) if is_asked else (frozenset[Principal](), frozenset[Principal]())
            )
            shorts = in_short(before, self.old.most(then, before)), in_short(after, self.new.most(those, after))
            change = Change(*shorts, terms, gained, lost)
            if who and (change.before != change.after or terms or gained or lost):
                yield change, who


def compare(snapshot: Snapshot, old: Side, new: Side) -> list[Difference]:
    """The differences; those that affect the most people first."""
    comparison = _Comparison(old, new)
    found = defaultdict[Change, defaultdict[Users, list[Cell]]](lambda: defaultdict(list))
    places, owners = _places(snapshot, old, new), _owners(snapshot, old, new)
    for operation, (place, resource), (whose, owner) in product(Operation, places, owners):
        if isinstance(owner, NewServiceAccount) and operation is not Operation.CREATE:
            continue
        cell = (operation.value, resource.kind.row.label, place, whose)
        for change, who in comparison.changes(operation, Target(owner, resource)):
            found[change][who].append(cell)
    names = [
        *_whole(places),
        (frozenset(whose for whose, owner in owners if owner.kind == "service-account"), ANY_ACCOUNT),
    ]
    return sorted(_merged(snapshot, found, names), key=lambda each: -len(each.people))


def _parts(sorts: Sequence[Users], features: Sequence[Users]) -> Sequence[Users]:
    """These groups of people, split by each of the features. No part is empty."""
    for feature in features:
        sorts = [part for people in sorts for part in (people & feature, people - feature) if part]
    return sorts


def _said_of_people(policy: Policy) -> object:
    """The parts of a policy that decide which roles people have and which user groups they share."""
    return policy.table, policy.mappings, policy.people, policy.apart


def _is_distinct(verdict: Verdict) -> bool:
    """Whether it matters which of the people who can approve is missing."""
    return isinstance(verdict, NeedsApproval) and any(each.is_distinct for each in verdict.terms.approvers)


def _but_for_its_name(rule: Rule) -> Rule:
    """The rule without its name and matches, except for whom it's about."""
    return replace(rule, name="", match=Match(by=rule.match.by))


def _terms(
    rules: tuple[Rule | None, Rule | None], operation: Operation, target: Target, before: Verdict, after: Verdict
) -> Iterator[tuple[str, object, object]]:
    was, now = rules
    if was is None or now is None or isinstance(before, Forbidden) or isinstance(after, Forbidden):
        return
    ask = ask_for(_NOBODY, operation, target)
    there, here = terms_of(was, was.approvals, ask), terms_of(now, now.approvals, ask)
    unseen = _IN_THE_DECISION | _UNSEEN.get(operation, frozenset())
    if isinstance(before, Allowed) and isinstance(after, Allowed):
        unseen |= _WHILE_IT_WAITS
    for name in there:
        if name not in unseen and there[name] != here[name]:
            yield name, there[name], here[name]


def _places(snapshot: Snapshot, old: Side, new: Side) -> list[tuple[str, Resource]]:
    """One example of each kind of resource, with words for what it stands for."""
    found: list[tuple[str, Resource]] = [
        ("the organization", OrganizationScope(kind)) for kind in Kind if kind.row.is_wide
    ]
    rules, scopes = _rules(old, new), _scopes(old, new)
    named = {id_ for rule in rules for id_ in rule.match.clusters}
    for kind, environment in product(PLACED, snapshot.environments):
        sorts = defaultdict[object, list[Resource]](list)
        here = [each for each in scopes if len(each.path) > 1 and each.meets((("environment", environment.id),))]
        for each in snapshot.resources.get(kind, ()):
            if each.environment == environment.id:
                met = frozenset(scope.path for scope in here if any(map(scope.meets, each.paths())))
                sorts[each.id if each.id in named else "", met].append(each)
        around = f"{environment.name} ({environment.id})"
        found += [(f"{_some(these)} in {around}" if len(sorts) > 1 else around, these[0]) for these in sorts.values()]
    return found


def _whole(places: Sequence[tuple[str, Resource]]) -> Iterator[Whole]:
    """The places that together make up all of one kind in an environment."""
    sorts = defaultdict[tuple[Kind, str], set[str]](set)
    for place, resource in places:
        sorts[resource.kind, f"{resource.environment_name} ({resource.environment})"].add(place)
    return ((frozenset(those), around) for (_, around), those in sorts.items() if len(those) > 1)


def _owners(snapshot: Snapshot, old: Side, new: Side) -> list[tuple[str, Owner]]:
    """One example of each kind of owner, with words for what it stands for."""
    rules, scopes = _rules(old, new), _scopes(old, new)
    named = {id_ for rule in rules for id_ in rule.match.owners}
    sorts = defaultdict[object, list[Owner]](list)
    for each in snapshot.service_accounts:
        if each.id != snapshot.own_account:
            path: Path = (("service-account", each.id),)
            met = frozenset(scope.path for scope in scopes if scope.path and scope.covers(path))
            sorts[each.id if each.id in named else "", met].append(each)
    accounts = [(_some(each), each[0]) for each in sorts.values()]
    mine: list[tuple[str, Owner]] = [("their own account", ME), ("another person", ANOTHER)]
    return [*mine, ("a new service account", NewServiceAccount("", "")), *accounts]


def _rules(*sides: Side) -> list[Rule]:
    return [rule for side in sides for rule in side.policy.rules]


def _scopes(*sides: Side) -> frozenset[Scope]:
    """Every place that someone's role is bound to."""
    return frozenset(
        Scope.parse(each.crn) for side in sides for _, held in side.people.values() for each in held.bindings
    )


def _some(those: Sequence[Resource] | Sequence[Owner]) -> str:
    first, more = those[0].id, len(those) - 1
    return f"{first} and {more} like it" if more else first


def _merged(
    snapshot: Snapshot, found: Mapping[Change, Mapping[Users, Sequence[Cell]]], names: Sequence[Whole]
) -> Iterator[Difference]:
    for change, concerned in found.items():
        for who, theirs in concerned.items():
            yield Difference(change, tuple(each for each in snapshot.users if each.id in who), _boxes(theirs, names))


def _boxes(cells: Iterable[Cell], names: Sequence[Whole]) -> tuple[Box, ...]:
    """The same requests, described by fewer combinations of words."""
    boxes: list[Box] = [tuple(frozenset({word}) for word in cell) for cell in cells]  # type: ignore[misc]  # a cell has four words
    for axis in (2, 3, 1, 0):
        joined = defaultdict[object, list[Box]](list)
        for box in boxes:
            joined[box[:axis], box[axis + 1 :]].append(box)
        boxes = []
        for alike in joined.values():
            words = frozenset[str]().union(*(box[axis] for box in alike))
            for all_of_them, name in names:
                words = (words - all_of_them) | {name} if all_of_them <= words else words
            boxes.append((*alike[0][:axis], words, *alike[0][axis + 1 :]))  # type: ignore[arg-type]  # four again
    return tuple(boxes)
