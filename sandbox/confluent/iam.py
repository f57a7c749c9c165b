"""`/iam/v2` except keys: users, service accounts, role bindings, invitations."""

import re

from starlette.responses import Response

from sandbox.confluent import crns, wire
from sandbox.confluent.changes import carry_out
from sandbox.confluent.model import RoleBinding, ServiceAccount, User
from sandbox.confluent.organization import BindingExists, NameTaken, QuotaReached
from sandbox.confluent.wire import Call, Json, Problem, forbidden, invalid

_LONGEST_NAME = 64
_LONGEST_DESCRIPTION = 128
_PRINCIPAL = "User:"


async def list_users(call: Call) -> Response:
    """Users. There is no filter, as at Confluent."""
    seen = (user for user in call.organization.users.values() if _sees(call, user.id))
    return wire.page(call, "iam/v2", "UserList", seen, _render_user)


async def get_user(call: Call) -> Response:
    """One user."""
    user = call.organization.users.get(call.id)
    if user is None or not _sees(call, user.id):
        raise forbidden()
    return wire.one(call, _render_user(user))


async def delete_user(call: Call) -> Response:
    """Remove a user with all keys and role bindings."""
    if call.id not in call.organization.users or not call.caller.may_manage_people():
        raise forbidden()
    call.organization.remove_principal(call.id)
    return Response(status_code=204)


async def list_service_accounts(call: Call) -> Response:
    """Service accounts, filtered by exact `display_name` (repeatable)."""
    names = [name for name in call.request.query_params.getlist("display_name") if name]
    seen = (
        account
        for account in call.organization.service_accounts.values()
        if (not names or account.name in names) and _sees(call, account.id)
    )
    return wire.page(call, "iam/v2", "ServiceAccountList", seen, _render_account)


async def get_service_account(call: Call) -> Response:
    """One service account."""
    account = call.organization.service_accounts.get(call.id)
    if account is None:
        raise _no_account()
    if not _sees(call, account.id):
        raise forbidden()
    return wire.one(call, _render_account(account))


async def create_service_account(call: Call) -> Response:
    """Create a service account; `assigned_resource_owner` becomes its ResourceOwner."""
    if not call.caller.may_create_accounts():
        raise forbidden()
    name = wire.text_field(call.body, "display_name", "", longest=_LONGEST_NAME)
    description = wire.text_field(call.body, "description", "", longest=_LONGEST_DESCRIPTION) or ""
    if not name:
        raise invalid("/display_name", "The property display_name is required")
    try:
        account = await carry_out(call.faults, "account", lambda: _make_account(call, name, description))
    except NameTaken as taken:
        raise _name_taken() from taken
    except QuotaReached as reached:
        raise Problem(402, "quota_exceeded", "Quota Exceeded", str(reached)) from reached
    return wire.one(call, _render_account(account), 201)


def _make_account(call: Call, name: str, description: str) -> ServiceAccount:
    organization = call.organization
    account = organization.create_service_account(name, description, limit=call.faults.limit_for)
    if owner := call.parameter("assigned_resource_owner"):
        organization.bind(owner, "ResourceOwner", organization.principal_crn(account.id))
    return account


async def edit_service_account(call: Call) -> Response:
    """Change name and description."""
    _manageable(call)
    name = wire.text_field(call.body, "display_name", "", longest=_LONGEST_NAME)
    description = wire.text_field(call.body, "description", "", longest=_LONGEST_DESCRIPTION)

    def edit() -> ServiceAccount:
        account = _manageable(call)
        others = (each for each in call.organization.service_accounts.values() if each is not account)
        if name and any(other.name == name for other in others):
            raise _name_taken()
        account.name = name or account.name
        account.description = account.description if description is None else description
        account.updated_at = call.organization.clock()
        call.organization.note("account edit", account.id)
        return account

    return wire.one(call, _render_account(await carry_out(call.faults, "account edit", edit)))


async def delete_service_account(call: Call) -> Response:
    """Remove a service account with all keys and role bindings."""
    _manageable(call)
    await carry_out(call.faults, "account delete", lambda: call.organization.remove_principal(_manageable(call).id))
    return Response(status_code=204)


async def list_role_bindings(call: Call) -> Response:
    """Role bindings at or below `crn_pattern` that the caller can see, filtered by principal and role."""
    pattern = call.required("crn_pattern")
    if not pattern.startswith("crn://"):
        detail = "crn_pattern is not valid"
        raise Problem(400, "invalid_filter", "Invalid Filter", detail, parameter="crn_pattern")
    principal, role = call.parameter("principal"), call.parameter("role_name")
    found = (
        binding
        for binding in call.organization.bindings(call.faults.without_roles)
        if principal in (None, _PRINCIPAL + binding.principal)
        and role in (None, binding.role)
        and crns.selects(pattern, binding.crn_pattern, with_all_below=call.faults.crn_patterns == "with all below")
        and call.caller.sees_binding(binding)
    )
    return wire.page(call, "iam/v2", "RoleBindingList", found, lambda each: _render_binding(call, each))


