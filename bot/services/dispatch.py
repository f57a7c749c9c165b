"""From a command to the service that carries it out, by one table; whatever happens, the person reads an answer."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

from bot.domain.deadlines import due
from bot.domain.errors import LatchkeyError, Unavailable, Undeliverable
from bot.domain.keys import RequestId, SlackUserId
from bot.domain.requests import Granted, Living, Pending, Ready, Request
from bot.services import commands
from bot.services.commands import Act, CardAt, Click, Deed
from bot.services.keys.reveal import Delivery
from bot.services.messages import Publisher
from bot.services.pages import EditPage, FormPage, Page, TextPage
from bot.services.ports.slack import Notifier
from bot.services.requests.change import KeyRequests
from bot.services.requests.decide import Decisions
from bot.services.requests.submit import SENT_ALREADY, Forms
from bot.services.requests.transitions import Transitions, persistently
from bot.services.surfaces import CARD, Surface, SurfaceKind, key_of

STALE = timedelta(hours=1)
C = TypeVar("C", bound=Deed)
log = logging.getLogger("latchkey.clicks")


@dataclass(frozen=True, slots=True)
class Row(Generic[C]):
    """Who carries out one type of command, and how it is answered."""

    command: type[C]
    run: Callable[[C, Click], Awaitable[Page | str | None]]
    title: str = ""
    """The title over a sentence."""
    stands_on: SurfaceKind | None = None
    """The message with its button, where it is about a request that is there."""
    opens: bool = False
    """Whether it opens a request that has the id of its click, and so must not be carried out once that is there."""


def table(
    decisions: Decisions,
    forms: Forms,
    delivery: Delivery,
    key_requests: KeyRequests,
    keep: Callable[[commands.Keep, Click], Awaitable[Page | str | None]],
) -> tuple[Row[Any], ...]:
    """Every command that there is, each with its service."""
    rows = (  # returned at once, each would be a `Row[Any]`, which takes any service for any command
        Row(commands.Check, forms.check),
        Row(commands.Change, forms.change),
        Row(commands.Send, forms.send, "Request sent"),
        Row(commands.Edit, key_requests.edit, "Request sent", opens=True),
        Row(commands.Delete, key_requests.delete, "Request sent", opens=True),
        Row(commands.Rotate, key_requests.rotate, "Request sent", opens=True),
        Row(commands.Extend, key_requests.extend, "Request sent", opens=True),
        Row(commands.Keep, keep),
        Row(
            commands.Approve,
            lambda deed, click: decisions.for_one_decision().approve(deed, click),
            "Approved",
            SurfaceKind.CARD,
        ),
        Row(commands.Deny, decisions.deny, "Denied", SurfaceKind.CARD),
        Row(commands.Cancel, decisions.cancel, "Cancelled", SurfaceKind.ASKED),
        Row(commands.Show, delivery.show, "Not shown", SurfaceKind.KEY),
        Row(commands.Saved, delivery.saved, stands_on=SurfaceKind.KEY),
        Row(commands.Replace, delivery.replace, "Replaced", SurfaceKind.KEY),
        Row(commands.DropFormer, delivery.drop_former, "Old key", SurfaceKind.KEY),
        Row(commands.KeepFormer, delivery.keep_former, "Old key", SurfaceKind.KEY),
    )
    return rows  # noqa: RET504 - see above


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Carries clicks out and answers them."""

    rows: tuple[Row[Any], ...]
    transitions: Transitions
    notifier: Notifier
    publisher: Publisher

    async def carry_out(self, click: Click) -> None:
        """Do it and answer. Raises only what a person cannot be told, because Slack does not take the answer."""
        if self.transitions.clock() - click.at > STALE:
            return  # nobody waits for it; and an old record put back into the store must not do anything
        try:
            page = await self._answer(click)
        except LatchkeyError as error:
            level = logging.WARNING if isinstance(error, Unavailable) else logging.INFO
            about = {"click": click.id, "deed": click.deed.kind, "code": error.code, "why": str(error)}
            log.log(level, "click refused", extra=about)
            page = _apology("Not done", error.tell, click)
        except Exception:
            log.exception("click failed", extra={"click": click.id, "deed": click.deed.kind})
            page = _apology("Something went wrong", _broken(click), click)
        if page is not None:
            await self._say(click, page)

    async def _say(self, click: Click, page: Page) -> None:
        try:
            await self._reply(click, page)
        except Undeliverable:
            raise
        except Exception as error:
            is_ours = isinstance(error, LatchkeyError)
            if is_ours and not isinstance(click.deed, Act):
                raise  # a page is drawn again
            # Done once more, it would be answered with "your click changed nothing". The messages show what it did.
            why = str(error) if is_ours else type(error).__name__
            log.warning("an answer is lost", extra={"click": click.id, "why": why}, exc_info=None if is_ours else error)

    async def _reply(self, click: Click, page: Page) -> None:
        if click.reply.view is not None:
            await self.notifier.show_page(click.reply.view, _drawn(page, click), click.reply.waiting)
        elif isinstance(page, TextPage):
            await self.notifier.say(click.by, click.reply, page.text)

    async def _answer(self, click: Click) -> Page | None:
        (row,) = (each for each in self.rows if each.command is type(click.deed))
        if row.opens and await self.transitions.find(RequestId(click.id)) is not None:
            return TextPage(row.title, SENT_ALREADY)  # and what it asked for may have happened by now
        forgotten = await self._remember(row, click)
        try:
            # From the record as it is then, while others are quicker.
            answer = await persistently(lambda: row.run(click.deed, click))
        finally:
            if forgotten is not None:
                await self._bring_up_to_date(forgotten)
        return TextPage(row.title, answer) if isinstance(answer, str) else answer

    async def _remember(self, row: Row[Any], click: Click) -> RequestId | None:
        """Put the clicked message on record. Returns its request if the message was not there, as after a crash."""
        if not isinstance(click.deed, Act) or click.card is None:
            return None
        request = click.deed.request
        stored = await self.transitions.find(request)
        surface = _surface(row, click.by, click.card, stored.value) if stored else None
        return request if surface and await self.publisher.found(request, surface, click.card) else None

    async def _bring_up_to_date(self, request: RequestId) -> None:
        """Have the worker show a request again that nothing else would move; what is in flight shows itself."""
        with suppress(LatchkeyError):  # the click has its answer, and the message is on record for the next time
            stored = await self.transitions.get(request)
            if isinstance(stored.value, Pending | Ready | Living) or due(stored.value) is None:
                await self.transitions.commit(stored, stored.value)


