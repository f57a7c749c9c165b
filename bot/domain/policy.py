"""The policy: rules that say who must approve what, and on which terms. The first match wins. Pure values."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import reduce
from itertools import takewhile
from typing import Literal, TypeAlias

from bot.domain.access import OFFERS, Offer
from bot.domain.approvals import Terms, Ticket
from bot.domain.authority import HeldRoles, Target, reaching_roles
from bot.domain.catalog import is_called, is_environment_id
from bot.domain.conditions import Condition
from bot.domain.errors import Unavailable, plain
from bot.domain.keys import Operation, Owner, Principal, SlackUserId
from bot.domain.kinds import Kind
from bot.domain.requests import MOST_OVERLAP
from bot.domain.roles import TABLES, Binding, Table

Mint: TypeAlias = Literal["on_approval", "on_claim"]
"""When the key is created: once enough people approved, or at the requester's click on `Show secret`."""
Leaked: TypeAlias = Literal["ask", "delete"]
"""Whether people decide about a leaked key, or Latchkey deletes it at once."""
EnvironmentNames: TypeAlias = Mapping[str, str]
"""The current names of environments, by ID; see `catalog.called`."""
ME, SERVICE_ACCOUNT, NEW_SERVICE_ACCOUNT = "me", "service-account", "new-service-account"
MOST_APPROVALS = 5
REMIND = (timedelta(hours=4), timedelta(hours=12))
"""When people are reminded of a request, unless the policy file says otherwise."""
NEAR_LIMIT = 0.8
"""The share of a quota from which on the review says that it's nearly used up."""


@dataclass(frozen=True, slots=True)
class Selector:
    """People: any one of these is enough. An empty one is false, and picks nobody."""

    users: frozenset[str] = frozenset()
    """Slack ids, U… or W…."""
    groups: frozenset[str] = frozenset()
    """Slack user groups, S…."""
    roles: frozenset[str] = frozenset()
    """Names of roles, held at the place that a request is about, around it, or inside it."""

    @classmethod
    def of(cls, *words: str) -> "Selector":
        """The selector that these words describe: Slack ids of people and of user groups, and roles."""
        groups = {each for each in words if _is_id(each) and each.startswith("S")}
        users = {each for each in words if _is_id(each)} - groups
        return cls(frozenset(users), frozenset(groups), frozenset(words) - groups - users)

    def __bool__(self) -> bool:
        """Whether it names anyone."""
        return bool(self.users or self.groups or self.roles)

    @property
    def in_words(self) -> str:
        """Everyone it names: "U01, members of S07 or people with EnvironmentAdmin"."""
        several = [("", self.users), ("members of ", self.groups), ("people with ", self.roles)]
        return " or ".join(f"{what}{', '.join(sorted(ids))}" for what, ids in several if ids)

    def unread(self, held_roles: HeldRoles, target: Target) -> str | None:
        """A user group that must be read to decide whether it picks this person; None if that is known."""
        if self._is_known_to_pick(held_roles, target):
            return None
        return min(self.groups - held_roles.looked_up, default=None)

    def picks(self, held_roles: HeldRoles, target: Target) -> bool:
        """Whether it picks this person, for the key `target`.

        Raises `Unavailable` if that depends on a user group that wasn't read: not knowing is never a no.
        """
        if group := self.unread(held_roles, target):
            raise unknown_group(group)
        return self._is_known_to_pick(held_roles, target)

    def _is_known_to_pick(self, held_roles: HeldRoles, target: Target) -> bool:
        is_named = held_roles.person.slack in self.users or not self.groups.isdisjoint(held_roles.groups)
        return is_named or not self.roles.isdisjoint(reaching_roles(held_roles, target) if self.roles else ())


