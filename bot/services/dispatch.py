"""Carrying out a stored click, and answering it: whatever happens, the person who clicked reads something."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias, assert_never

from bot.domain.deadlines import due
from bot.domain.errors import LatchkeyError, NotFound, Unavailable, Undeliverable
from bot.domain.keys import RequestId
from bot.domain.requests import Granted, Living, Pending, Ready, Request
from bot.services.commands import (
    Approve,
    Cancel,
    CardAt,
    Change,
    Check,
    Click,
    Delete,
    Deny,
    Draft,
    DropFormer,
    Edit,
    Extend,
    Keep,
    KeepFormer,
    Replace,
    Rotate,
    Saved,
    Send,
    Show,
)
from bot.services.form.fill import form
from bot.services.keys.reveal import Delivery
from bot.services.messages import Publishing
from bot.services.pages import EditPage, FormPage, Page, TextPage
from bot.services.ports.slack import Notifier
from bot.services.ports.store import Drafts
from bot.services.requests.change import Managing
from bot.services.requests.decide import Desk

STALE = timedelta(hours=1)
Act: TypeAlias = Approve | Deny | Cancel | Show | Saved | Replace | DropFormer | KeepFormer
"""What is done to a request that is there."""
log = logging.getLogger("latchkey.clicks")


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """From a deed to the service that does it."""

    desk: Desk
    delivery: Delivery
    drafts: Drafts
    notifier: Notifier
    publishing: Publishing
    managing: Managing
    keep: Callable[[Keep, Click], Awaitable[Page | None]]
    """See `Reviewing.keep`."""

    async def carry_out(self, click: Click) -> None:
        """Do it and answer. Raises only what a person cannot be told, because Slack does not take the answer."""
        if self.desk.transitions.clock() - click.at > STALE:
            return  # nobody waits for it; and an old record put back into the store must not do anything
        try:
            page = await self._answer(click)
        except LatchkeyError as error:
            level = logging.WARNING if isinstance(error, Unavailable) else logging.INFO
            log.log(level, "click refused", extra={"click": click.id, "deed": click.deed.kind, "code": error.code})
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
        deed = click.deed
        match deed:
            case Check(draft):
                return await self._check(draft, click)
            case Change(draft_id):
                directory = self.desk.directory
                return form(await self._draft(draft_id, click), await directory.catalog(), directory.policy())
            case Send(draft_id):
                sent = await self.desk.submit(draft_id, await self._draft(draft_id, click), click)
                return TextPage("Request sent", sent) if isinstance(sent, str) else sent
            case Edit() | Delete() | Rotate() | Extend():
                return await self.managing.carry_out(deed, click)
            case Keep():
                return await self.keep(deed, click)
            case Approve() | Deny() | Cancel() | Show() | Saved() | Replace() | DropFormer() | KeepFormer():
                was_forgotten = await self._remember(deed, click)
                try:
                    return await self._act(deed, click)
                finally:
                    if was_forgotten:
                        await self._bring_up_to_date(deed.request)
            case _:
                assert_never(deed)

    async def _act(self, deed: Act, click: Click) -> Page | None:
        match deed:
            case Approve(request):
                return TextPage("Approved", await self.desk.approve(request, click))
            case Deny(request, reason):
                return TextPage("Denied", await self.desk.deny(request, reason, click))
            case Cancel(request):
                return TextPage("Cancelled", await self.desk.cancel(request, click))
            case Show(request, attempt):
                instead = await self.delivery.show(request, attempt, click)
                return TextPage("Not shown", instead) if instead else None
            case Saved(request, attempt):
                await self.delivery.saved(request, attempt, click)
                return None
            case Replace(request, attempt):
                return TextPage("Replaced", await self.delivery.replace(request, attempt, click))
            case DropFormer(request, attempt):
                return TextPage("Old key", await self.delivery.drop_former(request, attempt, click))
            case KeepFormer(request, attempt):
                return TextPage("Old key", await self.delivery.keep_former(request, attempt, click, deed.until))
            case _:
                assert_never(deed)

    async def _remember(self, deed: Act, click: Click) -> bool:
        """Put the clicked message on record. Returns whether it was not there, as after a crash."""
        if click.card is None or (stored := await self.desk.transitions.requests.get(deed.request)) is None:
            return False
        surface = _surface(deed, click.by, click.card, stored.value)
        return await self.publishing.found(deed.request, surface, click.card) if surface else False

    async def _bring_up_to_date(self, request: RequestId) -> None:
        """Have the worker show a request again that nothing else would move; what is in flight shows itself."""
        with suppress(LatchkeyError):  # the click has its answer, and the message is on record for the next time
            stored = await self.desk.transitions.get(request)
            if isinstance(stored.value, Pending | Ready | Living) or due(stored.value) is None:
                await self.desk.transitions.commit(stored, stored.value)

    async def _check(self, draft: Draft, click: Click) -> Page:
        await self.drafts.put(click.id, click.by, draft)
        return await self.desk.review(click.id, draft, click)

    async def _draft(self, draft_id: str, click: Click) -> Draft:
        draft = await self.drafts.get(draft_id, click.by)
        if draft is None:
            raise NotFound("This form is too old. Nothing was sent. Start again with `/apikey create`.")
        return draft


def _drawn(page: Page, click: Click) -> Page:
    """The page as the answer to this click: a form has fields that are new to the modal, whatever stood there."""
    return replace(page, drawing=click.id[:8]) if isinstance(page, FormPage | EditPage) else page


def _surface(deed: Act, by: str, card: CardAt, request: Request) -> str:
    """Which of a request's messages this is; "" for one that whoever clicked would not have been sent."""
    match deed:
        case Approve() | Deny():
            is_told = isinstance(request, Pending) and any(told.startswith(f"{by}:") for told in request.told)
            return "card" if card.channel == request.terms.channel else f"copy:{by}:0" if is_told else ""
        case _ if by != request.ask.requester.slack:
            return ""
        case Cancel():
            return "asked"
        case Show() | Saved() | Replace() | DropFormer() | KeepFormer():
            return f"key:{request.attempt if isinstance(request, Granted) else 0}"
        case _:
            assert_never(deed)


def _apology(title: str, text: str, click: Click) -> TextPage:
    """What went wrong, with whatever the person typed, so that nothing is lost."""
    match click.deed:
        case Check():
            return TextPage(title, text, back=click.id)
        case Change(draft) | Send(draft):
            return TextPage(title, text, back=draft)
        case Deny(_, reason) | Keep(_, reason) | Delete(_, _, reason) | Extend(_, reason):
            return TextPage(title, text, typed=reason)
        case Edit(_, name, description) | Rotate(_, name, description):
            return TextPage(title, text, typed="\n".join(filter(None, (name, description, click.deed.reason))))
        case _:
            return TextPage(title, text)


def _broken(click: Click) -> str:
    return (
        "Something went wrong inside Latchkey. It is not certain whether anything was changed: `/apikey requests` "
        f"tells. If it happens again, tell whoever runs Latchkey this reference: `{click.id}`."
    )
