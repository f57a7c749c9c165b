"""Further conditions on who approves: people who may, and people who may not. Pure functions.

Conditions only narrow: approvers have authority over the key and also meet each condition. They are part of the terms
that people read, so that an approval is for these conditions and no others.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from bot.domain.errors import listed

Barred: TypeAlias = Literal["owner", "same group"]
"""People who don't approve: owners of the service account, and people who share a user group with the requester."""

_WHAT = {"S": "user group"}


@dataclass(frozen=True, slots=True)
class Member:
    """A person, with the user groups that they are in, among those that were looked up."""

    slack: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Party:
    """One entry of a rule's `one_of`: a person, a user group, or a team."""

    ids: tuple[str, ...]
    """Slack ids of people and user groups, sorted."""
    team: str = ""
    """What the policy file calls them; "" for one id."""

    @property
    def name(self) -> str:
        """What people read: "the payments team", or else the ID."""
        return (
            f"the {self.team} team"
            if self.team
            else " or ".join(f"{_WHAT.get(each[:1], 'Slack user')} {each}" for each in self.ids)
        )

    def has(self, member: Member) -> bool:
        """Whether this person is in it."""
        return member.slack in self.ids or not member.groups.isdisjoint(self.ids)


@dataclass(frozen=True, slots=True)
class Condition:
    """What one rule requires of its approvers."""

    one_of: tuple[Party, ...] = ()
    """Each approver must be in one of these; () means anyone."""
    barred: tuple[Barred, ...] = ()
    is_distinct: bool = False
    """Whether each approval must come from a different one of `one_of`."""
    apart: tuple[str, ...] = ()
    """The user groups that the requester is in, or was in since the request, if their members are barred."""

    @property
    def groups(self) -> frozenset[str]:
        """The user groups that decide whether someone meets the conditions."""
        ids = {*self.apart, *(each for party in self.one_of for each in party.ids)}
        return frozenset(each for each in ids if each.startswith("S"))

    @property
    def shares_no_group(self) -> bool:
        """Whether people who share a user group with the requester are barred."""
        return "same group" in self.barred

    def parties(self, member: Member) -> tuple[Party, ...]:
        """The parties in `one_of` that this person is in."""
        return tuple(each for each in self.one_of if each.has(member))


Conditions: TypeAlias = tuple[Condition, ...]
"""All of them apply. There are several if the rules of both keys of a pair have conditions."""


def groups_of(conditions: Conditions) -> frozenset[str]:
    """The user groups that decide whether someone meets the conditions."""
    return frozenset[str]().union(*(each.groups for each in conditions))


def both(some: Conditions, others: Conditions) -> Conditions:
    """All of these conditions, sorted. Those that differ only in `apart` are merged into one with all these groups."""
    apart: dict[Condition, set[str]] = {}
    for each in (*some, *others):
        apart.setdefault(replace(each, apart=()), set()).update(each.apart)
    found = (replace(each, apart=tuple(sorted(groups))) for each, groups in apart.items())
    return tuple(sorted(found, key=repr))


def as_read(conditions: Conditions) -> frozenset[Condition]:
    """The conditions as people read them, without the groups that the requester is in."""
    return frozenset(replace(each, apart=()) for each in conditions)


def still_apart(now: Conditions, earlier: Conditions) -> Conditions:
    """`now`, plus the groups that the requester was in earlier: if they leave one, its members still can't approve."""
    left = frozenset[str]().union(*(each.apart for each in earlier))
    return tuple(
        replace(each, apart=tuple(sorted({*each.apart, *left}))) if each.shares_no_group else each for each in now
    )


def in_words(
    conditions: Conditions, does: Literal["approve", "review"] = "approve", requester: str = "the requester"
) -> tuple[str, ...]:
    """The conditions as sentences for people; `does` is what such people do, `requester` is "you" to the requester."""
    found: list[str] = []
    for each in conditions:
        if each.one_of:
            apart = ", at most one approval from each" if each.is_distinct and does == "approve" else ""
            found.append(f"Only {either(party.name for party in each.one_of)} can {does}{apart}.")
        if "owner" in each.barred:
            found.append(f"Owners of the service account can't {does}.")
        if each.shares_no_group:
            found.append(f"People who share a user group with {requester} can't {does}.")
    return tuple(dict.fromkeys(found))


def either(words: Iterable[str]) -> str:
    """The words as a list, each once: "A, B or C"."""
    return listed(list(dict.fromkeys(words)), "or")


def counted(conditions: Conditions, members: Sequence[Member]) -> tuple[int, ...]:
    """The indexes of the members whose approvals count together. An earlier one is never dropped for a later one."""
    kept = tuple(range(len(members)))
    for each in conditions:
        if each.is_distinct:
            places = _placed(each, [members[at] for at in kept])
            kept = tuple(kept[at] for at in places)
    return kept


def most(conditions: Conditions, members: Collection[Member]) -> int:
    """How many approvals these people could give together, at most."""
    distinct = [len(_placed(each, tuple(members))) for each in conditions if each.is_distinct]
    return min([len(members), *distinct])


def open_to(condition: Condition, given: Iterable[Member]) -> tuple[Party, ...]:
    """The parties in `one_of` from which another approval would count in addition to these."""
    if not condition.is_distinct:
        return condition.one_of
    before = tuple(given)
    number = len(_placed(condition, before))
    options = [_options(condition, each) for each in before]
    return tuple(party for at, party in enumerate(condition.one_of) if len(_matched([*options, (at,)])) > number)


def needed(conditions: Conditions, given: Sequence[Member], missing: int) -> str:
    """The approvals that are missing, and whom they can come from: "1 more approval from the payments team".

    If there are several conditions, an approver meets each of them.
    """
    more = "more " if given else ""
    names = [[party.name for party in open_to(each, given)] for each in conditions]
    if len(conditions) == 1 and conditions[0].is_distinct and len(names[0]) == missing:
        first, *others = names[0]
        return f"1 {more}approval from {listed([first, *(f'1 from {each}' for each in others)], 'and')}"
    sources = ", and also from ".join(filter(None, dict.fromkeys(map(either, names))))
    return f"{missing} {more}approval{'' if missing == 1 else 's'}{f' from {sources}' if sources else ''}"


def adds(conditions: Conditions, given: Sequence[Member], member: Member) -> bool:
    """Whether this person's approval would count in addition to these."""
    return len(given) in counted(conditions, [*given, member])


def _placed(condition: Condition, members: Sequence[Member]) -> tuple[int, ...]:
    return _matched([_options(condition, each) for each in members])


def _options(condition: Condition, member: Member) -> tuple[int, ...]:
    return tuple(at for at, party in enumerate(condition.one_of) if party.has(member))


def _matched(options: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The indexes of those who get a party of their own: a maximum matching.

    A person in several parties moves to another one if that makes room for someone else.
    """
    holders: dict[int, int] = {}

    def finds(who: int, tried: set[int]) -> bool:
        for party in options[who]:
            if party not in tried:
                tried.add(party)
                if party not in holders or finds(holders[party], tried):
                    holders[party] = who
                    return True
        return False

    return tuple(who for who in range(len(options)) if finds(who, set()))
