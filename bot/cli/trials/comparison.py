"""What another policy would decide otherwise, and for whom: over a snapshot, by the functions that decide.

Requests that no rule and no role tells apart count as one, such as those for all clusters of an environment that no
rule names and nobody's role is bound to.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from typing import TypeAlias

from bot.cli.explanation import in_short, terms_of
from bot.cli.snapshot import Snapshot
from bot.domain.authority import HeldRoles, Target
from bot.domain.catalog import User, called
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide, refusal
from bot.domain.keys import (
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Path,
    Person,
    Principal,
    RequestId,
    Resource,
    SlackUserId,
    TeamId,
)
from bot.domain.kinds import PLACED, Kind
from bot.domain.policy import EnvironmentNames, Policy, Rule
from bot.domain.requests import Ask
from bot.domain.roles import Scope
from bot.services.people.approvers import Someone
from bot.services.people.explain import Explainer

_NOBODY = Person(SlackUserId("?"), TeamId(""), "", "", Principal("?"))
_ANOTHER = MyAccount(Principal("?another"))
_NO_TIME = datetime.min.replace(tzinfo=UTC)
_OF_THE_KEY = frozenset({"claim_seconds", "mint", "lifetime_seconds", "overlap_seconds"})
_UNSEEN = {
    Operation.CREATE: frozenset({"overlap_seconds"}),
    Operation.EXTEND: _OF_THE_KEY - {"lifetime_seconds"},
    Operation.EDIT: _OF_THE_KEY,
    Operation.DELETE: _OF_THE_KEY,
}
"""Terms that make no difference to an operation."""
_IN_THE_DECISION = frozenset({"approvals", "unless_manager", "user_keys"})
_WHILE_IT_WAITS = frozenset({"pending_seconds", "remind_seconds", "notify", "risk"})


@dataclass(frozen=True, slots=True)
class Change:
    """How a decision differs; `gained` and `lost` are those who could approve under one policy alone."""

    before: str
    after: str
    terms: tuple[tuple[str, object, object], ...] = field(hash=False)  # some are lists
    """Each term that differs, by its name in `explain --json`: under the old policy, and under the new one."""
    gained: frozenset[Principal]
    lost: frozenset[Principal]


Cell: TypeAlias = tuple[str, str, str, str]
"""A kind of request in words: operation, kind of key, place, owner."""
Box: TypeAlias = tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]
"""Requests that are all combinations of these words, in the order of `Cell`."""
Whole: TypeAlias = tuple[frozenset[str], str]
"""Words that stand for a whole when they are together, and its name."""
ANY_ACCOUNT = "any service account"


@dataclass(frozen=True, slots=True)
class Difference:
    """A change, and the people and requests that it concerns."""

    change: Change
    people: tuple[User, ...]
    requests: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """A policy, and what each Confluent user is and holds under it."""

    policy: Policy
    people: Mapping[Principal, tuple[Someone, HeldRoles]]
    signs: Mapping[Principal, object]
    """The same for people about whom everything is decided alike, but for what is their own."""
    names: EnvironmentNames
    """What environments are called."""
    able: dict[Target, frozenset[Principal]] = field(default_factory=dict[Target, frozenset[Principal]])

    @classmethod
    async def of(cls, who: Explainer, users: Iterable[User]) -> "Side":
        """Raises `LatchkeyError` where the snapshot does not tell."""
        met = {user.id: await who.who.meet(user, await who.cloud.users()) for user in users}
        people = {user: (each, await who.asker(each)) for user, each in met.items()}
        signs, names = {user: _sign(who.policy, *each) for user, each in people.items()}, await who.cloud.environments()
        return cls(who.policy, people, signs, called(names))

    def rule(self, operation: Operation, target: Target, user: Principal) -> Rule | None:
        """The rule that decides about a request of this person."""
        return self.policy.rule(operation, target, self.people[user][1])

    def verdict(self, operation: Operation, target: Target, user: Principal) -> Verdict:
        """What is decided about a request of this person."""
        someone, held = self.people[user]
        never = Forbidden("", someone.refusal)
        ask = _ask(someone.person, operation, target)
        return never if someone.refusal else decide(self.policy, ask, held, is_sketch=True)

    def approvers(self, operation: Operation, target: Target) -> frozenset[Principal]:
        """The people who could approve it for another person."""
        if target not in self.able:
            ask, is_able = _ask(_NOBODY, operation, target), dict[object, bool]()
            for user, (someone, held) in self.people.items():
                sign = self.signs[user]
                if sign not in is_able:
                    is_able[sign] = not someone.refusal and refusal(ask, held) is None
            self.able[target] = frozenset(user for user in self.people if is_able[self.signs[user]])
        return self.able[target]


def compare(snapshot: Snapshot, old: Side, new: Side) -> list[Difference]:
    """What differs, what concerns most people first."""
    alike = defaultdict[object, list[User]](list)
    for user in snapshot.users:
        alike[old.signs[user.id], new.signs[user.id]].append(user)
    anyone = defaultdict[object, list[User]](list)
    for user in snapshot.users:
        anyone[old.people[user.id][0].refusal, new.people[user.id][0].refusal].append(user)
    found = defaultdict[Change, defaultdict[Cell, set[Principal]]](lambda: defaultdict(set))
    places, owners = _places(snapshot, old, new), _owners(snapshot, old, new)
    for operation, (place, resource), (whose, owner) in product(Operation, places, owners):
        if isinstance(owner, NewServiceAccount) and operation is not Operation.CREATE:
            continue
        cell, target = (operation.value, resource.kind.row.label, place, whose), Target(owner, resource)
        for people in (alike if _hangs_on_people(old, new, operation, target) else anyone).values():
            if _is_same(old, new, operation, target, people[0].id):
                continue
            for change, who in _changes(old, new, operation, target, people):
                found[change][cell].add(who)
    names = [
        *_whole(places),
        (frozenset(whose for whose, owner in owners if owner.kind == "service-account"), ANY_ACCOUNT),
    ]
    return sorted(_merged(snapshot, found, names), key=lambda each: -len(each.people))


def _changes(
    old: Side, new: Side, operation: Operation, target: Target, people: Sequence[User]
) -> Iterator[tuple[Change, Principal]]:
    """How each of these people, whose requests are decided alike, fares."""
    first = people[0].id
    owner = MyAccount(first) if isinstance(target.owner, MyAccount) and target.owner != _ANOTHER else target.owner
    theirs = replace(target, owner=owner)
    before, after = (side.verdict(operation, theirs, first) for side in (old, new))
    could, can = (
        side.approvers(operation, target) if isinstance(verdict, NeedsApproval) else frozenset[Principal]()
        for side, verdict in ((old, before), (new, after))
    )
    rules = (old.rule(operation, theirs, first), new.rule(operation, theirs, first))
    terms = tuple(_terms(rules, operation, theirs, before, after))
    is_asked = isinstance(before, NeedsApproval) and isinstance(after, NeedsApproval)

    def change(requester: frozenset[Principal]) -> Change | None:
        then, now = could - requester, can - requester
        gained, lost = (now - then, then - now) if is_asked else (frozenset[Principal](), frozenset[Principal]())
        found = Change(in_short(before, len(then)), in_short(after, len(now)), terms, gained, lost)
        return found if found.before != found.after or terms or gained or lost else None

    others, concerned = change(frozenset()), could | can
    for user in people:
        found = change(frozenset({user.id})) if user.id in concerned else others
        if found is not None:
            yield found, user.id


def _sign(policy: Policy, someone: Someone, held: HeldRoles) -> object:
    is_picked = any(someone.person.slack in each.users for each in policy.selectors)
    slack = someone.person.slack if is_picked else ""
    roles = frozenset((each.role, each.crn) for each in held.bindings)
    return someone.refusal, someone.person.named, roles, held.groups, slack


def _hangs_on_people(old: Side, new: Side, operation: Operation, target: Target) -> bool:
    """Whether a rule asks something else of certain people, or of people who manage the key."""
    rules = [rule for side in (old, new) for rule in side.policy.depending(operation, target, side.names)]
    return any(rule.match.by or not rule.approvals for rule in rules)


def _terms(
    rules: tuple[Rule | None, Rule | None], operation: Operation, target: Target, before: Verdict, after: Verdict
) -> Iterator[tuple[str, object, object]]:
    was, now = rules
    if was is None or now is None or isinstance(before, Forbidden) or isinstance(after, Forbidden):
        return
    ask = _ask(_NOBODY, operation, target)
    there, here = terms_of(was, was.approvals, ask), terms_of(now, now.approvals, ask)
    unseen = _IN_THE_DECISION | _UNSEEN.get(operation, frozenset())
    if isinstance(before, Allowed) and isinstance(after, Allowed):
        unseen |= _WHILE_IT_WAITS
    for name in there.keys() - unseen:
        if there[name] != here[name]:
            yield name, there[name], here[name]


def _ask(person: Person, operation: Operation, target: Target) -> Ask:
    return Ask(RequestId(""), person, operation, target.owner, target.resource, "", "", "", _NO_TIME)


def _is_same(old: Side, new: Side, operation: Operation, target: Target, user: Principal) -> bool:
    """Whether nothing can differ for people like this one: the same rule decides, over the same people and roles."""
    one, two = old.policy, new.policy
    if (one.table, one.mappings, one.people) != (two.table, two.mappings, two.people):
        return False
    was, now = old.rule(operation, target, user), new.rule(operation, target, user)
    return was == now if was is None or now is None else was == replace(now, name=was.name, match=was.match)


def _places(snapshot: Snapshot, old: Side, new: Side) -> list[tuple[str, Resource]]:
    """One resource of each sort, and what it stands for."""
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
    """The places that together are all of one kind in an environment."""
    sorts = defaultdict[tuple[Kind, str], set[str]](set)
    for place, resource in places:
        sorts[resource.kind, f"{resource.environment_name} ({resource.environment})"].add(place)
    return ((frozenset(those), around) for (_, around), those in sorts.items() if len(those) > 1)


def _owners(snapshot: Snapshot, old: Side, new: Side) -> list[tuple[str, Owner]]:
    """One owner of each sort, and what it stands for."""
    rules, scopes = _rules(old, new), _scopes(old, new)
    named = {id_ for rule in rules for id_ in rule.match.owners}
    sorts = defaultdict[object, list[Owner]](list)
    for each in snapshot.service_accounts:
        if each.id != snapshot.own_account:
            path: Path = (("service-account", each.id),)
            met = frozenset(scope.path for scope in scopes if scope.path and scope.covers(path))
            sorts[each.id if each.id in named else "", met].append(each)
    accounts = [(_some(each), each[0]) for each in sorts.values()]
    mine: list[tuple[str, Owner]] = [("their own account", MyAccount(Principal("?me"))), ("another person", _ANOTHER)]
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
    snapshot: Snapshot, found: Mapping[Change, Mapping[Cell, set[Principal]]], names: Sequence[Whole]
) -> Iterator[Difference]:
    for change, cells in found.items():
        concerned = defaultdict[frozenset[Principal], list[Cell]](list)
        for cell, users in cells.items():
            concerned[frozenset(users)].append(cell)
        for who, theirs in concerned.items():
            yield Difference(change, tuple(each for each in snapshot.users if each.id in who), _boxes(theirs, names))


def _boxes(cells: Iterable[Cell], names: Sequence[Whole]) -> tuple[Box, ...]:
    """The same requests, told in fewer words."""
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
