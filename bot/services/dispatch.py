"""From a command to the service that carries it out, by one table. Whatever happens, the person gets an answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from bot.domain.deadlines import due, glass_of
from bot.domain.errors import (
    CloudRefused,
    LatchkeyError,
    Newer,
    NotFound,
    Occupied,
    Refused,
    Unavailable,
    Undeliverable,
    Unknown,
    plain,
)
from bot.domain.keys import RequestId, SlackUserId
from bot.domain.leaks.report import COUNTS_FOR
from bot.domain.requests import Granted, Living, Pending, Ready, Request
from bot.services import commands
from bot.services.agenda import must_hold
from bot.services.commands import Act, CardAt, Click, Deed
from bot.services.keys.reveal import PRESENT, Delivery
from bot.services.leaks.report import LeakReports
from bot.services.messages import Publisher
from bot.services.pages import EditPage, FormPage, Page, TextPage
from bot.services.ports.slack import Notifier
from bot.services.ports.store import Cache, Inbox
from bot.services.requests import deciders
from bot.services.requests.change import KeyRequests
from bot.services.requests.conversation import Conversations
from bot.services.requests.decide import Decisions
from bot.services.requests.submit import SENT_ALREADY, Forms
from bot.services.requests.transitions import Transitions, backoff, persistently
from bot.services.review.run import Reviews
from bot.services.surfaces import CARD, Surface, SurfaceKind, key_of
from bot.services.text import called, when

STALE = timedelta(hours=1)
"""How long a click is worth carrying out, if it isn't about a request with a deadline."""
WITHIN = 40.0
"""Seconds for one try, less than the worker allows for an item."""
NEWER_WITHIN = timedelta(seconds=30)
"""How long a click about something that a newer version wrote waits for a process of that version."""
C = TypeVar("C", bound=Deed)
log = logging.getLogger("latchkey.clicks")


@dataclass(frozen=True, slots=True)
class Route(Generic[C]):
    """The service that carries out one type of command, and how it's answered."""

    command: type[C]
    run: Callable[[C, Click], Awaitable[Page | str | None]]
    title: str = ""
    """The title above a sentence."""
    stands_on: SurfaceKind | None = None
    """The message with its button, if it's about an existing request."""
    opens: Callable[[C, Click], str] | None = None
    """The ID of the request that it opens. Once that exists, it isn't carried out again."""


