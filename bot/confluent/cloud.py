"""Confluent Cloud as the services see it: what there is, and the keys.

What Confluent filters for us is checked again here: it ignores parameters that it does not know, and sends everything.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from http import HTTPStatus

from bot.confluent import wire
from bot.confluent.client import item_path
from bot.confluent.inventory import ConfluentInventory
from bot.domain.errors import CloudRefused, Unavailable, Unknown
from bot.domain.keys import ApiKey, KeyId, Principal, Resource, Secret
from bot.services.cloud import NewKey

API_KEYS = "/iam/v2/api-keys"


class ConfluentCloud(ConfluentInventory):
    """`bot.services.ports.Cloud` over the public API."""

    async def own_account(self) -> Principal:
        """The owner of the key that we call with. Raises `Unavailable` when Confluent does not tell."""
        row = await self._find(API_KEYS, self._client.key, wire.ApiKey)
        if row is None or not row.spec.owner.id:
            raise Unavailable(
                "Confluent Cloud does not say whose key Latchkey uses, so nothing was changed. "
                "Tell whoever runs Latchkey.",
                log="the owner of CONFLUENT_CLOUD_API_KEY cannot be read",
            )
        return Principal(row.spec.owner.id)

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        """Make a key. Raises `Unknown` also when Confluent made something other than what was asked."""
        row = await self._client.post(API_KEYS, {"spec": _spec(new)}, wire.ApiKey)
        problem = _mismatch(row, new)
        if problem or not row.spec.secret:
            raise Unknown(
                "Confluent Cloud's answer was incomplete. A key may exist; Latchkey is checking.",
                log=f"POST {API_KEYS}: key {row.id}: {problem or 'no secret'}",
            )
        return _api_key(row, new), Secret(row.spec.secret.get_secret_value())

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        """The keys of one owner for one resource. Confluent's internal keys have no owner: they never show."""
        rows = self._listed(owner, resource)
        return tuple([_api_key(row) async for row in rows if row.spec.owner.id == owner and _opens(row, resource)])

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> None:
        """Delete a key for ever; returns when it is gone, whoever deleted it.

        Raises `CloudRefused` when it is there and may not be deleted.
        """
        try:
            await self._client.delete(item_path(API_KEYS, key))
        except CloudRefused as refused:
            # Confluent says 403 for a key that is gone, and 404 for one that we may not know: the list decides.
            if refused.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                raise
            if key in {row.id async for row in self._listed(owner, resource)}:
                raise

    def _listed(self, owner: Principal, resource: Resource) -> AsyncGenerator[wire.ApiKey]:
        filters = {"spec.owner": owner, "spec.resource": _reference(resource)["id"]}
        return self._client.list_all(API_KEYS, wire.ApiKey, filters)


def _reference(resource: Resource) -> dict[str, str]:
    """The `spec.resource` of a request for a key. Each kind of key has its own form."""
    return {"id": resource.id}


def _spec(new: NewKey) -> dict[str, object]:
    return {
        "display_name": new.name,
        "description": new.description,
        "owner": {"id": new.owner.id},
        "resource": _reference(new.resource),
    }


def _opened(row: wire.ApiKey) -> list[str]:
    """Ids of what the key opens; `resources` is how keys for several clusters say it."""
    return [reference.id for reference in (row.spec.resource, *row.spec.resources) if reference.id]


def _opens(row: wire.ApiKey, resource: Resource) -> bool:
    return resource.id in _opened(row)


def _mismatch(row: wire.ApiKey, new: NewKey) -> str:
    """How the key differs from what was asked, for operators; "" when it does not. What is left out is as asked."""
    if row.spec.owner.id not in {"", new.owner.id}:
        return f"made for owner {row.spec.owner.id} in place of {new.owner.id}"
    if _opened(row) and not _opens(row, new.resource):
        return f"made for {_opened(row)} in place of {new.resource.id}"
    return ""


def _api_key(row: wire.ApiKey, asked: NewKey | None = None) -> ApiKey:
    """The key as Confluent reports it; what the answer to a create leaves out is as asked."""
    key = ApiKey(
        id=KeyId(row.id),
        owner=Principal(row.spec.owner.id) if row.spec.owner.id else None,
        resource=next(iter(_opened(row)), ""),
        name=row.spec.display_name,
        description=row.spec.description,
        created_at=row.metadata.created_at,
    )
    if asked is None:
        return key
    return replace(
        key,
        owner=key.owner or asked.owner.id,
        resource=key.resource or asked.resource.id,
        name=key.name or asked.name,
        description=key.description or asked.description,
    )