EVERYONE = Selector()
"""The selector of a part of the policy that applies to everyone."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule is about. An empty set matches everything."""

    operations: frozenset[Operation] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    environments: frozenset[str] = frozenset()
    """Ids, names, and names with wildcards: see `catalog.is_called`."""
    clusters: frozenset[str] = frozenset()
    """Ids of resources: Kafka clusters, Schema Registries, ksqlDB clusters, Flink regions."""
    owners: frozenset[str] = frozenset()
    """`me`, `service-account`, `new-service-account`, or the id of a service account."""
    by: Selector = EVERYONE
    """The people whose requests it's about."""

    @property
    def named(self) -> frozenset[str]:
        """The environments given as names and wildcards."""
        return frozenset(each for each in self.environments if not is_environment_id(each))

    def speaks_of(self, operation: Operation, target: Target, name: str | None = None) -> bool | None:
        """Whether all parts match, apart from the requester. `name` is the environment's current name; None if unknown.

        Returns None if that depends on the unknown name.
        """
        resource = target.resource
        fits = (
            _fits(self.operations, operation)
            and _fits(self.kinds, resource.kind)
            and _fits(self.clusters, resource.id)
            and (not self.owners or not self.owners.isdisjoint(_names(target.owner)))
        )
        return fits and self.covers(resource.environment, name)

    def covers(self, environment: str, name: str | None) -> bool | None:
        """Whether it's about an environment; see `speaks_of`.

        "", for keys without one, only matches if none is named.
        """
        if not self.environments or environment in self.environments:
            return True
        if not environment or not (named := self.named):
            return False
        if name is None:
            return True if "*" in named else None
        return any(is_called(name, each) for each in named)


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """What a rule says about break-glass: keys without approval, in an emergency."""

    by: Selector
    lifetime: timedelta
    notify: tuple[str, ...] = ()
    """Slack IDs of channels (C…, G…), people and user groups to notify, in addition to the people who could approve."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One complete rule: what the file left out was filled in from its defaults."""

    name: str
    match: Match
    channel: str
    approvals: int = 1
    """How many people must approve; 0 is none, for people who manage the key."""
    otherwise: int | None = 1
    """How many must approve for everyone else if `approvals` is 0; None refuses them."""
    forbid: str = ""
    """The sentence that forbids it; "" allows it."""
    notify: tuple[str, ...] = ()
    """Slack IDs of user groups (S…) and people (U…, W…) to notify if they can decide; () means the people closest to
    the resource, and `NOBODY` means no one."""
    pending: timedelta = timedelta(hours=24)
    remind: tuple[timedelta, ...] = REMIND
    """When to remind, each counted from the request."""
    claim: timedelta = timedelta(hours=24)
    lifetime: timedelta | None = None
    """How long a key can last at most; None is no limit."""
    mint: Mint = "on_approval"
    user_keys: bool = True
    """Whether people can have keys of their own account."""
    overlap: timedelta = MOST_OVERLAP
    """The longest time that a rotated key is kept next to the new one; 0 for none."""
    risk: Literal["", "high", "normal"] = ""
    """Whether people are warned; "" leaves it to `access.is_high_risk`."""
    leaked: Leaked = "ask"
    """In a rule about deletions, what happens to a key that was reported as leaked."""
    ticket: Ticket | None = None
    """What a request must say about its ticket; None requires none."""
    fits: Callable[[str], bool] = field(default=lambda _: True, compare=False, repr=False)
    """Whether a text matches the pattern of `ticket`, in time linear in its length."""
    confirm: Literal["", "resource"] = ""
    """What approvers type before they approve."""
    break_glass: BreakGlass | None = None
    """Who can have such a key without an approval, and for how long; None is nobody."""
    approvers: Condition | None = None
    """A further condition on who approves."""
    until: date | None = None
    """The last whole day, in UTC, on which it applies; None is forever."""

    @property
    def most_approvals(self) -> int:
        """The most approvals that a request under this rule can need."""
        return 0 if self.forbid else self.approvals or self.otherwise or 0

    def terms(self, table: Table, apart: tuple[str, ...] = ()) -> Terms:
        """The terms of a request that is sent under this rule now; `apart` is as in `Condition`."""
        return Terms(
            rule=self.name,
            approvals=self.approvals,
            channel=self.channel,
            pending=self.pending,
            claim=self.claim,
            remind=self.remind,
            notify=self.notify,
            lifetime=self.lifetime,
            mint=self.mint,
            table=table.name,
            overlap=self.overlap,
            risk=self.risk,
            ticket=self.ticket,
            confirm=self.confirm,
            approvers=(replace(self.approvers, apart=apart),) if self.approvers else (),
        )


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """A role that the policy gives to a Slack user, or to everyone in a user group, at a place of the organization."""

    subject: str
    """A Slack id: U… or W… is a person, S… a user group."""
    role: str
    scope: str = ""
    """A path below the organization as in a CRN, `environment=env-1/cloud-cluster=lkc-1`; "" is all of it."""
    until: date | None = None
    """The last whole day, in UTC, on which it applies; None is forever."""

    @property
    def is_group(self) -> bool:
        """Whether it's about a user group."""
        return self.subject.startswith("S")

    def binding(self, principal: Principal, organization: str) -> Binding:
        """What the mapping gives to a principal, as a role binding of Confluent would."""
        place = f"crn://confluent.cloud/organization={organization}"
        return Binding(principal, self.role, f"{place}/{self.scope}" if self.scope else place, "mapping")