def table(
    decisions: Decisions,
    conversations: Conversations,
    forms: Forms,
    delivery: Delivery,
    key_requests: KeyRequests,
    reviews: Reviews,
    leak_reports: LeakReports,
) -> tuple[Route[Any], ...]:
    """Every command, with its service."""
    rows = (  # returned at once, each would be a `Route[Any]`, which takes any service for any command
        Route(commands.Check, forms.check),
        Route(commands.Back, forms.back),
        Route(commands.Send, forms.send, "Create an API key", opens=lambda deed, _: deed.draft),
        Route(commands.Glass, forms.glass),
        Route(commands.UseGlass, forms.use_glass, "Break-glass used", opens=lambda deed, _: deed.draft),
        Route(commands.Judge, decisions.judge, "Reviewed", SurfaceKind.CARD),
        Route(commands.Edit, key_requests.edit, "Edit API key", opens=_of_click),
        Route(commands.Delete, key_requests.delete, "Delete API key", opens=_of_click),
        Route(commands.Rotate, key_requests.rotate, "Rotate API key", opens=_of_click),
        Route(commands.Extend, key_requests.extend, "Extend API key", opens=_of_click),
        Route(commands.Keep, reviews.keep),
        Route(commands.KeepShown, reviews.keep_shown),
        Route(commands.ReportLeak, leak_reports.report, "Leaked API key"),
        Route(commands.FoundLeak, leak_reports.found),
        Route(
            commands.Approve,
            lambda deed, click: decisions.for_one_decision().approve(deed, click),
            "Approved",
            SurfaceKind.CARD,
        ),
        Route(commands.Deny, decisions.deny, "Denied", SurfaceKind.CARD),
        Route(commands.Cancel, decisions.cancel, "Cancelled", SurfaceKind.ASKED),
        Route(commands.Question, conversations.ask, "Question sent", SurfaceKind.CARD),
        Route(commands.Reply, conversations.reply, "Reply sent", SurfaceKind.QUESTION),
        Route(commands.Show, delivery.show, "Not shown", SurfaceKind.KEY),
        Route(commands.Saved, delivery.saved, stands_on=SurfaceKind.KEY),
        Route(commands.Replace, delivery.replace, "Replaced", SurfaceKind.KEY),
        Route(commands.DropFormer, delivery.drop_former, "Old key", SurfaceKind.KEY),
        Route(commands.KeepFormer, delivery.keep_former, "Old key", SurfaceKind.KEY),
        Route(commands.RemoveAccess, delivery.remove_access, "Remove access", SurfaceKind.KEY),
    )
    return rows  # noqa: RET504 - see above


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Carries clicks out and answers them."""

    rows: tuple[Route[Any], ...]
    transitions: Transitions
    notifier: Notifier
    publisher: Publisher
    inbox: Inbox
    cache: Cache
    on_home: Callable[[SlackUserId, str], Awaitable[None]]
    """Redraws a person's Home with this sentence on it."""
    ended: Callable[[str, str], None] = lambda _deed, _outcome: None
    """Called with every click that was tried: the deed, and `done`, `refused`, `retried` later, or `failed`."""

    async def carry_out(self, click: Click) -> datetime | None:
        """Carry out the click and answer it. Returns when to continue after a temporary failure, None if it's done.

        Raises if no page could be drawn for the answer: then it's carried out again. Also raises if another process
        took it over: that one answers.
        """
        extra, outcome = {"click": click.id, "deed": click.deed.kind}, "done"
        try:
            async with asyncio.timeout(WITHIN):
                page = await self._outcome(click)
        except (Unavailable, Unknown, TimeoutError) as error:
            await must_hold()
            passing = error if isinstance(error, LatchkeyError) else Unavailable(_SLOW, again="Try again in a minute.")
            log.warning("click failed temporarily", extra={**extra, "code": passing.code, "why": str(passing)})
            if not isinstance(click.deed, commands.Check | commands.Back | commands.Glass):
                return await self._later(click, passing)
            # The person sits in front of the form.
            page, outcome = _apology("Couldn't do that", passing.tell, click), "failed"
        except LatchkeyError as error:
            if isinstance(error, Newer) and self.transitions.clock() - click.at < NEWER_WITHIN:
                raise  # a process of that version may take it
            log.info("click refused", extra={**extra, "code": error.code, "why": str(error)})
            page, outcome = _apology("Couldn't do that", error.tell, click), "refused"
        except Exception:
            log.exception("click failed", extra=extra)
            page, outcome = _apology("Something went wrong", _broken(click), click), "failed"
        if page is not None:
            await must_hold()  # of two answers, the second one would say that the click changed nothing
        if not click.answer:  # otherwise, it ended before, and only its answer is sent again
            self.ended(click.deed.kind, outcome)
        return None if page is None else await self._say(click, page)

    async def _outcome(self, click: Click) -> Page | None:
        now = self.transitions.clock()
        if click.answer:
            return TextPage(*click.answer)
        if now > (click.until or click.at + _worth(click)):
            # An old record put back into the store does nothing, either.
            return _apology(
                "Couldn't do that", f"Latchkey couldn't act on your click from {when(click.at)} in time. {_LOOK}", click
            )
        if isinstance(click.deed, _DECISIONS) and await self._has_newer(click.deed, click):
            return TextPage(
                "Couldn't do that", "You decided on this request again after that click. Your later decision counts."
            )
        return await self._answer(click)

    async def _has_newer(self, deed: commands.Approve | commands.Deny, click: Click) -> bool:
        """Whether the person decided about this request again. Noted before the deed: an older click may wait."""
        word, now = f"last-word:{deed.request}:{click.by}", self.transitions.clock()
        last = await self.cache.get(word, datetime)
        if last is not None and last[0] > click.at:
            return True
        until = click.until or await self._deadline(click)
        if (last is None or last[0] < click.at) and until > now:
            await self.cache.put(word, click.at, datetime, now=now, keep=until - now)
        return False

    async def _later(self, click: Click, error: LatchkeyError) -> datetime | None:
        """Keep the click for another try before its request's deadline, and tell the person so, once."""
        now, until = self.transitions.clock(), click.until or await self._deadline(click)
        again = now + backoff(click.tries, error)
        said = " ".join(filter(None, (error.happened, error.changed, error.advice)))
        is_over = again >= until
        self.ended(click.deed.kind, "failed" if is_over else "retried")
        if is_over:
            return await self._say(
                click, _apology("Couldn't do that", f"{said} Latchkey has stopped trying. {_LOOK}", click)
            )
        await self.inbox.keep(replace(click, tries=click.tries + 1, until=until), until - now, again)
        if not click.tries:
            with suppress(LatchkeyError):  # Slack itself may be down; the outcome is told in any case
                trying = f"Latchkey will keep trying{await self._to_decide(click)}"
                keeps = f"{trying} until {when(until)} and tell you how it ends."
                page = _apology("Still trying", f"{said} {keeps}", click)
                # A message gets no `Back`: it would start a second request next to the one that is tried again.
                await self._reply(click, page if click.reply.view else replace(page, back=""))
        return again

    async def _to_decide(self, click: Click) -> str:
        """What is tried, by the request's name: several such answers may stand below each other."""
        deed = click.deed
        stored = await self.transitions.find(deed.request) if isinstance(deed, _DECISIONS) else None
        return f" to {deed.kind} {deciders.called(stored.value)}" if stored else ""

    async def _deadline(self, click: Click) -> datetime:
        """Until when a click is worth another try."""
        if isinstance(click.deed, commands.Show):
            return click.at + PRESENT
        stored = await self.transitions.find(click.deed.request) if isinstance(click.deed, Act) else None
        return stored.value.expires_at if stored and isinstance(stored.value, Pending) else click.at + _worth(click)

    async def _say(self, click: Click, page: Page) -> datetime | None:
        """Answer the click. What Slack doesn't accept now is kept, and then only said again."""
        now, extra = self.transitions.clock(), {"click": click.id}
        try:
            await self._reply(click, page)
        except LatchkeyError as error:
            if isinstance(error, Undeliverable) and error.lasting:
                log.warning("couldn't reach the person who clicked", extra={**extra, "why": error.reason})
                return None
            if not isinstance(page, TextPage):
                raise  # it's drawn again, with what is true by then
            until, again = click.until if click.answer else None, now + backoff(click.tries, error)
            until = until or now + STALE
            if again >= until:
                log.warning("couldn't answer a click", extra={**extra, "why": str(error)})
                return None
            answer = (page.title, page.text, page.back, page.typed, page.anyway)
            kept = replace(click, answer=answer, until=until, tries=click.tries + 1)
            await self.inbox.keep(kept, until - now, again)
            return again
        except Exception:
            log.warning("couldn't answer a click", extra=extra, exc_info=True)
        return None

    async def _reply(self, click: Click, page: Page) -> None:
        if click.by == commands.NO_ONE:
            return
        if click.reply.home and isinstance(page, TextPage) and not click.tries:
            await self._answer_on_home(click, page)
            return
        if click.reply.view is not None:
            await self.notifier.show_page(click.reply.view, _drawn(page, click), click.reply.waiting)
            if not click.tries:
                return
        # The person who was told to wait may have closed the modal, or left Home.
        if isinstance(page, TextPage):
            await self.notifier.say(click.by, click.reply, page)
        elif click.reply.view is not None:
            await self.notifier.say(click.by, click.reply, TextPage("Couldn't do that", _NEEDS_YOU))

    async def _answer_on_home(self, click: Click, page: TextPage) -> None:
        """Show a result on Home. Anything else opens as a modal, or is shown on Home once its trigger is too old."""
        is_result = any(row.command is type(click.deed) and row.title == page.title for row in self.rows)
        said = page.text
        if not is_result:
            with suppress(Undeliverable):
                await self.notifier.open_page(click.reply.home, page)
                said = ""
        await self.on_home(click.by, said)

    async def _answer(self, click: Click) -> Page | None:
        is_told = isinstance(click.deed, commands.Send) and click.reply.view is None
        if isinstance(click.deed, commands.Anyway):
            held = await self.inbox.get(click.deed.click)
            if held is None or (held.by, held.team) != (click.by, click.team):
                raise NotFound("This page has expired. Nothing was sent. Start again.")
            click = replace(held, anyway=True, at=click.at, reply=click.reply)
        (row,) = (each for each in self.rows if each.command is type(click.deed))
        already = None if is_told else TextPage(row.title, SENT_ALREADY)  # a closed modal has its message instead
        if await self._is_sent(row, click):
            return already  # and what it asked for may have happened already
        forgotten = await self._remember(row, click)
        try:
            # From the record as it is then, while others are quicker.
            answer = await persistently(lambda: row.run(click.deed, click))
        except Occupied as error:
            return await self._offer_another(click, error.requests[0])
        except (Refused, NotFound, CloudRefused):
            if await self._is_sent(row, click):
                return already
            raise
        finally:
            if forgotten is not None:
                await self._bring_up_to_date(forgotten)
        if isinstance(answer, EditPage | FormPage) and await self._is_sent(row, click):
            return already
        if isinstance(answer, FormPage) and click.reply.view is None:
            return _not_sent(answer, click)
        return TextPage(row.title, answer) if isinstance(answer, str) else answer

    async def _is_sent(self, row: Route[Any], click: Click) -> bool:
        """Whether the request of this click exists, as when two processes carry out a double click at once.

        Then its own effect may be what keeps it from being carried out: a key that was changed, a name that is taken.
        """
        return (
            row.opens is not None and await self.transitions.find(RequestId(row.opens(click.deed, click))) is not None
        )

    async def _offer_another(self, click: Click, request: RequestId) -> Page:
        """Show the open request instead of a second one. The click is kept, to be carried out anyway if wanted."""
        held = replace(click, reply=replace(click.reply, waiting=f"{commands.HELD}{click.id}"))
        draft = click.deed.draft if isinstance(click.deed, commands.Send) else ""
        await self.inbox.keep(held, STALE)
        found = (await self.transitions.get(request)).value
        state = "waiting for approval" if isinstance(found, Pending) else "being carried out"
        what = f"“{plain(found.ask.name)}”, sent {when(found.ask.asked_at)}, is {state}"
        text = f"You already have an open request for this: {what}. Nothing else was sent. `/apikey requests` lists it."
        return TextPage("Already requested", text, back=draft, anyway=held.name)

    async def _remember(self, row: Route[Any], click: Click) -> RequestId | None:
        """Record the clicked message. Returns its request if the message was unknown, as after a crash."""
        if not isinstance(click.deed, Act) or click.card is None:
            return None
        request = click.deed.request
        stored = await self.transitions.find(request)
        surface = _surface(row, click.by, click.card, stored.value) if stored else None
        return request if surface and await self.publisher.found(request, surface, click.card) else None

    async def _bring_up_to_date(self, request: RequestId) -> None:
        """Have the worker redraw a request that nothing else would move; one in progress redraws itself."""
        with suppress(LatchkeyError):  # the click has its answer, and the message is on record for the next time
            stored = await self.transitions.get(request)
            if isinstance(stored.value, Pending | Ready | Living) or due(stored.value) is None:
                await self.transitions.commit(stored, stored.value)


