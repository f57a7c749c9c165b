"""Confluent Cloud as the services see it: what there is, and the keys.

What Confluent filters for us is checked again here: it ignores parameters that it does not know, and sends everything.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC
from http import HTTPStatus

from bot.confluent import quotas, wire
from bot.confluent.accounts import ConfluentAccounts
from bot.confluent.client import item_path
from bot.confluent.failures import Lost, translated
from bot.confluent.inventory import ABSENT, API_KEYS
from bot.confluent.places import ConfluentPlaces
from bot.confluent.references import main_place, opens, place_of, places_of, reference_to, references_of
from bot.domain.catalog import Quota
from bot.domain.errors import CloudRefused, NotFound, Unavailable, Unknown
from bot.domain.keys import ApiKey, KeyId, Kind, Marker, Owner, Principal, Resource, Secret
from bot.services.cloud import NewKey

_FILTERED_HERE = frozenset({Kind.FLINK, Kind.CLOUD})
"""A filter would miss some of these: Flink has two forms of ids, and a Cloud key may name no resource at all."""


class ConfluentCloud(ConfluentPlaces, ConfluentAccounts):
    """`bot.services.cloud.Cloud` over the public API."""

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        """Make a key. Raises `Unknown` also when Confluent made something other than what was asked."""
        row = await self._client.post(API_KEYS, {"spec": _spec(new)}, wire.ApiKey)
        problem = _mismatch(row, new)
        if problem or not row.spec.secret:
            raise Unknown(
                "Confluent Cloud's answer was incomplete.",
                changed="A key may exist; Latchkey is checking.",
                log=f"POST {API_KEYS}: key {row.id}: {problem or 'no secret'}",
            )
        return _made(row, new), Secret(row.spec.secret.get_secret_value())

    async def key(self, key: KeyId) -> ApiKey | None:
        """One key read afresh; None when Confluent does not show it, which a list of its owner's keys may."""
        try:
            return _api_key(await self._client.get(item_path(API_KEYS, key), wire.ApiKey))
        except CloudRefused as refused:
            if refused.status not in ABSENT:
                raise
            return None

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        """The keys of one owner for one resource. Confluent's internal keys have no owner: they never show."""
        if not owner:  # Confluent takes an empty filter for none
            return ()
        rows = [_placed(row, owner, resource) async for row in self._listed_keys(owner, resource)]
        return tuple(_api_key(row) for row in rows if row.spec.owner.id == owner and opens(row, resource))

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        """All keys of one owner."""
        if not owner:
            return ()
        rows = [_placed(row, owner) async for row in self._listed_keys(owner)]
        return tuple(_api_key(row) for row in rows if row.spec.owner.id == owner)

    async def keys_shown(self, owner: Principal) -> tuple[Sequence[ApiKey], int]:
        """The keys of one owner that can be read, and how many rows cannot."""
        if not owner:
            return (), 0
        skipped: list[Lost] = []
        rows = [row async for row in self._client.list_all(API_KEYS, wire.ApiKey, {"spec.owner": owner}, skipped)]
        lost = sum(bool(_puzzle(row, owner)) for row in rows)
        return tuple(_api_key(row) for row in rows if row.spec.owner.id == owner), len(skipped) + lost

    async def key_page(self, token: str) -> tuple[Sequence[ApiKey], str]:
        """Some of the organisation's keys that have an owner. Raises `NotFound` when the token has expired."""
        try:
            rows, after = await self._client.list_page(API_KEYS, wire.ApiKey, token)
        except CloudRefused as refused:
            if not token or refused.status != HTTPStatus.BAD_REQUEST:
                raise
            raise NotFound("Confluent Cloud has forgotten how far its keys were read. Begin again.") from None
        return tuple(_api_key(row) for row in rows if row.spec.owner.id), after

    async def edit_key(self, key: KeyId, name: str, description: str) -> ApiKey:
        """Change both texts and return the key as it is now.

        Raises `Unavailable` when Confluent says yes and the key has other texts, `CloudRefused` when it is gone.
        """
        path, texts = item_path(API_KEYS, key), {"display_name": name, "description": description}
        row = await self._client.patch(path, {"spec": texts}, wire.ApiKey)
        if (row.spec.display_name, row.spec.description) != (name, description):
            raise Unavailable(
                "Confluent Cloud accepted the change, but the key does not have the new texts.",
                again="Look at the key.",
                log=f"PATCH {path}: the answer has another name or description",
            )
        return _api_key(row)

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        """Delete a key for ever; False when it was gone already, or an attempt whose answer was lost deleted it.

        Raises `CloudRefused` when it is there and may not be deleted.
        """
        try:
            await self._client.delete(item_path(API_KEYS, key))
        except CloudRefused as refused:
            if refused.status not in ABSENT or key in {row.id async for row in self._listed_keys(owner, resource)}:
                raise
            await self.must_see_all()
            return False
        return True

    async def quotas(self, owner: Owner | None = None, cluster: str = "", environment: str = "") -> Sequence[Quota]:
        """The limits of the organisation, of this owner's account, and of this Kafka cluster."""
        return await quotas.applied(self._client, owner, cluster, environment)

    def _listed_keys(self, owner: Principal, resource: Resource | None = None) -> AsyncGenerator[wire.ApiKey]:
        """At least the keys of this owner for this resource."""
        filters: dict[str, str] = {"spec.owner": owner}
        if resource is not None and resource.kind not in _FILTERED_HERE:
            filters["spec.resource"] = resource.id
        return self._client.list_all(API_KEYS, wire.ApiKey, filters)