@dataclass(frozen=True, slots=True)
class Review:
    """The regular review of keys that may no longer be needed."""

    channel: str
    """Where it goes for keys without an owner to ask."""
    every: timedelta = timedelta(days=7)
    older_than: timedelta = timedelta(days=90)
    """The age from which on people are asked about a key."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that a policy file says, or what applies without one."""

    rules: tuple[Rule, ...]
    """In order; the last ones match everything that no other rule does."""
    table: Table = TABLES["documented"]
    mappings: tuple[RoleMapping, ...] = ()
    people: Mapping[SlackUserId, Principal] = field(default_factory=dict[SlackUserId, Principal])
    """Who people are at Confluent, if their address doesn't tell."""
    digest: str = "built-in"
    """The version of the file, for the audit log."""
    review: Review | None = None
    """None for no review."""
    open_requests: int = 10
    """How many open requests one person can have."""
    delete_orphans_after: timedelta | None = timedelta(days=7)
    """How long a key without a record, whose secret nobody has seen, is only reported; None is forever."""
    offers: tuple[Offer, ...] = OFFERS
    """The access that can be requested with a key; () is none."""
    team_groups: frozenset[str] = frozenset()
    """The user groups that are members of the file's teams."""

    def on(self, day: date) -> "Policy":
        """The policy on this day (UTC), without rules and mappings that have ended.

        Its digest shows that, as `0123abcd@2026-12-31` from 2027-01-01 on, because waiting requests are under a new
        policy.
        """
        ends = [*(rule.until for rule in self.rules), *(each.until for each in self.mappings)]
        ended = [end for end in ends if end is not None and end < day]
        if not ended:
            return self
        rules = tuple(rule for rule in self.rules if rule.until is None or rule.until >= day)
        mappings = tuple(each for each in self.mappings if each.until is None or each.until >= day)
        return replace(self, rules=rules, mappings=mappings, digest=f"{self.digest}@{max(ended)}")

    @property
    def channels(self) -> tuple[str, ...]:
        """Where requests, uses of break-glass and reviews are posted, sorted."""
        reviewed = [self.review.channel] if self.review else []
        glass = (each for rule in self.rules if rule.break_glass for each in rule.break_glass.notify)
        told = (each for each in glass if each.startswith(("C", "G")))
        return tuple(sorted({*(rule.channel for rule in self.rules), *reviewed, *told}))

    @property
    def user_keys(self) -> bool:
        """Whether any rule lets people have keys of their own account."""
        return any(rule.user_keys and not rule.forbid for rule in self.rules)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Everything that selects people."""
        found = (*self._asking, *(Selector.of(*party.ids) for each in self._conditions for party in each.one_of))
        return (*found, Selector(groups=self.apart)) if self.apart else found

    @property
    def apart(self) -> frozenset[str]:
        """The user groups that approvers under some rule must not share with the requester."""
        return self.groups if any(each.shares_no_group for each in self._conditions) else frozenset()

    @property
    def _asking(self) -> tuple[Selector, ...]:
        asking = (rule.match.by for rule in self.rules if rule.match.by)
        return (*asking, *(rule.break_glass.by for rule in self.rules if rule.break_glass))

    @property
    def _conditions(self) -> tuple[Condition, ...]:
        return tuple(rule.approvers for rule in self.rules if rule.approvers)

    @property
    def groups(self) -> frozenset[str]:
        """Every user group that the file names, for any purpose."""
        told = [each for rule in self.rules for each in rule.notify]
        told += [each for rule in self.rules if rule.break_glass for each in rule.break_glass.notify]
        named = {*told, *(each.subject for each in self.mappings), *self.team_groups}
        picked = (each.groups for each in self._asking)
        return frozenset(each for each in named if each.startswith("S")).union(
            *picked, *(each.groups for each in self._conditions)
        )

    @property
    def names_environments(self) -> bool:
        """Whether any rule depends on an environment's name."""
        return any(rule.match.named for rule in self.rules)

    def rule(
        self, operation: Operation, target: Target, requester: HeldRoles | None, names: EnvironmentNames | None = None
    ) -> Rule | None:
        """The first rule that matches; None if none does, which means no.

        An extension gives someone a key again, so the rule about creating it decides. `requester` is None if nobody
        requests it: then no rule about certain people's requests applies, and `names` takes the place of
        `requester.environments`. Raises `Unavailable` if it depends on a user group that wasn't read, see `unread`, or
        on the name of an environment that wasn't read.
        """
        for rule in self.depending(operation, target, requester.environments if requester else names or {}):
            by = rule.match.by
            if not by or (requester is not None and by.picks(requester, target)):
                return rule
        return None

    def terms(self, operation: Operation, target: Target, requester: HeldRoles) -> Terms | None:
        """The stricter terms of the rules for all keys of the target; None if one of them has no rule."""
        rules = [self.rule(operation, part, requester) for part in target.parts]
        found = [self.terms_of(rule, requester) for rule in rules if rule is not None]
        return reduce(Terms.with_those_of, found) if len(found) == len(rules) else None

    def terms_of(self, rule: Rule, requester: HeldRoles) -> Terms:
        """The terms of this rule for what this person requests. Raises `Unavailable` as `rule` does."""
        if group := self._unread_apart(rule, requester):
            raise unknown_group(group)
        is_apart = rule.approvers is not None and rule.approvers.shares_no_group
        return rule.terms(self.table, tuple(sorted(self.groups & requester.groups)) if is_apart else ())

    def _unread_apart(self, rule: Rule, requester: HeldRoles) -> str | None:
        """A user group that must be read to know which groups approvers must not share with the requester."""
        if rule.approvers is None or not rule.approvers.shares_no_group:
            return None
        return min(self.groups - requester.looked_up, default=None)

    def unread(
        self, operation: Operation, target: Target, requester: HeldRoles, *, break_glass: bool = False
    ) -> str | None:
        """A user group that must be read to know which terms apply; None if they are known.

        With `break_glass`, also to know whether the requester can use break-glass.
        """
        found = (self._unread(operation, part, requester, break_glass=break_glass) for part in target.parts)
        return next((group for group in found if group), None)

    def _unread(self, operation: Operation, part: Target, requester: HeldRoles, *, break_glass: bool) -> str | None:
        for rule in self.depending(operation, part, requester.environments):
            by = rule.match.by
            if group := by.unread(requester, part):
                return group
            if not by or by.picks(requester, part):
                used = rule.break_glass.by.unread(requester, part) if break_glass and rule.break_glass else None
                return used or self._unread_apart(rule, requester)
        return None

    def lacks_roles(self, operation: Operation, target: Target, requester: HeldRoles) -> bool:
        """Whether a rule about people with certain roles is skipped because this person has none of them."""

        def passed(part: Target) -> Iterator[Rule]:
            rules = self.depending(operation, part, requester.environments)
            return takewhile(lambda rule: bool(rule.match.by) and not rule.match.by.picks(requester, part), rules)

        return any(rule.match.by.roles for part in target.parts for rule in passed(part))

    def depending(
        self, operation: Operation, target: Target, names: EnvironmentNames, *, is_sketch: bool = False
    ) -> Iterator[Rule]:
        """The rules that can decide about this, depending on who asks: the first, and those that follow it.

        `names` are the names of environments, by ID. Raises `Unavailable` at a rule that depends on a missing name: not
        knowing is never a no. With `is_sketch`, such a rule is included instead.
        """
        asked = Operation.CREATE if operation is Operation.EXTEND else operation
        environment = target.resource.environment
        for rule in self.rules:
            fits = rule.match.speaks_of(asked, target, names.get(environment))
            if fits is None and not is_sketch:
                raise unknown_environment(environment)
            if fits is not False:
                yield rule
            if fits and not rule.match.by:
                return