def _worth(click: Click) -> timedelta:
    """How long a click is worth carrying out: longer if no one clicked, because no one would read that it failed."""
    return COUNTS_FOR if click.by == commands.NO_ONE else STALE


def _of_click(_: Deed, click: Click) -> str:
    return click.id


def _drawn(page: Page, click: Click) -> Page:
    """The page as the answer to this click. The fields of a form get new IDs, so that Slack puts no old input there."""
    return replace(page, drawing=click.id[:8]) if isinstance(page, FormPage | EditPage) else page


def _surface(row: Route[Any], by: SlackUserId, card: CardAt, request: Request) -> Surface | None:
    """Which of a request's messages this is; None for one that the person who clicked would never have received."""
    if row.stands_on is SurfaceKind.CARD:
        if card.channel == request.terms.channel:
            return CARD
        glass = glass_of(request)
        told = {user for user, _ in request.asked} if isinstance(request, Pending) else set[str]()
        told |= {reader for reader, _ in glass.readers} if glass else set()
        reader = next((each for each in (card.channel, by) if each in told), None)
        return Surface(SurfaceKind.COPY, SlackUserId(reader), number=0) if reader else None
    if row.stands_on is None or by != request.ask.requester.slack:
        return None
    if row.stands_on is SurfaceKind.KEY:
        return key_of(request.attempt if isinstance(request, Granted) else 0)
    return Surface(row.stands_on)


