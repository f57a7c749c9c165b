"""Who has authority over which key: the one question that approving, creating and deleting all ask.

Pure: the caller brings role bindings that it has just read. Every binding is weighed and says why it counts or not,
so that `explain` and a refusal show the same words that decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.keys import Owner, Path, Person, Resource, ServiceAccount
from bot.domain.roles import TABLES, Binding, Row, Scope, Table, Whose


@dataclass(frozen=True, slots=True)
class Target:
    """The key that is asked for: whose it will be, and what it opens."""

    owner: Owner
    resource: Resource


@dataclass(frozen=True, slots=True)
class Standing:
    """A person, with the roles that person holds right now in our organisation, and the table that reads them."""

    person: Person
    bindings: tuple[Binding, ...]
    organization: str
    table: Table = TABLES["documented"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """One binding, whether it gives authority over the target, and why."""

    binding: Binding
    counts: bool
    why: str


def weigh(binding: Binding, target: Target, organization: str, table: Table) -> Weighed:
    """Say whether this binding gives its principal authority over the target."""
    scope = Scope.parse(binding.crn)
    row = table.rows.get(binding.role)
    is_own = target.owner.id == binding.principal
    if scope.organization != organization:
        return Weighed(binding, counts=False, why="it is bound in another organisation")
    if is_own and table.own_anywhere and (row is None or row.whose is not Whose.OTHERS):
        return Weighed(binding, counts=True, why="any role is enough for the holder's own key")
    if row is None:
        return Weighed(binding, counts=False, why="this role manages no API keys")
    if target.resource.kind not in row.kinds:
        return Weighed(binding, counts=False, why=f"this role manages no {target.resource.kind} keys")
    if row.whose is Whose.OWN_AND_OWNED_ACCOUNTS and _is_account(target.owner, scope):
        return Weighed(binding, counts=True, why=f"it owns the service account {target.owner.id}")
    if (refusal := _not_its_key(row, is_own=is_own)) is not None:
        return Weighed(binding, counts=False, why=refusal)
    return _by_place(binding, scope, target.resource.paths(), is_own=is_own)


def weigh_all(standing: Standing, target: Target) -> tuple[Weighed, ...]:
    """Weigh every binding of the person, in the order given."""
    return tuple(
        weigh(binding, target, standing.organization, standing.table)
        for binding in standing.bindings
        if binding.principal == standing.person.principal
    )


def authority(standing: Standing, target: Target) -> Binding | None:
    """The binding that gives this person authority over the target, or None."""
    return next((weighed.binding for weighed in weigh_all(standing, target) if weighed.counts), None)


def reaches(standing: Standing, target: Target) -> bool:
    """Whether any role of the key's owner-to-be touches the resource at all: else the key opens nothing."""
    scopes = [Scope.parse(binding.crn) for binding in standing.bindings]
    return any(
        scope.covers(path) or scope.is_below(path)
        for scope in scopes
        for path in target.resource.paths()
        if scope.organization == standing.organization
    )


def describe(binding: Binding) -> str:
    """A binding in words for people: "EnvironmentAdmin of env-dev001"."""
    path = Scope.parse(binding.crn).path
    return f"{binding.role} of {' / '.join(value for _, value in path) if path else 'the organisation'}"


def _is_account(owner: Owner, scope: Scope) -> bool:
    """Whether this scope is that service account itself; a wider one is no ownership of it."""
    return isinstance(owner, ServiceAccount) and bool(scope.path) and scope.covers((("service-account", owner.id),))


def _not_its_key(row: Row, *, is_own: bool) -> str | None:
    match row.whose:
        case Whose.ANYONES:
            return None
        case Whose.OTHERS:
            return "this role may not make keys for its own holder" if is_own else None
        case Whose.OWN | Whose.OWN_AND_OWNED_ACCOUNTS:
            return None if is_own else "this role manages only its holder's own keys"


def _by_place(binding: Binding, scope: Scope, paths: Sequence[Path], *, is_own: bool) -> Weighed:
    if any(scope.covers(path) for path in paths):
        return Weighed(binding, counts=True, why="it covers the resource")
    if is_own and any(scope.is_below(path) for path in paths):
        return Weighed(binding, counts=True, why="it reaches into the resource: enough for an own key")
    return Weighed(binding, counts=False, why="it is bound somewhere else")
