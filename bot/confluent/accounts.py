"""Service accounts that Latchkey makes, describes and removes."""

from collections.abc import Sequence

from bot.confluent import wire
from bot.confluent.client import item_path
from bot.confluent.inventory import ABSENT, SERVICE_ACCOUNTS, ConfluentInventory
from bot.domain.catalog import Account
from bot.domain.errors import CloudRefused, Unavailable, Unknown
from bot.domain.keys import Principal

_LOST = "Confluent Cloud's answer was lost."
_MAY_BE = "The service account may or may not exist; Latchkey is checking."


class ConfluentAccounts(ConfluentInventory):
    """Service accounts by their exact name, and changes to them."""

    async def accounts_named(self, name: str) -> Sequence[Account]:
        """The service accounts of exactly this name, on all pages: a filter that is ignored gives everything."""
        if not name:  # Confluent takes an empty filter for none
            return ()
        rows = self._client.list_all(SERVICE_ACCOUNTS, wire.ServiceAccount, {"display_name": name})
        return tuple([_account(row) async for row in rows if row.display_name == name])

    async def create_account(self, name: str, description: str) -> Account:
        """Make a service account. Raises `Unknown` also when Confluent made something other than what was asked."""
        body = {"display_name": name, "description": description}
        try:
            row = await self._client.post(SERVICE_ACCOUNTS, body, wire.ServiceAccount)
        except Unknown as lost:
            raise Unknown(_LOST, changed=_MAY_BE, log=str(lost)) from None
        if row.display_name not in {"", name}:
            log = f"POST {SERVICE_ACCOUNTS}: {row.id} has another name than was asked for"
            raise Unknown(_LOST, changed=_MAY_BE, log=log)
        return Account(Principal(row.id), name, row.description or description)

    async def describe_account(self, account: Principal, description: str) -> None:
        """Change the description. Raises `Unavailable` when Confluent says yes and does not do it."""
        path = item_path(SERVICE_ACCOUNTS, account)
        row = await self._client.patch(path, {"description": description}, wire.ServiceAccount)
        if row.description != description:
            raise Unavailable(
                "Confluent Cloud did not take the new description of the service account.",
                log=f"PATCH {path}: the answer has another description",
            )

    async def delete_account(self, account: Principal) -> None:
        """Delete a service account with all its keys; returns when it is gone, whoever deleted it.

        Raises `CloudRefused` when it is there and may not be deleted.
        """
        try:
            await self._client.delete(item_path(SERVICE_ACCOUNTS, account))
        except CloudRefused as refused:
            # Confluent says 403 for what is gone, and 404 for what we may not know: the list decides.
            if refused.status not in ABSENT:
                raise
            if account in {row.id async for row in self._client.list_all(SERVICE_ACCOUNTS, wire.ServiceAccount)}:
                raise
            await self.must_see_all()


def _account(row: wire.ServiceAccount) -> Account:
    return Account(Principal(row.id), row.display_name, row.description)
