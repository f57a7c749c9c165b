"""A policy over a snapshot. It decides only once for people and keys that the policy can't tell apart."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from bot.domain.authority import HeldRoles, Target, authority, lacks_only_the_account, owns_account
from bot.domain.catalog import User, called
from bot.domain.conditions import most
from bot.domain.decision import Forbidden, NeedsApproval, Verdict, as_member, decide, unfit
from bot.domain.keys import (
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Person,
    Principal,
    RequestId,
    ServiceAccount,
    unnamed,
)
from bot.domain.kinds import Kind
from bot.domain.policy import EnvironmentNames, Policy, Rule, Selector
from bot.domain.requests import Ask
from bot.services.people.approvers import Someone
from bot.services.people.explain import Explainer

Users: TypeAlias = frozenset[Principal]
ME = MyAccount(Principal("?me"))
"""Stands for the requester's own account."""
ANOTHER = MyAccount(Principal("?another"))
"""Stands for another person's account, which nobody in the snapshot owns."""
_NO_TIME = datetime.min.replace(tzinfo=UTC)
_NOWHERE = "\0nowhere"
"""A place where no role is bound, except by patterns that match everything."""


@dataclass(slots=True)
class Side:
    """A policy, and each Confluent user's identity and roles under it."""

    policy: Policy
    people: Mapping[Principal, tuple[Someone, HeldRoles]]
    names: EnvironmentNames
    """The names of environments."""
    _able: Users = field(init=False)
    """The people who can approve at all."""
    _named: frozenset[str] = field(init=False)
    """The clusters and accounts that rules name."""
    _rules: dict[object, tuple[int, ...]] = field(default_factory=dict[object, tuple[int, ...]], init=False)
    _sets: dict[object, Users] = field(default_factory=dict[object, Users], init=False)

    def __post_init__(self) -> None:
        is_open = not self.policy.table.people_only
        able = (user for user, (each, _) in self.people.items() if not each.refusal and (is_open or each.person.named))
        self._able = frozenset(able)
        matches = [rule.match for rule in self.policy.rules]
        self._named = frozenset[str]().union(*(each.clusters | each.owners for each in matches))

    @classmethod
    async def of(cls, who: Explainer, users: Iterable[User]) -> "Side":
        """Look up all users. Raises `LatchkeyError` if the snapshot doesn't have the answer."""
        met = {user.id: await who.who.meet(user, await who.cloud.users()) for user in users}
        people = {user: (each, await who.asker(each)) for user, each in met.items()}
        return cls(who.policy, people, called(await who.cloud.environments()))

    def rules(self, operation: Operation, target: Target) -> tuple[int, ...]:
        """The positions of the rules that may decide about such a request, depending on the requester."""
        resource, owner = target.resource, target.owner
        ids = tuple(each if each in self._named else "" for each in (resource.id, owner.id))
        key = (operation, resource.kind, resource.environment, owner.kind, *ids)
        if key not in self._rules:
            found = self.policy.depending(operation, target, self.names)
            self._rules[key] = tuple(map(self.policy.rules.index, found))
        return self._rules[key]

    def rule(self, operation: Operation, target: Target, user: Principal) -> Rule | None:
        """The rule that decides about this person's request."""
        return self.policy.rule(operation, target, self.people[user][1])

    def verdict(self, operation: Operation, target: Target, user: Principal) -> Verdict:
        """The decision about this person's request."""
        someone, held = self.people[user]
        ask = ask_for(someone.person, operation, target)
        return Forbidden("", someone.refusal) if someone.refusal else decide(self.policy, ask, held, is_sketch=True)

    def sort(self, user: Principal) -> object:
        """What decides about this person for every request, apart from `features`."""
        someone, _ = self.people[user]
        return someone.refusal, someone.person.named

    def features(self, rules: Sequence[int], target: Target) -> tuple[Users, ...]:
        """Sets of people.

        Two people of the same `sort` who are in the same sets get the same decision under these rules.
        """
        found = [self.policy.rules[each] for each in rules]
        sets = [self._picked(rule.match.by, target) for rule in found if rule.match.by]
        if any(not rule.approvals for rule in found):
            sets.append(self._managing(target))
            if isinstance(target.owner, NewServiceAccount):
                sets.append(self._having("half", target, lambda held: lacks_only_the_account(held, target)))
        if any(rule.approvers and rule.approvers.shares_no_group for rule in found):
            sets += [self._in(group) for group in sorted(self.policy.apart)]
        return tuple(sets)

    def owners(self, rules: Sequence[int], target: Target) -> Users:
        """The owners of the account, if one of these rules keeps them from approving."""
        conditions = (self.policy.rules[each].approvers for each in rules)
        if not any(each and "owner" in each.barred for each in conditions):
            return frozenset()
        return self._having("owner", target.owner, lambda held: owns_account(held, target.owner))

    def fitting(self, users: Users, target: Target, verdict: Verdict) -> Users:
        """Those of these people who meet the conditions of a decision; no one if it needs no approval."""
        if not isinstance(verdict, NeedsApproval):
            return frozenset()
        if not (conditions := verdict.terms.approvers):
            return users
        owner = target.owner
        fits = self._having("fit", (owner, conditions), lambda held: unfit(owner, held, conditions) is None)
        return self._interned(users & fits)

    def most(self, users: Users, verdict: Verdict) -> int:
        """How many approvals these people could give together."""
        conditions = verdict.terms.approvers if isinstance(verdict, NeedsApproval) else ()
        return most(conditions, [as_member(self.people[each][1]) for each in users]) if conditions else len(users)

    def _in(self, group: str) -> Users:
        return self._having("group", group, lambda held: group in held.groups)

    def approvers(self, target: Target) -> Users:
        """The people who could approve it for another person."""
        theirs = Target(ANOTHER, target.resource) if target.owner == ME else target
        return self._interned(self._managing(theirs) & self._able)

    def _managing(self, target: Target) -> Users:
        """The people with authority over the key, by a role over its resource or as an owner of its account.

        No role is both, so the two are looked up separately, once for each resource and once for each account.
        """
        owner, resource = target.owner, target.resource
        if owner == ME:
            own = {user: Target(MyAccount(user), resource) for user in self.people}
            return self._having("own", target, lambda held: authority(held, own[held.person.principal]) is not None)
        if isinstance(owner, ServiceAccount):
            there = Target(owner, unnamed(resource.kind, _NOWHERE, _NOWHERE, _NOWHERE))
            return self._interned(self._managing(Target(ANOTHER, resource)) | self._over(there))
        return self._over(target)

    def _over(self, target: Target) -> Users:
        return self._having("role", target, lambda held: authority(held, target) is not None)

    def _picked(self, by: Selector, target: Target) -> Users:
        """The people whom a rule names.

        Roles at the resource and at the account are looked up separately, as in `_managing`.
        """
        parts = [Target(ANOTHER, target.resource)]
        if isinstance(target.owner, ServiceAccount):
            parts.append(Target(target.owner, OrganizationScope(Kind.GLOBAL)))
        return self._interned(frozenset[Principal]().union(*(self._meant(by, part) for part in parts)))

    def _meant(self, by: Selector, target: Target) -> Users:
        return self._having("by", (by, target), lambda held: by.picks(held, target))

    def _having(self, what: str, of: object, has: Callable[[HeldRoles], bool]) -> Users:
        if (what, of) not in self._sets:
            found = frozenset(user for user, (_, held) in self.people.items() if has(held))
            self._sets[what, of] = self._interned(found)
        return self._sets[what, of]

    def _interned(self, users: Users) -> Users:
        """A shared object for this set of people, because sets are compared often."""
        return self._sets.setdefault(users, users)


def ask_for(person: Person, operation: Operation, target: Target) -> Ask:
    """A request of this person, without texts."""
    return Ask(RequestId(""), person, operation, target.owner, target.resource, "", "", "", _NO_TIME)
