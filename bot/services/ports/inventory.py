"""What there is at Confluent Cloud and who holds what there: reads alone, so that a snapshot can answer them too."""

from collections.abc import Sequence
from typing import Protocol

from bot.domain.catalog import Environment, User
from bot.domain.keys import Placed, Principal, ServiceAccount
from bot.domain.kinds import Kind
from bot.domain.roles import Binding


class Inventory(Protocol):
    """Reads of an organisation. Every method may raise `Unavailable` and `CloudRefused`."""

    async def organization(self) -> str:
        """The organisation's id, as CRNs carry it."""
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
        """All users of the organisation; there is no search by e-mail."""
        ...

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        """Everything bound to this principal, at the organisation and below."""
        ...

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings at exactly this place, which is compared as text: patterns that match it are others."""
        ...

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings anywhere below this place, patterns among them."""
        ...
