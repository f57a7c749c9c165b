"""The ports to Confluent Cloud. `Inventory` only reads, so a snapshot can implement it, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.catalog import Account, Endpoints, Environment, Quota, Region, User
from bot.domain.keys import ApiKey, KeyId, Owner, Placed, Principal, Resource, Secret, ServiceAccount
from bot.domain.kinds import Kind
from bot.domain.readiness import Answer
from bot.domain.roles import Binding


class Inventory(Protocol):
    """The catalog, and who has which role. Every method may raise `Unavailable` and `CloudRefused`."""

    async def organization(self) -> str:
        """The organization's ID, as in CRNs."""
        ...

    async def own_account(self) -> Principal:
        """The owner of Latchkey's own key: nobody gets keys of that account. "" if a snapshot doesn't say."""
        ...

    async def environments(self) -> Sequence[Environment]:
        """The environments that our key can see."""
        ...

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        """The resources of one kind in one environment that aren't being deleted; none for an organization-wide kind.

        For Flink, these are the regions with a compute pool, although Flink is offered in many more.
        """
        ...

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        """All service accounts."""
        ...

    async def users(self) -> Sequence[User]:
        """All users of the organization. Confluent can't search them by email address."""
        ...

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        """This principal's role bindings, at the organization and below."""
        ...

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        """Everyone's bindings at exactly this place, compared as text.

        A pattern that matches the place isn't included.
        """
        ...

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        """Everyone's bindings below this place, including patterns."""
        ...


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be created. `description` ends with our marker; `owner` exists.

    `expires_at` is when Confluent should expire it. Confluent may ignore that, or refuse the create because of it.
    """

    owner: Owner
    resource: Resource
    name: str
    description: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A role binding with its ID at Confluent."""

    id: str
    binding: Binding


class Cloud(Inventory, Protocol):
    """Confluent Cloud. Reads, edits and deletes are retried inside; creates never are.

    Every method may raise `Unavailable` and `CloudRefused`.
    """

    async def resource(self, kind: Kind, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
        """One resource, read from Confluent; None if it doesn't exist. `environment_name` is "": ask the catalog.

        `environment` and `id_` are "" if the kind has none. A Flink region exists while Confluent offers Flink in it,
        whether or not the environment has a compute pool there.
        """
        ...

    async def regions(self) -> Sequence[Region]:
        """All regions in which Confluent offers Flink, sorted by ID."""
        ...

    async def service_account(self, account: Principal) -> ServiceAccount | None:
        """One service account, read from Confluent; None if it doesn't exist."""
        ...

    async def accounts_named(self, name: str) -> Sequence[Account]:
        """The service accounts with exactly this name: at most one, because names are unique in an organization."""
        ...

    async def create_account(self, name: str, description: str) -> Account:
        """Create a service account.

        Raises `Unknown` if the answer was lost, `CloudRefused` (409) if the name is taken.
        """
        ...

    async def describe_account(self, account: Principal, description: str) -> None:
        """Change the description of a service account. Raises `Unavailable` if Confluent didn't do it."""

    async def delete_account(self, account: Principal) -> None:
        """Delete a service account and all its keys. If it's already gone, that is fine."""

    async def bound(self, principal: Principal) -> Sequence[Bound]:
        """This principal's role bindings with their IDs, read from Confluent."""
        ...

    async def bind(self, wanted: Binding) -> Bound:
        """Create a role binding. Raises `Unknown` if the answer was lost, `CloudRefused` (409) if it exists."""
        ...

    async def unbind(self, bound: Bound) -> None:
        """Delete a role binding. If a list confirms that it's already gone, that is fine."""

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        """Create a key. Raises `Unknown` if the answer was lost, `Unavailable` if certainly nothing was created."""
        ...

    async def must_see_all(self) -> None:
        """Return only if Confluent shows us everything, so that what it doesn't list doesn't exist.

        Raises `Throttled` if it may show less, which its lists don't indicate.
        """

    async def key(self, key: KeyId) -> ApiKey | None:
        """One key, read from Confluent. None means that it isn't shown: it's gone, or we aren't allowed to see it."""
        ...

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        """The keys of one owner for one resource, filtered again on our side."""
        ...

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        """All keys of one owner."""
        ...

    async def keys_shown(self, owner: Principal) -> tuple[Sequence[ApiKey], int]:
        """The keys of one owner for display: without rows that can't be read, and how many of those there are.

        A key that is missing here may exist.
        """
        ...

    async def key_page(self, token: str) -> tuple[Sequence[ApiKey], str]:
        """One page of the organization's keys that have an owner, and the next page's token.

        The token "" gives the first page, and means that there is no next one. Rows that can't be read are left out.
        There is no order: a key may appear twice, and one created meanwhile not at all. Raises `NotFound` if the token
        has expired.
        """
        ...

    async def edit_key(self, key: KeyId, name: str, description: str) -> ApiKey:
        """Change name and description, and return the key as it is now.

        Raises `Unavailable` if Confluent didn't do it.
        """
        ...

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        """Delete a key. Returns False if it was already gone, which a list of its owner's keys has confirmed.

        Returns True also if an answer was lost, and so either this call or someone else deleted it.
        """
        ...

    async def quotas(self, owner: Owner | None = None, cluster: str = "", environment: str = "") -> Sequence[Quota]:
        """The limits of the organization and, if given, of this owner's account and of this Kafka cluster."""
        ...


class Prober(Protocol):
    """Tests a new key at the place where it will be used."""

    async def probe(self, resource: Resource, endpoints: Endpoints, key: KeyId, secret: Secret) -> Answer:
        """Use the key once, as its owner would. Never raises: a failure is an answer, too."""
        ...

    def can_probe(self, resource: Resource, endpoints: Endpoints) -> bool:
        """Whether there is an address that a secret may be sent to: HTTPS, and one of Confluent's own hosts."""
        ...
