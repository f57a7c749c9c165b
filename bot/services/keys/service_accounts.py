"""Service accounts that are created for a key: found again by name and marker, and deleted if they end up without one.

An account carries `Marker(request, 0)` at the end of its description until its key is in use and can no longer be
replaced, because the replacement has to find the account. Then it gets the description that was typed, as it does if it
stays for a key of someone else. Both that and its deletion are one item of the agenda.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from bot.domain import requests as states
from bot.domain.audit import Action
from bot.domain.catalog import Account
from bot.domain.errors import CloudRefused, Refused, plain
from bot.domain.keys import ApiKey, Marker, NewServiceAccount, Principal, RequestId, ServiceAccount
from bot.services.agenda import Item, ItemKind
from bot.services.ports.cloud import Cloud
from bot.services.requests.transitions import STRAGGLER, Transitions

MOST = 128
"""Characters of a description that Confluent accepts."""
LATER = timedelta(minutes=2)
"""When to look again at an account whose request is still in progress."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """New service accounts. All may raise `Unavailable` and `CloudRefused`."""

    transitions: Transitions
    cloud: Cloud

    async def owner_of(self, request: states.Request) -> Principal | None:
        """The owner of the request's keys; None while the account that it needs doesn't exist."""
        ask = request.ask
        if not isinstance(ask.owner, NewServiceAccount):
            return ask.owner.id
        if isinstance(request, states.Keyed) and request.key.owner:
            return request.key.owner
        ours = await self._ours(request)
        return ours.id if ours else None

    async def check(self, request: states.Approved) -> None:
        """Raise `Refused` if the name of the account to be created is taken."""
        owner = request.ask.owner
        if isinstance(owner, NewServiceAccount) and any(
            not _is_ours(each, request) for each in await self.cloud.accounts_named(owner.name)
        ):
            raise Refused(f"There's now a service account named {plain(owner.name)}. Request a key for that one.")

    async def ensure(self, working: states.Approved | states.Offered | states.Working) -> ServiceAccount | None:
        """The new account of this request, created if it doesn't exist; None if the owner is an existing one.

        Raises `Unknown` if it may have been created: the next attempt finds it by its marker.
        """
        owner = working.ask.owner
        if not isinstance(owner, NewServiceAccount):
            return None
        if (known := next((each.principal for each in working.grant.bindings if each.principal), None)) is not None:
            return ServiceAccount(known, owner.name)  # it was created before its role bindings
        made = await self._ours(working)
        if made is None:
            made = await self._make(owner, working)
        else:  # by an attempt whose answer may have been lost, and its outcome with it
            await self._made(made, working, found="it already existed")
        return ServiceAccount(made.id, made.name)

    async def settle(self, item: Item) -> datetime | None:
        """Carry out an item `ACCOUNT`: describe the account once its key is in use, or delete it.

        Returns when to look again, None for never.
        """
        request = (await self.transitions.get(RequestId(item.id))).value
        if not isinstance(request.ask.owner, NewServiceAccount):
            return None
        now = self.transitions.clock()
        if (again := waits(request, now)) is not None:
            return again
        account = await self._ours(request)
        if account is None:
            await self.cloud.must_see_all()
            return _last_look(request, now)
        if isinstance(request, states.Living | states.Retired):
            await self._describe(request.ask.owner, account, request.ask.id)
            return None
        keys = await self.cloud.keys_of(account.id)
        if any(_is_of(key, request) for key in keys):
            return now + LATER  # the key was given up, and is deleted first
        if keys:  # someone else has created one, perhaps by a rotation, so it stays
            await self._describe(request.ask.owner, account, request.ask.id)
        else:
            await self._remove(account, request.ask.id)
        return _last_look(request, now)

    async def _ours(self, request: states.Request) -> Account | None:
        owner = request.ask.owner
        found = await self.cloud.accounts_named(owner.name) if isinstance(owner, NewServiceAccount) else ()
        return next((each for each in found if _is_ours(each, request)), None)

    async def _make(self, owner: NewServiceAccount, working: states.Granted) -> Account:
        marker, request = str(Marker(working.ask.accountable, 0)), working.ask.id
        description = f"{owner.description[: MOST - len(marker) - 1]} {marker}".strip()
        await self.transitions.record(Action.ACCOUNT_INTENDED, request, name=owner.name, marker=marker)
        try:
            made = await self.cloud.create_account(owner.name, description)
        except CloudRefused as refused:
            # An earlier attempt that was given up may have succeeded since: then the taken name is ours.
            ours = await self._ours(working) if refused.status == HTTPStatus.CONFLICT else None
            if ours is None:
                raise
            made = ours
        await self._made(made, working)
        return made

    async def _made(self, made: Account, working: states.Granted, **found: str) -> None:
        about = {"account": str(made.id), "name": made.name, "marker": str(Marker(working.ask.accountable, 0))}
        await self.transitions.record(Action.ACCOUNT_CREATED, working.ask.id, **about, **found)

    async def _describe(self, owner: NewServiceAccount, account: Account, request: RequestId) -> None:
        await self.transitions.record(Action.ACCOUNT_EDIT_INTENDED, request, account=account.id)
        await self.cloud.describe_account(account.id, owner.description)
        await self.transitions.record(Action.ACCOUNT_EDITED, request, account=account.id)

    async def _remove(self, account: Account, request: RequestId) -> None:
        await self.transitions.record(Action.ACCOUNT_DELETE_INTENDED, request, account=account.id, name=account.name)
        await self.cloud.delete_account(account.id)
        await self.transitions.record(Action.ACCOUNT_DELETED, request, account=account.id, name=account.name)


def settlement(request: states.Request, at: datetime) -> Mapping[Item, datetime]:
    """The items that settle the request's new account and role bindings, and when; empty if it creates none.

    The account of a pair is settled by the request that was approved.
    """
    kinds = [ItemKind.ACCOUNT] if isinstance(request.ask.owner, NewServiceAccount) else []
    kinds += [ItemKind.BINDINGS] if request.ask.bindings else []
    return {Item(kind, request.ask.accountable): at for kind in kinds}


def _is_ours(account: Account, request: states.Request) -> bool:
    return Marker.find(account.description) == Marker(request.ask.accountable, 0)


def _is_of(key: ApiKey, request: states.Request) -> bool:
    marker = Marker.find(key.description)
    return marker is not None and marker.request in request.ask.keys_marked


def _last_look(request: states.Request, now: datetime) -> datetime | None:
    """When to look once more for an account that doesn't exist, or was deleted.

    One whose answer was lost may show up late, and a process that was paused may create another one of the same name.
    """
    last = request.at + STRAGGLER if isinstance(request, states.Failed) else now
    return last if last > now else None


def waits(request: states.Request, now: datetime) -> datetime | None:
    """When to look again while a key of this request may still appear or has to be deleted; None once it's settled."""
    match request:
        case states.Approved() | states.Offered() | states.Working() | states.Ready() | states.Revealing():
            return now + LATER
        case states.Shown() | states.Confirmed() | states.Undelivered() if now < request.grant.fresh_until:
            return request.grant.fresh_until
        case states.Undelivered() | states.Unclaimed() if request.deleted_at is None:
            return now + LATER
        case _:
            return None
