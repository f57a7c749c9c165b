"""Who may see which key, and whose keys are worth looking through: seeing gives no right to change anything. Pure."""

from collections.abc import Iterable, Sequence

from bot.domain.authority import HeldRoles, Target, authority
from bot.domain.keys import ServiceAccount
from bot.domain.requests import Request
from bot.domain.roles import DOCUMENTED, Binding, Scope, Whose

OPERATOR = "Operator"
_DESCRIBES = DOCUMENTED[OPERATOR].kinds
"""The kinds of other people's keys that an Operator may describe, in whatever version of the role table."""


def may_see(held_roles: HeldRoles, target: Target, request: Request | None = None) -> bool:
    """Whether this person may see the key: its owner, who asked for it, who manages it, an Operator in reach.

    `request` is the one that made the key, where Latchkey did.
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
    """The service accounts among whose keys there may be some that this person sees by a role."""
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
    """Where a binding of this person holds in our organisation; None when it is not theirs, or elsewhere."""
    scope = Scope.parse(binding.crn)
    is_here = scope.organization and scope.organization == held_roles.organization
    return scope if is_here and binding.principal == held_roles.person.principal else None