def _drawn(page: Page, click: Click) -> Page:
    """The page as the answer to this click: a form has fields that are new to the modal, whatever stood there."""
    return replace(page, drawing=click.id[:8]) if isinstance(page, FormPage | EditPage) else page


def _surface(row: Row[Any], by: SlackUserId, card: CardAt, request: Request) -> Surface | None:
    """Which of a request's messages this is; None for one that whoever clicked would not have been sent."""
    if row.stands_on is SurfaceKind.CARD:
        is_told = isinstance(request, Pending) and any(user == by for user, _ in request.asked)
        if card.channel == request.terms.channel:
            return CARD
        return Surface(SurfaceKind.COPY, by, number=0) if is_told else None
    if row.stands_on is None or by != request.ask.requester.slack:
        return None
    if row.stands_on is SurfaceKind.KEY:
        return key_of(request.attempt if isinstance(request, Granted) else 0)
    return Surface(row.stands_on)


def _apology(title: str, text: str, click: Click) -> TextPage:
    """What went wrong, with whatever the person typed, so that nothing is lost."""
    match click.deed:
        case commands.Check():
            return TextPage(title, text, back=click.id)
        case commands.Change(draft) | commands.Send(draft):
            return TextPage(title, text, back=draft)
        case (
            commands.Deny(_, reason)
            | commands.Keep(_, reason)
            | commands.Delete(_, _, reason)
            | commands.Extend(_, reason)
        ):
            return TextPage(title, text, typed=reason)
        case commands.Edit(_, name, description) | commands.Rotate(_, name, description):
            return TextPage(title, text, typed="\n".join(filter(None, (name, description, click.deed.reason))))
        case _:
            return TextPage(title, text)


def _broken(click: Click) -> str:
    return (
        "Something went wrong inside Latchkey. It is not certain whether anything was changed: `/apikey requests` "
        f"tells. If it happens again, tell whoever runs Latchkey this reference: `{click.id}`."
    )