async def get_role_binding(call: Call) -> Response:
    """One role binding."""
    binding = call.organization.role_bindings.get(call.id)
    if binding is None or not call.caller.sees_binding(binding):
        raise forbidden()
    return wire.one(call, _render_binding(call, binding))


async def create_role_binding(call: Call) -> Response:
    """Create a role binding."""
    wanted: dict[str, str] = {}
    for name, form in (("principal", r"User:.+"), ("role_name", r".+"), ("crn_pattern", r"crn://.+")):
        value = wire.text_field(call.body, name, "")
        if value is None or not re.fullmatch(form, value):
            raise invalid(f"/{name}", f"The property {name} is required and must be well-formed", 400)
        wanted[name] = value
    if not call.caller.may_grant_at(wanted["crn_pattern"]):
        raise forbidden()
    principal = wanted["principal"].removeprefix(_PRINCIPAL)

    def bind() -> RoleBinding:
        bound = call.organization.bind(principal, wanted["role_name"], wanted["crn_pattern"])
        call.organization.note("role binding", bound.id)
        return bound

    try:
        binding = await carry_out(call.faults, "role binding", bind)
    except BindingExists as exists:
        detail = "The role binding already exists"
        raise Problem(409, "resource_already_exists", "Resource Already exists", detail) from exists
    return wire.one(call, _render_binding(call, binding), 201)


async def delete_role_binding(call: Call) -> Response:
    """Delete a role binding. The response is 200, with what was deleted."""
    _unbindable(call)
    binding = await carry_out(call.faults, "role binding delete", lambda: call.organization.unbind(_unbindable(call)))
    return wire.one(call, _render_binding(call, binding))


def _unbindable(call: Call) -> RoleBinding:
    binding = call.organization.role_bindings.get(call.id)
    if binding is None or not call.caller.may_grant_at(binding.crn_pattern):
        raise forbidden()
    return binding


async def list_invitations(call: Call) -> Response:
    """Always empty: everybody in the sandbox has accepted their invitation."""
    nobody: list[Json] = []
    return wire.page(call, "iam/v2", "InvitationList", nobody, lambda each: each)


def _sees(call: Call, principal: str) -> bool:
    return call.caller.sees_principal(principal, call.organization.principal_crn(principal))


def _manageable(call: Call) -> ServiceAccount:
    account = call.organization.service_accounts.get(call.id)
    if account is None:
        raise _no_account()
    if not call.caller.may_manage_account(call.organization.principal_crn(account.id)):
        raise forbidden()
    return account


def _no_account() -> Problem:
    return Problem(404, "service_account_not_found", None, "Service Account Not Found")


def _name_taken() -> Problem:
    return Problem(409, "resource_already_exists", "Resource Already exists", "Service name is already in use")


def _render_user(user: User) -> Json:
    return {
        "api_version": "iam/v2",
        "kind": "User",
        "id": user.id,
        "metadata": wire.metadata(f"/iam/v2/users/{user.id}", f"crn://confluent.cloud/user={user.id}", user.created_at),
        "email": user.email,
        "full_name": user.full_name,
        "auth_type": "AUTH_TYPE_SSO",
    }


def _render_account(account: ServiceAccount) -> Json:
    # The resource name is the short one, without the organization, as in recorded responses.
    crn, path = f"crn://confluent.cloud/service-account={account.id}", f"/iam/v2/service-accounts/{account.id}"
    return {
        "api_version": "iam/v2",
        "kind": "ServiceAccount",
        "id": account.id,
        "metadata": wire.metadata(path, crn, account.created_at, account.updated_at),
        "display_name": account.name,
        "description": account.description,
    }


def _render_binding(call: Call, binding: RoleBinding) -> Json:
    crn, path = call.organization.place(f"rolebinding={binding.id}"), f"/iam/v2/role-bindings/{binding.id}"
    return {
        "api_version": "iam/v2",
        "kind": "RoleBinding",
        "id": binding.id,
        "metadata": wire.metadata(path, crn, binding.created_at),
        "principal": f"{_PRINCIPAL}{binding.principal}",
        "role_name": binding.role,
        "crn_pattern": binding.crn_pattern,
    }
