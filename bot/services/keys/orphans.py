"""Keys at Confluent that carry a request's marker: finding them, and deleting them with an intent on record."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.audit import Action, Event
from bot.domain.deadlines import CLOCKS_APART
from bot.domain.keys import ApiKey, Marker
from bot.domain.requests import Keyed, Request
from bot.services.keys.service_accounts import Accounts
from bot.services.ports.cloud import Cloud
from bot.services.requests.transitions import Transitions


@dataclass(frozen=True, slots=True)
class Orphans:
    """What attempts at making a key left at Confluent. All may raise `Unavailable` and `CloudRefused`."""

    transitions: Transitions
    cloud: Cloud
    accounts: Accounts

    async def of(self, request: Request) -> Sequence[ApiKey]:
        """Keys that carry this request's marker, of any attempt.

        A marker is text that anybody may write into another key: one that is older than the request is none of its own.
        """
        owner = await self.accounts.owner_of(request)
        keys = await self.cloud.keys(owner, request.ask.resource) if owner else ()
        since = request.ask.asked_at - CLOCKS_APART
        marked = (key for key in keys if (found := Marker.find(key.description)) and found.request == request.ask.id)
        return [key for key in marked if key.created_at is None or key.created_at >= since]

    async def delete(self, request: Request, *keys: ApiKey) -> None:
        """Delete these keys of the request's owner and resource, one after the other."""
        for key in keys:
            await self.intend(request, key)
            await self.transitions.append(await self.delete_intended(request, key))

    async def intend(self, request: Request, key: ApiKey) -> None:
        """Have it on record that this key is to be deleted.

        Once for all tries: one that Confluent does not let us delete is tried for days, and the audit log is kept.
        """
        await self.transitions.record(Action.DELETE_INTENDED, request.ask.id, key=key.id)

    async def delete_intended(self, request: Request, key: ApiKey) -> Event:
        """Delete a key of which `intend` has spoken; returns the outcome for the audit log.

        A request that has the key on record writes it together with its next state: of several tries, by several
        processes, one gets there, and a deletion has one outcome.
        """
        await self.cloud.delete_key(key.id, key.owner or request.ask.owner.id, request.ask.resource)
        return self.transitions.event(Action.DELETED, request.ask.id, key=key.id)

    async def disown(self, request: Request, key: ApiKey) -> None:
        """Delete a key that could not be recorded: its attempt was taken for dead, or its request is gone altogether.

        Or it was recorded, the answer was lost, and others went on from there: then its requester may have it.
        """
        stored = await self.transitions.find(request.ask.id)
        if not (stored and isinstance(stored.value, Keyed) and stored.value.key.id == key.id):
            await self.delete(request, key)


def attempt_of(key: ApiKey) -> int:
    """The attempt that made this key; 0 when it carries no marker."""
    found = Marker.find(key.description)
    return found.attempt if found else 0