def _spec(new: NewKey) -> dict[str, object]:
    spec: dict[str, object] = {
        "display_name": new.name,
        "description": new.description,
        "owner": {"id": new.owner.id},
        "resource": reference_to(new.resource),
    }
    if new.expires_at is not None:
        spec["expires_at"] = new.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return spec


def _mismatch(row: wire.ApiKey, new: NewKey) -> str:
    """How the key differs from what was asked, for operators; "" when it does not. What is left out is as asked."""
    if row.spec.owner.id not in {"", new.owner.id}:
        return f"made for owner {row.spec.owner.id} in place of {new.owner.id}"
    if references_of(row) and not opens(row, new.resource):
        return f"made for {[each.id for each in places_of(row)]} in place of {new.resource.id}"
    return ""


def _placed(row: wire.ApiKey, owner: Principal, resource: Resource | None = None) -> wire.ApiKey:
    """The row. Raises `Unavailable` for one of ours that can neither be taken for what was asked nor for another's."""
    if problem := _puzzle(row, owner, resource):
        raise translated(
            "GET", API_KEYS, Lost(f"the answer cannot be read: {row.id} has our marker; {problem}", sent=True)
        )
    return row


def _puzzle(row: wire.ApiKey, owner: Principal, resource: Resource | None = None) -> str:
    """What of a row with our marker tells nothing, for operators; "" for all others, as Confluent's internal keys."""
    if Marker.find(row.spec.description) is None:
        return ""
    whose = row.spec.owner.id
    if whose != owner and whose.casefold() in {"", owner.casefold()}:
        return f"its owner reads {whose!r}"
    if whose != owner or resource is None or opens(row, resource):
        return ""
    # A Cloud key may name nothing, and lists that we do not have filtered hold those too.
    if not references_of(row):
        return "" if resource.kind in _FILTERED_HERE else "it names no resource"
    if all(_is_elsewhere(each, resource) for each in references_of(row)):
        return ""
    return f"its resource reads {[(place.kind, place.id) for place in places_of(row)]}"


def _is_elsewhere(reference: wire.Reference, resource: Resource) -> bool:
    """Whether what is not this resource is another one, and not this one in a spelling of its own."""
    place = place_of(reference)
    if place.id and resource.id.casefold() not in {place.id.casefold(), reference.id.casefold()}:
        return True
    return place.id == resource.id and place.kind is resource.kind is Kind.FLINK  # in another environment


def _api_key(row: wire.ApiKey) -> ApiKey:
    place = main_place(row)
    return ApiKey(
        id=KeyId(row.id),
        owner=Principal(row.spec.owner.id) if row.spec.owner.id else None,
        resource=place.id,
        name=row.spec.display_name,
        description=row.spec.description,
        created_at=row.metadata.created_at,
        kind=place.kind,
        environment=place.environment,
        expires_at=row.expires_at,
    )


def _made(row: wire.ApiKey, asked: NewKey) -> ApiKey:
    """The key that a create answered with; what the answer leaves out is as asked."""
    key = _api_key(row)
    return replace(
        key,
        owner=key.owner or asked.owner.id,
        resource=asked.resource.id,
        name=key.name or asked.name,
        description=key.description or asked.description,
        kind=asked.resource.kind,
        environment=key.environment or asked.resource.environment,
    )