MAKES = frozenset({Operation.CREATE, Operation.ROTATE})
CHANGES = frozenset({Operation.EDIT, Operation.DELETE})
RULED = (Operation.CREATE, Operation.EDIT, Operation.ROTATE, Operation.DELETE)
"""The operations that a rule can be about; see `Policy.rule` for the other one."""


def without_a_file(channel: str) -> Policy:
    """The policy of a Latchkey without a policy file."""
    return Policy(built_in(Rule("", Match(), channel)), review=Review(channel))


def built_in(defaults: Rule) -> tuple[Rule, ...]:
    """The rules at the end of every policy, with a file's own defaults: what applies if no rule of the file matches."""
    wide = frozenset(kind for kind in Kind if kind.row.opens_organization)
    two = max(defaults.approvals, 2)
    return (
        _named(defaults, "two approvals for organization-wide keys", Match(MAKES, wide), two),
        _named(defaults, f"{_approvals(defaults.approvals)} for every new key", Match(MAKES), defaults.approvals),
        _named(defaults, "people who manage a key can edit and delete it", Match(CHANGES), 0),
    )


def _named(defaults: Rule, name: str, match: Match, approvals: int) -> Rule:
    return replace(defaults, name=name, match=match, approvals=approvals, forbid="")


def _approvals(number: int) -> str:
    words = ("no approval", "one approval", "two approvals", "three approvals", "four approvals", "five approvals")
    return words[number]


