"""Who has authority over which key: the one question that approving, creating and deleting all ask.

Pure: the caller brings role bindings that it has just read. Every binding is weighed and says why it counts or not,
so that `explain` and a refusal show the same words that decided.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.domain.keys import Owner, Path, Person, Resource, ServiceAccount
from bot.domain.roles import TABLES, Binding, Scope, Table, Whose

_ELSEWHERE = "it is bound in another organisation"


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


def weigh_all(standing: Standing, target: Target) -> tuple[Weighed, ...]:
    """Weigh every binding of the person, in the order given."""
    return tuple(Weighed(binding, counts=counts, why=why) for binding, counts, why in _weigh(standing, target))


def authority(standing: Standing, target: Target) -> Binding | None:
    """The binding that gives this person authority over the target, or None."""
    return next((binding for binding, counts, _ in _weigh(standing, target) if counts), None)


def reaches(standing: Standing, target: Target) -> bool:
    """Whether any role of the key's owner-to-be touches the resource at all: else the key opens nothing."""
    scopes = [Scope.parse(binding.crn) for binding in standing.bindings]
    return any(
        scope.meets(path)
        for scope in scopes
        for path in target.resource.paths()
        if scope.organization and scope.organization == standing.organization
    )


def describe(binding: Binding) -> str:
    """A binding in words for people: "EnvironmentAdmin of env-dev001"."""
    path = Scope.parse(binding.crn).path
    return f"{binding.role} of {' / '.join(value for _, value in path) if path else 'the organisation'}"


@dataclass(frozen=True, slots=True)
class _Grounds:
    """What a role, for one target, asks of the place where it is bound."""

    never: str = ""
    """Why no place would do."""
    account: Path = ()
    """The service account that it has to own."""
    is_own: bool = False
    """Whether the key is the holder's own, so that a place inside the resource does too."""
    anywhere: bool = False


def _weigh(standing: Standing, target: Target) -> Iterator[tuple[Binding, bool, str]]:
    """Each binding of the person, whether it counts, and why. What hangs on the role alone is asked once per role."""
    person, organization, paths = standing.person.principal, standing.organization, target.resource.paths()
    known: dict[str, _Grounds] = {}
    for binding in standing.bindings:
        if binding.principal != person:
            continue
        scope = Scope.parse(binding.crn)
        if not scope.organization or scope.organization != organization:
            yield binding, False, _ELSEWHERE if scope.organization else "its CRN cannot be read"
            continue
        grounds = known.get(binding.role)
        if grounds is None:
            is_own = target.owner.id == person
            grounds = known[binding.role] = _grounds(binding.role, target, standing.table, is_own=is_own)
        yield binding, *_by_place(scope, paths, grounds)


def _grounds(role: str, target: Target, table: Table, *, is_own: bool) -> _Grounds:
    row = table.rows.get(role)
    if is_own and table.own_anywhere and (row is None or row.whose is not Whose.OTHERS):
        return _Grounds(anywhere=True)
    if row is None:
        return _Grounds("this role manages no API keys")
    if target.resource.kind not in row.kinds:
        return _Grounds(f"this role manages no {target.resource.kind} keys")
    match row.whose:
        case Whose.OTHERS if is_own:
            return _Grounds("this role may not make keys for its own holder")
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
        return True, "any role is enough for the holder's own key"
    if grounds.account:
        # Bound to the account itself: no wider place makes anybody the owner of the accounts in it.
        owns = bool(scope.path) and scope.covers(grounds.account)
        account = grounds.account[0][1]
        return (
            owns,
            f"it owns the service account {account}" if owns else f"it does not own the service account {account}",
        )
    met = [path for path in paths if scope.meets(path)]
    if not met:
        return False, "it is bound somewhere else"
    if any(len(scope.path) <= len(path) for path in met):
        return True, "it covers the resource"
    # Everything is inside the organisation, so that being inside it means nothing.
    if grounds.is_own and any(met):
        return True, "it reaches into the resource: enough for an own key"
    return False, "it is bound inside the resource, not to all of it"