def _not_sent(form: FormPage, click: Click) -> TextPage:
    """The form as a message for someone who closed it: what is wrong, and the button that reopens it."""
    why = " ".join(plain(each) for each in form.problems.values())
    draft = click.deed.draft if isinstance(click.deed, commands.Send) else ""
    place = [called(form.resource)] if form.resource and form.resource.id else []
    place += [form.environment.name or form.environment.id] if form.environment else []
    for_what = f" for {plain(' in '.join(place))}" if place else ""
    return TextPage(
        "Not sent", f"⚠️ Your request “{plain(form.draft.name.strip())}”{for_what} wasn't sent. {why}", back=draft
    )


def _apology(title: str, text: str, click: Click) -> TextPage:
    """What failed, with everything the person typed, so nothing is lost."""
    match click.deed:
        case commands.Check():
            return TextPage(title, text, back=click.id)
        case commands.Back(draft) | commands.Send(draft) | commands.Glass(draft):
            return TextPage(title, text, back=draft)
        case commands.UseGlass(draft, why):
            return TextPage(title, text, back=draft, typed=why)
        case (
            commands.Deny(_, reason)
            | commands.Judge(_, _, reason)
            | commands.Question(_, reason)
            | commands.Reply(_, _, reason)
            | commands.Keep(_, reason)
            | commands.KeepShown(_, _, reason)
            | commands.Delete(_, _, reason)
            | commands.Extend(_, reason)
        ):
            return TextPage(title, text, typed=reason)
        case commands.Edit(_, name, description) | commands.Rotate(_, name, description):
            texts = (name, description, click.deed.reason, click.deed.ticket)
            return TextPage(title, text, typed="\n".join(filter(None, texts)))
        case _:
            return TextPage(title, text)


_DECISIONS = commands.Approve | commands.Deny
_SLOW = "That took too long: Confluent Cloud or Slack is responding slowly."
_LOOK = "Check `/apikey requests`, then try again."
_NEEDS_YOU = (
    "Something changed in the meantime, so nothing was sent. The open form says what. If you closed it, start again."
)


def _broken(click: Click) -> str:
    return (
        "Something went wrong inside Latchkey, and it's unclear whether anything changed. Check "
        "`/apikey requests`. If it happens again, give your Latchkey administrator this reference: "
        f"`{click.id}`."
    )
