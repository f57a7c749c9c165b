"""Who has authority over which key: the one question behind approving, creating and deleting.

Pure: the caller passes role bindings that it has just read. Every binding is weighed and says why it counts or not, so
`explain` and a refusal show the very words that decided.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile

from bot.domain.access import WantedBinding
from bot.domain.keys import Cluster, NewServiceAccount, Owner, Path, Person, Resource, ServiceAccount
from bot.domain.kinds import PLACED
from bot.domain.requests import Ask, Request
from bot.domain.roles import DOCUMENTED, GRANTERS, ORGANIZATION_ADMIN, TABLES, Binding, Scope, Table, Whose

_ELSEWHERE = "it's bound in another organization"
_NAMED = {
    "environment": "environment",
    "service-account": "service account",
    **{kind.row.element: kind.row.noun for kind in PLACED},
}
"""The elements of a CRN whose values are IDs of things with names, in words."""
CONTENTS: Mapping[str, str] = {
    "topic": "topic",
    "group": "consumer group",
    "transactional-id": "transactional ID",
    "subject": "subject",
}
"""What is in a cluster, in words: the elements of a CRN whose values are names. Each has a plural with an s."""
_EVERYWHERE = "the whole organization"
OPERATOR = "Operator"
RESOURCE_OWNER = "ResourceOwner"
_DESCRIBES = DOCUMENTED[OPERATOR].kinds
"""The kinds of other people's keys that an Operator may see, in every version of the role table."""


@dataclass(frozen=True, slots=True)
class Target:
    """The key that is requested: whose it will be, and what it opens."""

    owner: Owner
    resource: Resource
    bindings: tuple[WantedBinding, ...] = ()
    """The role bindings that are created with it. Authority over the key requires the right to grant each of them."""
    also: Cluster | None = None
    """The Schema Registry of a pair. Authority requires authority over both keys."""

    @classmethod
    def of(cls, ask: Ask) -> "Target":
        """The target of an ask."""
        return cls(ask.owner, ask.resource, ask.bindings, ask.also)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What its keys open, the first one first."""
        return (self.resource, self.also) if self.also else (self.resource,)

    @property
    def parts(self) -> "tuple[Target, ...]":
        """Each of its keys as a target of its own; for one key, itself."""
        if self.also is None:
            return (self,)
        return replace(self, also=None), Target(self.owner, self.also)


@dataclass(frozen=True, slots=True)
class HeldRoles:
    """A person, the roles that they hold in our organization now, and the table that interprets them."""

    person: Person
    bindings: tuple[Binding, ...]
    organization: str
    table: Table = TABLES["documented"]
    groups: frozenset[str] = frozenset()
    """The Slack user groups that this person is in, among those that were looked up."""
    looked_up: frozenset[str] = frozenset()
    environments: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    """The names of environments by ID, among those that were read for a decision about this person's request."""

    def with_group(self, group: str, *, is_member: bool) -> "HeldRoles":
        """The same, once it's known whether the person is in a user group."""
        groups = self.groups | {group} if is_member else self.groups
        return replace(self, groups=groups, looked_up=self.looked_up | {group})


@dataclass(frozen=True, slots=True)
class Weighed:
    """One binding, whether it gives authority over the target, and why."""

    binding: Binding
    counts: bool
    why: str


def weigh_all(held_roles: HeldRoles, target: Target) -> tuple[Weighed, ...]:
    """Weigh every binding of the person, in the order given. One that counts is enough for authority."""
    weighed = [Weighed(binding, counts=counts, why=why) for binding, counts, why in _weigh(held_roles, target)]
    return tuple(_with_account(held_roles, weighed) if _is_new(target) else weighed)


def authority(held_roles: HeldRoles, target: Target) -> Binding | None:
    """A binding that gives this person authority over the target, or None. See `bases` if it takes two."""
    return next(iter(bases(held_roles, target)), None)


