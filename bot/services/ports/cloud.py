"""What the services need of Confluent Cloud. `Inventory` is reads alone, so that a snapshot can answer them too."""

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
    """What there is, and who holds what there. Every method may raise `Unavailable` and `CloudRefused`."""

    async def organization(self) -> str:
        """The organization's id, as CRNs carry it."""
        ...

    async def own_account(self) -> Principal:
        """Whose key Latchkey itself uses: nobody gets keys of that account. "" where a snapshot does not tell."""
        ...

    async def environments(self) -> Sequence[Environment]:
        """Environments that our key may see."""
        ...

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        """The resources of one kind in one environment that are not being deleted; none of an organization-wide kind.

        Of Flink, the regions with a compute pool; Flink itself is offered in many more.
        """
        ...

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        """All service accounts."""
        ...

    async def users(self) -> Sequence[User]:
        """All users of the organization; there is no search by e-mail."""
        ...

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        """Everything bound to this principal, at the organization and below."""
        ...

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings at exactly this place, which is compared as text: patterns that match it are others."""
        ...

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings anywhere below this place, patterns among them."""
        ...


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made. `description` ends with our marker; `owner` exists.

    `expires_at` is when Confluent is asked to end it, which it may ignore, or refuse the create for.
    """

    owner: Owner
    resource: Resource
    name: str
    description: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A role binding with the id that Confluent gave it."""

    id: str
    binding: Binding


class Cloud(Inventory, Protocol):
    """Confluent Cloud. Reads, edits and deletes are retried inside; a create never is.

    All may raise `Unavailable` and `CloudRefused`.
    """

    async def resource(self, kind: Kind, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
        """One resource read afresh; None when it is gone. `environment_name` is "": ask the catalog.

        `environment` and `id_` are "" where the kind has none. A Flink region is there while Confluent offers Flink
        in it, whether or not a compute pool of that environment uses it.
        """
        ...

    async def regions(self) -> Sequence[Region]:
        """All regions in which Confluent offers Flink, by id."""
        ...

    async def service_account(self, account: Principal) -> ServiceAccount | None:
        """One service account read afresh; None when it is gone."""
        ...

    async def accounts_named(self, name: str) -> Sequence[Account]:
        """The service accounts of exactly this name: one at most, for names are unique in an organization."""
        ...

    async def create_account(self, name: str, description: str) -> Account:
        """Make a service account. Raises `Unknown` when the answer was lost, `CloudRefused` (409) for a taken name."""
        ...

    async def describe_account(self, account: Principal, description: str) -> None:
        """Change the description of a service account."""

    async def delete_account(self, account: Principal) -> None:
        """Delete a service account, and with it all its keys. One that is gone counts as deleted."""

    async def bound(self, principal: Principal) -> Sequence[Bound]:
        """Everything bound to this principal, read afresh, with ids."""
        ...

    async def bind(self, wanted: Binding) -> Bound:
        """Create a role binding. Raises `Unknown` when the answer was lost, `CloudRefused` (409) where there is one."""
        ...

    async def unbind(self, bound: Bound) -> None:
        """Delete a role binding. One that is gone counts as deleted, which a list has confirmed."""

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        """Make a key. Raises `Unknown` when the answer was lost, `Unavailable` when surely nothing was made."""
        ...

    async def must_see_all(self) -> None:
        """Return when Confluent shows us everything: then what it does not list is not there.

        Raises `Throttled` when it may show less, which it does without a sign.
        """

    async def key(self, key: KeyId) -> ApiKey | None:
        """One key read afresh. None says that Confluent does not show it: it is gone, or it is not ours to see."""
        ...

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        """The keys of one owner for one resource, filtered again on our side."""
        ...

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        """All keys of one owner."""
        ...

    async def keys_shown(self, owner: Principal) -> tuple[Sequence[ApiKey], int]:
        """The same for people to look at: without rows that cannot be read, and how many these are.

        What is missing here may be there all the same.
        """
        ...

    async def key_page(self, token: str) -> tuple[Sequence[ApiKey], str]:
        """Some of the organization's keys that have an owner, and the token of what follows; "" begins, and ends.

        Without rows that cannot be read. In no order; a key may show twice, and one made meanwhile not at all. Raises
        `NotFound` when the token has expired.
        """
        ...

    async def edit_key(self, key: KeyId, name: str, description: str) -> ApiKey:
        """Change both texts and return the key as it is now. Raises `Unavailable` when Confluent did not take them."""
        ...

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        """Delete a key for ever. False when it was gone already, which a list of its owner's keys has confirmed.

        True also when an answer was lost, and so this call or someone else deleted it.
        """
        ...

    async def quotas(self, owner: Owner | None = None, cluster: str = "", environment: str = "") -> Sequence[Quota]:
        """The limits that apply to the organization; to this owner's account; and to this Kafka cluster, if named."""
        ...


class Prober(Protocol):
    """Trying a new key where it is going to be used."""

    async def probe(self, resource: Resource, endpoints: Endpoints, key: KeyId, secret: Secret) -> Answer:
        """Use the key once, as its owner would. Never raises: what went wrong is an answer, too."""
        ...

    def can_probe(self, resource: Resource, endpoints: Endpoints) -> bool:
        """Whether there is an address that a secret may be sent to: https, and one of Confluent's own hosts."""
        ...
