"""Implements the ports for Confluent Cloud: the catalog, people, role bindings and keys.

What Confluent filters is filtered here again, because it ignores parameters that it doesn't know and then returns
everything.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

from bot.confluent import inventory, places, quotas, references, wire
from bot.confluent.client import ABSENT, Client, item_path
from bot.confluent.failures import Lost
from bot.confluent.inventory import API_KEYS, SERVICE_ACCOUNTS
from bot.confluent.references import opens
from bot.confluent.shared import SharedReads
from bot.domain.catalog import Account, Endpoints, Environment, Quota, Region, User, by_name
from bot.domain.errors import ASK_ADMINISTRATOR, CloudRefused, NotFound, Throttled, Unavailable, Unknown
from bot.domain.keys import ApiKey, KeyId, Owner, Placed, Principal, Resource, Secret, ServiceAccount, normal_email
from bot.domain.kinds import Kind
from bot.domain.roles import ORGANIZATION_ADMIN, Binding, Scope
from bot.services.ports.cloud import Bound, NewKey

RIGHTS_BACK = timedelta(minutes=5)
"""When to check again whether our account has its role back."""

_PART = "Latchkey may see only part of your Confluent Cloud organization, so it can't tell what was deleted."
_UNCHANGED = "Nothing changed."
_LOST = "No clear answer from Confluent Cloud."
_BINDING_MAY_BE = "The role binding may or may not exist; Latchkey is checking."
_MAY_BE = "The service account may or may not exist; Latchkey is checking."
_CRN = "crn://confluent.cloud/organization="
_PRINCIPAL = "User:"
"""The prefix of users, service accounts, identity pools and group mappings."""


class ConfluentCloud:
    """Implements `bot.services.ports.cloud.Cloud` with the public API. Lists of named things are sorted by name.

    A row that can't be read is left out of what people choose from. In lists of users and role bindings, it raises
    `Unavailable`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._organization: str | None = None
        self.own_key_expires_at: datetime | None = None
        """When Confluent expires the key that we use, as last read; None means never, or unknown."""
        self._shared = SharedReads()

    async def organization(self) -> str:
        """The organization's ID, as in CRNs. It's read only once, because it never changes."""
        if self._organization is None:
            found = [row.id async for row in self._client.list_all(inventory.ORGANIZATIONS, wire.Organization)]
            if not found:
                raise Unavailable(
                    "Latchkey can't see any organization in Confluent Cloud.",
                    changed=_UNCHANGED,
                    advice=ASK_ADMINISTRATOR,
                    log=f"GET {inventory.ORGANIZATIONS}: an empty list",
                )
            self._organization = found[0]
        return self._organization

    async def own_account(self) -> Principal:
        """The owner of the key that we use. Raises `Unavailable` if Confluent doesn't say."""
        row = await self._client.find(API_KEYS, self._client.key, wire.ApiKey)
        if row is None or not row.spec.owner.id:
            raise Unavailable(
                "Latchkey couldn't find out who owns its own API key, so nothing changed.",
                advice=ASK_ADMINISTRATOR,
                log="couldn't read the owner of CONFLUENT_CLOUD_API_KEY",
            )
        self.own_key_expires_at = row.expires_at
        return Principal(row.spec.owner.id)

    async def must_see_all(self) -> None:
        """Raise `Throttled` unless our account administers the organization: other accounts see only parts of lists.

        Call this after reading the list, not before, because the account may lose the role in between.
        """
        try:
            held = await self.role_bindings(await self.own_account())
        except CloudRefused as refused:
            raise _a_part(f"couldn't read the roles of Latchkey's own account: {refused}") from None
        if not any(each.role == ORGANIZATION_ADMIN and Scope.parse(each.crn).path == () for each in held):
            raise _a_part("Latchkey's own account isn't an OrganizationAdmin")

    async def environments(self) -> Sequence[Environment]:
        """The environments that our key can see."""
        rows = self._client.list_all(inventory.ENVIRONMENTS, wire.Environment, skipped=[])
        return by_name([Environment(row.id, row.display_name or row.id) async for row in rows])

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        """The resources of one kind in one environment, except those that failed or are being deleted."""
        return await inventory.resources(self._client, kind, environment)

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        """All service accounts that can be read."""
        rows = self._client.list_all(SERVICE_ACCOUNTS, wire.ServiceAccount, skipped=[])
        return by_name([inventory.account_of(row) async for row in rows])

    async def service_account(self, account: Principal) -> ServiceAccount | None:
        """One service account, read from Confluent; None if it doesn't exist."""
        row = await self._client.find(SERVICE_ACCOUNTS, account, wire.ServiceAccount)
        return inventory.account_of(row) if row else None

    async def users(self) -> Sequence[User]:
        """All users of the organization. A row that can't be read raises `Unavailable`."""
        return await self._shared.read("users", self._users)

    async def _users(self) -> Sequence[User]:
        rows = self._client.list_all(inventory.USERS, wire.User)
        return by_name([User(Principal(row.id), normal_email(row.email), row.full_name) async for row in rows])

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        """This principal's role bindings, at the organization and below."""
        return await self._shared.read(("bindings", principal), lambda: self._role_bindings(principal))

    async def _role_bindings(self, principal: Principal) -> Sequence[Binding]:
        here = f"{_CRN}{await self.organization()}"
        who = f"{_PRINCIPAL}{principal}"
        found = [*await self._bindings(here, who), *await self._bindings(f"{here}/*", who)]
        return tuple(dict.fromkeys(each for each in found if each.principal == principal))

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        """Everyone's role bindings at exactly this place."""
        here = Scope.parse(crn)
        return tuple(each for each in await self._bindings(crn) if Scope.parse(each.crn) == here)

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        """Everyone's role bindings below this place."""
        here = Scope.parse(crn)
        found = await self._bindings(f"{crn}/*")
        return tuple(each for each in found if Scope.parse(each.crn).is_inside(here))

    async def resource(self, kind: Kind, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
        """One resource without its environment's name, and its endpoints.

        None if it doesn't exist in that environment.
        """
        return await self._shared.read(
            ("resource", kind, environment, id_),
            lambda: places.resource(self._client, self.organization, kind, environment, id_),
        )

    async def regions(self) -> Sequence[Region]:
        """All regions in which Confluent offers Flink, sorted by ID."""
        return await places.regions(self._client)

    async def accounts_named(self, name: str) -> Sequence[Account]:
        """The service accounts with exactly this name, from all pages, because Confluent might ignore the filter."""
        if not name:  # Confluent treats an empty filter as none
            return ()
        rows = self._client.list_all(SERVICE_ACCOUNTS, wire.ServiceAccount, {"display_name": name})
        return tuple([_account(row) async for row in rows if row.display_name == name])

    async def create_account(self, name: str, description: str) -> Account:
        """Create a service account. Raises `Unknown` also if Confluent created something else than requested."""
        body = {"display_name": name, "description": description}
        try:
            row = await self._client.post(SERVICE_ACCOUNTS, body, wire.ServiceAccount)
        except Unknown as lost:
            raise Unknown(lost.happened, changed=_MAY_BE, log=str(lost)) from None
        if row.display_name not in {"", name}:
            log = f"POST {SERVICE_ACCOUNTS}: {row.id} doesn't have the name that was requested"
            raise Unknown(_LOST, changed=_MAY_BE, log=log)
        return Account(Principal(row.id), name, row.description or description)

    async def describe_account(self, account: Principal, description: str) -> None:
        """Change the description. Raises `Unavailable` if Confluent reports success but didn't change it."""
        path = item_path(SERVICE_ACCOUNTS, account)
        row = await self._client.patch(path, {"description": description}, wire.ServiceAccount)
        if row.description != description:
            raise Unavailable(
                "Confluent Cloud didn't accept the new description of the service account.",
                log=f"PATCH {path}: the response has a different description",
            )

    async def delete_account(self, account: Principal) -> None:
        """Delete a service account and all its keys. Returns once it's gone, no matter who deleted it.

        Raises `CloudRefused` if it exists and can't be deleted.
        """
        await self._delete(SERVICE_ACCOUNTS, account, self._client.list_all(SERVICE_ACCOUNTS, wire.ServiceAccount))

    async def bound(self, principal: Principal) -> Sequence[Bound]:
        """This principal's role bindings with their IDs, read from Confluent."""
        here, who, found = f"{_CRN}{await self.organization()}", f"{_PRINCIPAL}{principal}", dict[str, Bound]()
        for place in (here, f"{here}/*"):
            async for row in self._binding_rows(place, who):
                if row.principal == who:
                    found[row.id] = Bound(row.id, _binding(row))
        return tuple(found.values())

    async def bind(self, wanted: Binding) -> Bound:
        """Create a role binding. Raises `Unknown` also if Confluent created something else than requested."""
        body = {"principal": f"{_PRINCIPAL}{wanted.principal}", "role_name": wanted.role, "crn_pattern": wanted.crn}
        try:
            row = await self._client.post(inventory.ROLE_BINDINGS, body, wire.RoleBinding)
        except Unknown as lost:
            raise Unknown(lost.happened, changed=_BINDING_MAY_BE, log=str(lost)) from None
        made = _binding(row)
        if replace(made, crn=wanted.crn) != wanted or Scope.parse(made.crn) != Scope.parse(wanted.crn):
            log = f"POST {inventory.ROLE_BINDINGS}: {row.id} isn't the binding that was requested"
            raise Unknown(_LOST, changed=_BINDING_MAY_BE, log=log)
        return Bound(row.id, wanted)

    async def unbind(self, bound: Bound) -> None:
        """Delete a role binding. Raises `CloudRefused` if it exists and can't be deleted."""
        try:
            await self._client.delete(item_path(inventory.ROLE_BINDINGS, bound.id))
        except CloudRefused as refused:
            # Confluent also answers 403 for something deleted, so the list decides.
            if refused.status not in ABSENT or bound.id in {
                each.id for each in await self.bound(bound.binding.principal)
            }:
                raise
            await self.must_see_all()

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        """Create a key. Raises `Unknown` also if Confluent created something else than requested."""
        row = await self._client.post(API_KEYS, {"spec": references.spec_of(new)}, wire.ApiKey)
        problem = references.mismatch(row, new)
        if problem or not row.spec.secret:
            raise Unknown(
                "Confluent Cloud's answer was incomplete.",
                changed="A key may exist; Latchkey is checking.",
                log=f"POST {API_KEYS}: key {row.id}: {problem or 'no secret'}",
            )
        return references.made(row, new), Secret(row.spec.secret.get_secret_value())

    async def key(self, key: KeyId) -> ApiKey | None:
        """One key, read from Confluent; None if it isn't shown, although the list of its owner's keys may have it."""
        try:
            return references.api_key(await self._client.get(item_path(API_KEYS, key), wire.ApiKey))
        except CloudRefused as refused:
            if refused.status not in ABSENT:
                raise
            return None

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        """The keys of one owner for one resource.

        Confluent's internal keys have no owner, so they're never included.
        """
        if not owner:  # Confluent treats an empty filter as none
            return ()
        return await self._shared.read(("keys", owner, resource), lambda: self._keys(owner, resource))

    async def _keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        rows = [references.placed(row, owner, resource) async for row in self._listed_keys(owner, resource)]
        return tuple(references.api_key(row) for row in rows if row.spec.owner.id == owner and opens(row, resource))

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        """All keys of one owner."""
        if not owner:
            return ()
        rows = [references.placed(row, owner) async for row in self._listed_keys(owner)]
        return tuple(references.api_key(row) for row in rows if row.spec.owner.id == owner)

    async def keys_shown(self, owner: Principal) -> tuple[Sequence[ApiKey], int]:
        """The keys of one owner that can be read, and how many rows can't."""
        if not owner:
            return (), 0
        skipped: list[Lost] = []
        rows = [row async for row in self._client.list_all(API_KEYS, wire.ApiKey, {"spec.owner": owner}, skipped)]
        lost = sum(bool(references.puzzle(row, owner)) for row in rows)
        return tuple(references.api_key(row) for row in rows if row.spec.owner.id == owner), len(skipped) + lost

    async def key_page(self, token: str) -> tuple[Sequence[ApiKey], str]:
        """One page of the organization's keys that have an owner, and the next page's token ("" for none).

        Raises `NotFound` if the token has expired.
        """
        try:
            rows, after = await self._client.list_page(API_KEYS, wire.ApiKey, token)
        except CloudRefused as refused:
            if not token or refused.status != HTTPStatus.BAD_REQUEST:
                raise
            raise NotFound("Confluent Cloud no longer knows this page of keys. Start again.") from None
        return tuple(references.api_key(row) for row in rows if row.spec.owner.id), after

    async def edit_key(self, key: KeyId, name: str, description: str) -> ApiKey:
        """Change name and description, and return the key as it is now.

        Raises `Unavailable` if Confluent reports success but the key has other texts, `CloudRefused` if the key is
        gone.
        """
        path, texts = item_path(API_KEYS, key), {"display_name": name, "description": description}
        row = await self._client.patch(path, {"spec": texts}, wire.ApiKey)
        if (row.spec.display_name, row.spec.description) != (name, description):
            raise Unavailable(
                "Confluent Cloud accepted the change, but the key doesn't have the new name or description.",
                again="Check the key.",
                log=f"PATCH {path}: the response has a different name or description",
            )
        return references.api_key(row)

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        """Delete a key.

        Returns False if it was already gone; if an answer was lost, True, because this call may have done it.

        Raises `CloudRefused` if it exists and can't be deleted.
        """
        return await self._delete(API_KEYS, key, self._listed_keys(owner, resource))

    async def quotas(self, owner: Owner | None = None, cluster: str = "", environment: str = "") -> Sequence[Quota]:
        """The limits of the organization, of this owner's account, and of this Kafka cluster."""
        return await quotas.applied(self._client, owner, cluster, environment)

    async def _delete(self, collection: str, id_: str, listed: AsyncGenerator[wire.Item]) -> bool:
        try:
            await self._client.delete(item_path(collection, id_))
        except CloudRefused as refused:
            # Confluent also answers 403 for something deleted, and 404 for what we can't see, so the list decides.
            if refused.status not in ABSENT or id_ in {row.id async for row in listed}:
                raise
            await self.must_see_all()
            return refused.may_be_done
        return True

    def _listed_keys(self, owner: Principal, resource: Resource | None = None) -> AsyncGenerator[wire.ApiKey]:
        """The keys of this owner for this resource, and maybe others."""
        filters: dict[str, str] = {"spec.owner": owner}
        if resource is not None and not resource.kind.row.api.lists_miss_keys:
            filters["spec.resource"] = resource.id
        return self._client.list_all(API_KEYS, wire.ApiKey, filters)

    async def _bindings(self, pattern: str, who: str = "") -> Sequence[Binding]:
        return [_binding(row) async for row in self._binding_rows(pattern, who)]

    async def _binding_rows(self, pattern: str, who: str) -> AsyncGenerator[wire.RoleBinding]:
        """Yield the rows for a pattern.

        It means one place or, with `/*` at the end, everything below it, but never both.
        """
        filters = {"crn_pattern": pattern} | ({"principal": who} if who else {})
        async for row in self._client.list_all(inventory.ROLE_BINDINGS, wire.RoleBinding, filters):
            if row.principal.startswith(_PRINCIPAL) and row.role_name and row.crn_pattern:
                yield row


def _a_part(log: str) -> Throttled:
    advice = "Ask your Latchkey administrator: its service account needs OrganizationAdmin."
    return Throttled(_PART, wait=RIGHTS_BACK, changed=_UNCHANGED, advice=advice, log=log)


def _binding(row: wire.RoleBinding) -> Binding:
    return Binding(Principal(row.principal.removeprefix(_PRINCIPAL)), row.role_name, row.crn_pattern)


def _account(row: wire.ServiceAccount) -> Account:
    return Account(Principal(row.id), row.display_name, row.description)
