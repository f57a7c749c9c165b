"""Rows of API keys: what a request for one says, what an answer says of it, and what of it makes no sense."""

from dataclasses import replace
from datetime import UTC

from bot.confluent import wire
from bot.confluent.failures import Lost, translated
from bot.confluent.inventory import API_KEYS
from bot.confluent.references import main_place, opens, place_of, places_of, reference_to, references_of
from bot.domain.keys import ApiKey, KeyId, Marker, Principal, Resource
from bot.services.ports.cloud import NewKey


def spec_of(new: NewKey) -> dict[str, object]:
    """The `spec` of a request for a key."""
    spec: dict[str, object] = {
        "display_name": new.name,
        "description": new.description,
        "owner": {"id": new.owner.id},
        "resource": reference_to(new.resource),
    }
    if new.expires_at is not None:
        spec["expires_at"] = new.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return spec


def mismatch(row: wire.ApiKey, new: NewKey) -> str:
    """How the key differs from what was asked, for operators; "" when it does not. What is left out is as asked."""
    if row.spec.owner.id not in {"", new.owner.id}:
        return f"made for owner {row.spec.owner.id} in place of {new.owner.id}"
    if references_of(row) and not opens(row, new.resource):
        return f"made for {[each.id for each in places_of(row)]} in place of {new.resource.id}"
    return ""


def placed(row: wire.ApiKey, owner: Principal, resource: Resource | None = None) -> wire.ApiKey:
    """The row. Raises `Unavailable` for one of ours that can neither be taken for what was asked nor for another's."""
    if problem := puzzle(row, owner, resource):
        raise translated(
            "GET", API_KEYS, Lost(f"the answer cannot be read: {row.id} has our marker; {problem}", sent=True)
        )
    return row


def puzzle(row: wire.ApiKey, owner: Principal, resource: Resource | None = None) -> str:
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
        return "" if resource.kind.row.api.lists_miss_keys else "it names no resource"
    if all(_is_elsewhere(each, resource) for each in references_of(row)):
        return ""
    return f"its resource reads {[(place.kind, place.id) for place in places_of(row)]}"


def _is_elsewhere(reference: wire.Reference, resource: Resource) -> bool:
    """Whether what is not this resource is another one, and not this one in a spelling of its own."""
    place = place_of(reference)
    if place.id and resource.id.casefold() not in {place.id.casefold(), reference.id.casefold()}:
        return True
    # A region is another resource in each environment.
    return place.id == resource.id and place.kind is resource.kind and resource.kind.row.is_regional


def api_key(row: wire.ApiKey) -> ApiKey:
    """The key of a row."""
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


def made(row: wire.ApiKey, asked: NewKey) -> ApiKey:
    """The key that a create answered with; what the answer leaves out is as asked."""
    key = api_key(row)
    return replace(
        key,
        owner=key.owner or asked.owner.id,
        resource=asked.resource.id,
        name=key.name or asked.name,
        description=key.description or asked.description,
        kind=asked.resource.kind,
        environment=key.environment or asked.resource.environment,
    )