def _names(owner: Owner) -> frozenset[str]:
    kind = {"user": ME}.get(owner.kind, owner.kind)
    return frozenset({kind, owner.id} - {""})


def _fits(wanted: frozenset[str], found: str) -> bool:
    return not wanted or found in wanted


def joined(held_roles: HeldRoles, group: str, members: frozenset[SlackUserId]) -> HeldRoles:
    """The same person, once the members of a user group are known.

    Raises `Unavailable` for a group without members: Slack shows a group that was disabled or deleted like that.
    """
    if not members:
        raise unknown_group(group)
    return held_roles.with_group(group, is_member=held_roles.person.slack in members)


def unknown_group(group: str) -> Unavailable:
    """The error for a user group whose members Slack doesn't tell."""
    return Unavailable(
        f"The policy names the user group `{plain(group)}`, and Slack doesn't say who is in it.",
        changed="Nothing changed.",
        advice="Ask your Latchkey administrator to check that group: it may have been disabled, or have no members.",
    )


def unknown_environment(id_: str) -> Unavailable:
    """The error for an environment whose name Confluent doesn't tell."""
    return Unavailable(
        f"The policy names environments, and Latchkey couldn't read what `{plain(id_)}` is called.",
        changed="Nothing changed.",
        advice="If trying again in a minute doesn't help, ask your Latchkey administrator to put its ID in the policy.",
    )


def _is_id(word: str) -> bool:
    return word[:1] in {"U", "W", "S"} and word.isupper() and word.isalnum()