def bases(held_roles: HeldRoles, target: Target) -> tuple[Binding, ...]:
    """The bindings that together give this person authority over the target; empty for none.

    A key of a new service account requires a role over the key and one that creates accounts. If no binding is both,
    there are two: first the one over the key. The result is empty for people who can't grant the role bindings that
    come with the key, and for a pair, for people without authority over both keys; the binding over the second one
    comes last.
    """
    if target.also is not None:
        each = [bases(held_roles, part) for part in target.parts]
        return tuple(dict.fromkeys(binding for found in each for binding in found)) if all(each) else ()
    if beyond(held_roles, target.bindings) is not None:
        return ()
    covering = (binding for binding, counts, _ in _weigh(held_roles, target) if counts)
    if not _is_new(target):
        return tuple(islice(covering, 1))
    over_key = list(covering)
    if over_key and (makers := dict.fromkeys(_makers(held_roles))):
        both = next((binding for binding in over_key if binding in makers), None)
        return (both,) if both else (over_key[0], next(iter(makers)))
    return ()


def beyond(held_roles: HeldRoles, bindings: Iterable[WantedBinding]) -> WantedBinding | None:
    """The first of these role bindings that this person can't grant; None if they can grant all."""
    granting = [each for each in held_roles.bindings if each.role in GRANTERS]
    scopes = [scope for each in granting if (scope := _here(each, held_roles)) is not None]
    return next((each for each in bindings if not any(scope.covers(each.path) for scope in scopes)), None)


def lacks_only_the_account(held_roles: HeldRoles, target: Target) -> bool:
    """Whether the person has a role over the key, but none that creates the new service account it's for."""
    if not _is_new(target) or any(_makers(held_roles)):
        return False
    return all(any(counts for _, counts, _ in _weigh(held_roles, part)) for part in target.parts)


def reaches(held_roles: HeldRoles, target: Target) -> bool:
    """Whether any role of the key's future owner reaches the resource; otherwise the key is of no use."""
    scopes = [Scope.parse(binding.crn) for binding in held_roles.bindings]
    return any(
        scope.meets(path)
        for scope in scopes
        for path in target.resource.paths()
        if scope.organization and scope.organization == held_roles.organization
    )


def reaching_roles(held_roles: HeldRoles, target: Target) -> frozenset[str]:
    """The names of the roles that this person has on the key's resource or account, around it, or inside it.

    A key for the whole organization is reached only by roles on all of it, because everything is inside it.
    """
    paths = [*target.resource.paths()]
    if isinstance(target.owner, ServiceAccount):
        paths.append((("service-account", target.owner.id),))
    held = [(each.role, scope) for each in held_roles.bindings if (scope := _here(each, held_roles)) is not None]
    return frozenset(
        role for role, scope in held for path in paths if scope.covers(path) or (path and scope.meets(path))
    )


def owns_account(held_roles: HeldRoles, owner: Owner) -> bool:
    """Whether this person owns the service account: ResourceOwner on the account itself, not on what contains it."""
    if not isinstance(owner, ServiceAccount):
        return False
    account: Path = (("service-account", owner.id),)
    held = (_here(each, held_roles) for each in held_roles.bindings if each.role == RESOURCE_OWNER)
    return any(scope.path and scope.covers(account) for scope in held if scope is not None)


def distance(binding: Binding, target: Target) -> int:
    """How far a binding's place is from the key: 0 owns its account, 1 is at the resource, and 1 more per level up.

    A pattern such as `environment=*` names no place, and counts as the level around it.
    """
    path = Scope.parse(binding.crn).path
    named = list(takewhile(lambda element: not element[1].endswith("*"), path))
    if named and named[0][0] == "service-account":
        return 0
    depth = max(map(len, target.resource.paths()))
    return 1 + depth - min(len(named), depth)


def describe(binding: Binding, names: Mapping[str, str]) -> str:
    """A role and where it is bound, exactly: "CloudClusterAdmin on production (env-prod01) / orders (lkc-prod01)"."""
    path = Scope.parse(binding.crn).path
    return f"{binding.role} on {' / '.join(element(*each, names) for each in path) or _EVERYWHERE}"


def in_brief(binding: Binding, names: Mapping[str, str]) -> str:
    """A role and where it is bound, the narrowest place first, and without the ID of what has a name.

    "DeveloperWrite on topics starting with orders- in orders (production)", and "OrganizationAdmin" alone.
    """
    path = Scope.parse(binding.crn).path
    if not path:
        return binding.role if binding.role == ORGANIZATION_ADMIN else f"{binding.role} on {_EVERYWHERE}"
    outer, *inner = [_short(*each, names) for each in path]
    where = f"{' in '.join(reversed(inner))} ({outer})" if inner else outer
    return f"{binding.role} on {where}"


