"""The part of Confluent's Console that the sandbox needs: what people see and do there without Latchkey."""

from typing import TypedDict

from sandbox.confluent.model import ApiKey
from sandbox.confluent.organization import Organization

MOST = 25


class Row(TypedDict):
    """One key in the Console's list. `owner` and `resource` are names, or IDs if there is no name."""

    id: str
    name: str
    description: str
    owner: str
    owner_id: str
    resource: str
    days: int


class Listing(TypedDict):
    """The newest keys found, and how many there are in total."""

    keys: list[Row]
    found: int


def listing(organization: Organization, query: str = "") -> Listing:
    """Keys that contain every word of `query`, in upper or lower case. Confluent's own keys are left out."""
    words = query.casefold().split()
    organization.expire_keys()
    rows = [_row(organization, key) for key in reversed(organization.api_keys.values()) if key.owner]
    found = [row for row in rows if all(word in " ".join(map(str, row.values())).casefold() for word in words)]
    newest = sorted(found, key=lambda row: row["days"])
    return Listing(keys=newest[:MOST], found=len(found))


def act(organization: Organization, do: str, key_id: str, name: str = "") -> None:
    """Delete a key, rename it, or delete its owner and all their keys. Raises ValueError if that isn't possible."""
    organization.expire_keys()
    key = organization.api_keys.get(key_id)
    if key is None:
        raise ValueError(f"Key {key_id} no longer exists.")
    match do:
        case "delete":
            organization.delete_key(key.id)
        case "rename":
            key.name, key.updated_at = name, organization.clock()
        case "delete owner" if key.owner in {**organization.users, **organization.service_accounts}:
            organization.remove_principal(str(key.owner))
        case _:
            raise ValueError(f"The sandbox can't do this to {key_id}: {do}.")


def _row(organization: Organization, key: ApiKey) -> Row:
    return Row(
        id=key.id,
        name=key.name,
        description=key.description,
        owner=_owner(organization, str(key.owner)),
        owner_id=str(key.owner),
        resource=_resource(organization, key),
        days=(organization.clock() - key.created_at).days,
    )


def _owner(organization: Organization, id_: str) -> str:
    if user := organization.users.get(id_):
        return user.full_name
    account = organization.service_accounts.get(id_)
    return account.name if account else id_


def _resource(organization: Organization, key: ApiKey) -> str:
    id_ = key.resource.id
    lists = (organization.kafka_clusters, organization.ksql_clusters, organization.plain_clusters)
    return next((clusters[id_].name for clusters in lists if id_ in clusters), id_)
