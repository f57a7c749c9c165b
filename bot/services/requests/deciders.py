"""Checks, at every click, whether a person may decide or ask about a waiting request.

Each method returns what it found, or raises `Refused` with a sentence for the person.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

from bot.domain.audit import Action
from bot.domain.authority import HeldRoles
from bot.domain.decision import refusal
from bot.domain.errors import Conflict, Refused, plain
from bot.domain.requests import Expired, Pending, Request
from bot.services.catalog.cache import CatalogCache
from bot.services.commands import Approve, Cancel, Click, Deny, Question, Reply
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Stored
from bot.services.requests.refusals import Refusals
from bot.services.requests.transitions import Transitions
from bot.services.text import decided, deciders

Decision = Approve | Deny | Cancel | Question | Reply
_VERBS = {Approve: "approve", Deny: "deny", Cancel: "cancel", Question: "ask about", Reply: "reply about"}


@dataclass(frozen=True, slots=True)
class Deciders:
    """Admits people to a request, and records whom it refuses."""

    transitions: Transitions
    directory: Directory
    cloud: Cloud
    refusals: Refusals
    catalog: CatalogCache

    def for_one_decision(self) -> "Deciders":
        """See `Directory.for_one_decision`."""
        return replace(self, directory=self.directory.for_one_decision())

    async def waiting(self, deed: Decision, click: Click) -> tuple[Stored[Request], Pending]:
        """The request, while it waits for a decision. Raises `Refused` otherwise."""
        stored = await self.transitions.get(deed.request)
        pending = stored.value
        if not isinstance(pending, Pending):
            # The same click may be carried out once more after a crash; then its person did decide.
            more = " more" if click.by in deciders(pending) else ""
            kept = f"Your click changed nothing{more}." if isinstance(deed, Approve | Deny) else _kept(deed)
            raise Refused(f"{called(pending)}: {decided(pending)} {kept}")
        await self.still_open(stored, pending, deed)
        return stored, pending

    async def admit(self, deed: Decision, click: Click) -> tuple[Stored[Request], Pending, HeldRoles]:
        """The request, and the roles of the person, who may decide about it now. Raises `Refused` otherwise."""
        stored, pending = await self.waiting(deed, click)
        try:
            held_roles = await self.directory.held_roles(await self.directory.identify(click.by, click.team))
        except Refused as error:
            await self.refuse(deed, pending, click, error.tell)
        if (reason := refusal(pending.ask, held_roles, await self.catalog.names())) is not None:
            await self.refuse(deed, pending, click, plain(reason))
        return stored, pending, held_roles

    async def refuse(self, deed: Decision, pending: Pending, click: Click, reason: str, rule: str = "") -> NoReturn:
        """Record the refusal, and raise `Refused`; or `Throttled`, while Confluent may be hiding roles from us."""
        await self.cloud.must_see_all()  # otherwise, Confluent may only be hiding roles from us
        details = {"reason": reason, "rule": rule or pending.terms.rule, "policy": self.directory.policy().digest}
        await self.refusals.record(Action.APPROVAL_REFUSED, pending.ask.id, click, tried=deed.kind, **details)
        raise Refused(f"You can't {_VERBS[type(deed)]} {called(pending)}. {reason} {_kept(deed)}")

    async def still_open(self, stored: Stored[Request], pending: Pending, deed: Decision) -> None:
        """Raise `Refused` if the time to decide has passed, whether or not the worker has noticed."""
        if self.transitions.clock() < pending.expires_at:
            return
        expired = pending.then(Expired, at=pending.expires_at, approvals=pending.approvals)
        with suppress(Conflict):  # someone else ended it in the same instant, and the card says so
            await self.transitions.commit(stored, expired, self.transitions.event(Action.EXPIRED, pending.ask.id))
        kept = "Your click changed nothing." if isinstance(deed, Approve | Deny | Cancel) else _kept(deed)
        raise Refused(f"{called(pending)} has expired because no one decided in time. {kept}")


def called(request: Request) -> str:
    """The name of a request, in mrkdwn."""
    name = plain(" ".join(request.ask.name.split()))
    return f"“{name}”" if name else "this request"


def _kept(deed: Decision) -> str:
    return "Nothing was sent." if isinstance(deed, Question | Reply) else "Nothing changed."