def element(key: str, value: str, names: Mapping[str, str]) -> str:
    """One part of where a role is bound: "production (env-prod01)", "topics starting with orders-"."""
    if key not in _NAMED or value.endswith("*"):
        return " ".join(filter(None, extent(key, value)))
    name = names.get(value, value)
    return value if name in {value, ""} else f"{name} ({value})"


def extent(key: str, value: str) -> tuple[str, str]:
    """What a part of a CRN covers, in words, and the name or the beginning of names that it covers.

    ("topic", "orders"), ("topics starting with", "orders-"), ("all topics", "").
    """
    noun = _NAMED.get(key) or CONTENTS.get(key)
    if noun is None or not value.endswith("*"):
        return noun or key.replace("-", " "), value  # a place that can't be read has no key
    return (f"{noun}s starting with", value[:-1]) if value[:-1] else (f"all {noun}s", "")


def _short(key: str, value: str, names: Mapping[str, str]) -> str:
    name = names.get(value) if key in _NAMED else None
    return name or " ".join(filter(None, extent(key, value)))


def _is_new(target: Target) -> bool:
    return isinstance(target.owner, NewServiceAccount)


def _makers(held_roles: HeldRoles) -> Iterator[Binding]:
    """The bindings that let this person create service accounts."""
    for binding in held_roles.bindings:
        scope = _here(binding, held_roles)
        if scope is not None and held_roles.table.makes_accounts(binding.role, scope.path):
            yield binding


def _with_account(held_roles: HeldRoles, over_key: Sequence[Weighed]) -> Iterator[Weighed]:
    """What bindings give if the owner is created for the key. `over_key` is what they give over the key alone."""
    makers = frozenset(_makers(held_roles))
    is_covered = any(each.counts for each in over_key)
    is_whole = any(each.counts and each.binding in makers for each in over_key)
    takes = held_roles.table.account_makers()
    for each in over_key:
        is_helped = bool(makers) if each.counts else is_covered and not is_whole
        counts, why = _halves(each, takes, makes=each.binding in makers, is_helped=is_helped)
        yield Weighed(each.binding, counts=counts, why=why)


def _halves(over_key: Weighed, takes: str, *, makes: bool, is_helped: bool) -> tuple[bool, str]:
    """Whether a binding counts, and why: for the key, the account, or both. `is_helped`: another adds its half."""
    match over_key.counts, makes, is_helped:
        case True, True, _:
            return True, f"{over_key.why}, and this role can create service accounts"
        case True, False, True:
            return True, f"{over_key.why}; another role can create the service account"
        case True, False, False:
            return False, f"{over_key.why}, but can't create service accounts: that takes {takes}"
        case False, True, True:
            return True, "it can create the service account; another role covers the key"
        case False, True, False:
            return False, f"it can create service accounts, but {over_key.why}"
        case _:
            return False, over_key.why


@dataclass(frozen=True, slots=True)
class _Grounds:
    """What one role requires of the place where it's bound, for one target."""

    never: str = ""
    """Why no place is enough; "" if one may be."""
    account: Path = ()
    """The service account that the holder must own."""
    is_own: bool = False
    """Whether the key is the holder's own, so that a place inside the resource is enough, too."""
    anywhere: bool = False


def _weigh(held_roles: HeldRoles, target: Target) -> Iterator[tuple[Binding, bool, str]]:
    """Each binding of the person, whether it counts, and why.

    What depends only on the role is computed once per role.
    """
    person, organization, paths = held_roles.person.principal, held_roles.organization, target.resource.paths()
    known: dict[str, _Grounds] = {}
    for binding in held_roles.bindings:
        if binding.principal != person:
            continue
        scope = Scope.parse(binding.crn)
        if not scope.organization or scope.organization != organization:
            yield binding, False, _ELSEWHERE if scope.organization else "its CRN can't be read"
            continue
        grounds = known.get(binding.role)
        if grounds is None:
            is_own = target.owner.id == person
            grounds = known[binding.role] = _grounds(binding.role, target, held_roles.table, is_own=is_own)
        yield binding, *_by_place(scope, paths, grounds)


def _grounds(role: str, target: Target, table: Table, *, is_own: bool) -> _Grounds:
    row = table.rows.get(role)
    if is_own and table.own_anywhere and (row is None or row.whose is not Whose.OTHERS):
        return _Grounds(anywhere=True)
    if row is None:
        return _Grounds("this role doesn't manage API keys")
    if target.resource.kind not in row.kinds:
        return _Grounds(f"this role doesn't manage {target.resource.kind} keys")
    match row.whose:
        case Whose.OTHERS if is_own:
            return _Grounds("this role can't create keys for its own holder")
        case Whose.OWN_AND_OWNED_ACCOUNTS if isinstance(target.owner, ServiceAccount):
            return _Grounds(account=(("service-account", target.owner.id),))
        case Whose.OWN | Whose.OWN_AND_OWNED_ACCOUNTS if not is_own:
            return _Grounds("this role manages only its holder's own keys")
        case _:
            return _Grounds(is_own=is_own)


def _by_place(scope: Scope, paths: Sequence[Path], grounds: _Grounds) -> tuple[bool, str]:
    if grounds.never:
        return False, grounds.never
    if grounds.anywhere:
        return True, "any role is enough for a personal key"
    if grounds.account:
        # Bound to the account itself: no wider place makes anybody the owner of the accounts in it.
        owns = bool(scope.path) and scope.covers(grounds.account)
        account = grounds.account[0][1]
        return (
            owns,
            f"it owns the service account {account}" if owns else f"it doesn't own the service account {account}",
        )
    met = [path for path in paths if scope.meets(path)]
    if not met:
        return False, "it's bound to another resource"
    if any(len(scope.path) <= len(path) for path in met):
        return True, "it covers the resource"
    # Everything is inside the organization, so that being inside it means nothing.
    if grounds.is_own and any(met):
        return True, "it covers part of the resource: enough for a personal key"
    return False, "it covers only part of the resource"


def may_see(held_roles: HeldRoles, target: Target, request: Request | None = None) -> bool:
    """Whether this person may see the key, as its owner, requester, a manager, or an Operator in reach.

    `request` is the one that created the key; None if Latchkey didn't.
    """
    person = held_roles.person
    if target.owner.id == person.principal or authority(held_roles, target) is not None:
        return True
    if request is not None:
        asker = request.ask.requester
        if (asker.slack, asker.principal) == (person.slack, person.principal):
            return True
    return target.resource.kind in _DESCRIBES and any(
        _operates(each, held_roles, target) for each in held_roles.bindings
    )


def accounts_in_sight(held_roles: HeldRoles, accounts: Iterable[ServiceAccount]) -> Sequence[ServiceAccount]:
    """The service accounts that may have keys this person can see through a role."""
    scopes = [(each.role, scope) for each in held_roles.bindings if (scope := _here(each, held_roles)) is not None]
    if any(_sees_others(role, held_roles) for role, _ in scopes):
        return tuple(accounts)
    rows = held_roles.table.rows
    owning = [scope for role, scope in scopes if role in rows and rows[role].whose is Whose.OWN_AND_OWNED_ACCOUNTS]
    places = [scope for scope in owning if scope.path]
    return tuple(each for each in accounts if any(scope.covers((("service-account", each.id),)) for scope in places))


def _sees_others(role: str, held_roles: HeldRoles) -> bool:
    row = held_roles.table.rows.get(role)
    return role == OPERATOR or (row is not None and row.whose in {Whose.ANYONES, Whose.OTHERS})


def _operates(binding: Binding, held_roles: HeldRoles, target: Target) -> bool:
    scope = _here(binding, held_roles)
    return binding.role == OPERATOR and scope is not None and any(map(scope.covers, target.resource.paths()))


def _here(binding: Binding, held_roles: HeldRoles) -> Scope | None:
    """Where a binding of this person applies in our organization; None if it's someone else's, or elsewhere."""
    scope = Scope.parse(binding.crn)
    is_here = scope.organization and scope.organization == held_roles.organization
    return scope if is_here and binding.principal == held_roles.person.principal else None
