"""Keeps all messages about a request true: decides which ones there should be, and updates them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain import requests as states
from bot.domain.deadlines import end_of_life, glass_of, is_reminded, is_reminded_to_claim
from bot.domain.errors import ASK_ADMINISTRATOR, Throttled, Unavailable, Undeliverable
from bot.domain.keys import MyAccount, RequestId, SlackUserId
from bot.domain.requests import LEADS
from bot.services.commands import CardAt
from bot.services.ports.slack import Channels, Notifier
from bot.services.ports.store import Clock, Post, Posts
from bot.services.surfaces import (
    APPROVERS,
    ASKED,
    CARD,
    CHANGED,
    END,
    ONCE,
    OUTCOME,
    REPLACED,
    REVIEWED,
    Surface,
    SurfaceKind,
    claim_of,
    key_of,
    lost_of,
    of_said,
    told_of,
)

log = logging.getLogger("latchkey.publishing")
REPOST = timedelta(seconds=5)
REPAIRED = timedelta(minutes=5)
"""How long until a message that Slack refused for good is tried again: someone may have invited the bot by then."""
EVER_LESS = 10
"""After that, the wait is this part of the message's age: people who left the company don't come back to read it."""


def surfaces(request: states.Request) -> tuple[Surface, ...]:
    """The messages that this request should have, in the order in which to write them.

    A record that an older version brought to rest must get no new one: it would be posted months later, when something
    touches the record. So whatever is new here depends on a field that such records lack.
    """
    return (*_surfaces(request), *_of_break_glass(request))


def _of_break_glass(request: states.Request) -> tuple[Surface, ...]:
    """For a use of break-glass, the card for everyone who is told; after the review, its outcome for the requester."""
    glass = glass_of(request)
    if glass is None:
        return ()
    if glass.review:
        return (REVIEWED,)
    return tuple(Surface(SurfaceKind.COPY, SlackUserId(reader), number=number) for reader, number in glass.readers)


def _surfaces(request: states.Request) -> tuple[Surface, ...]:
    if request.ask.beside is not None:
        return _beside(request)
    if not request.ask.makes_key and not request.terms.approvals:
        return _of_a_change(request)
    if isinstance(request, states.Denied | states.Expired | states.Failed | states.Done):
        return (CARD, ASKED, OUTCOME, *_approvers(request))
    if isinstance(request, states.Cancelled):
        return (CARD, ASKED, *_approvers(request))
    if isinstance(request, states.Keyed | states.Offered):
        told = _owners(request) if isinstance(request, states.Living | states.Retired) else ()
        lost = _lost(request)
        told += _approvers(request) if lost else ()
        return (key_of(request.attempt), *lost, CARD, ASKED, *_of_its_life(request), *told)
    if isinstance(request, states.Pending):
        news = (CHANGED,) if request.changed else ()
        copies = (Surface(SurfaceKind.COPY, user, number=number) for user, number in request.asked)
        said = (surface for each in request.said if each.text for surface in of_said(each))
        return (CARD, ASKED, *news, *copies, *said)
    return (CARD, ASKED)


def _beside(request: states.Request) -> tuple[Surface, ...]:
    """For the second key of a pair, what happens once it was shown. The request's messages tell everything before."""
    return _of_its_life(request) if isinstance(request, states.Living | states.Retired) else ()


def _of_a_change(request: states.Request) -> tuple[Surface, ...]:
    """Of a change without an approval: its requester reads how it ended, and before that only if there is trouble.

    Others who are concerned with the key read it, too: on a card, and the owners of its account in a message.
    """
    owner, requester = request.ask.owner, request.ask.requester
    is_anothers = isinstance(owner, MyAccount) and owner.id != requester.principal
    is_told = isinstance(request, states.Granted) and request.grant.told is not None
    card = (CARD,) if is_anothers or is_told else ()
    if isinstance(request, states.Done | states.Failed):
        owners = _owners(request) if isinstance(request, states.Done) else ()
        return (OUTCOME, *card, *owners) if request.news else (*card, ASKED)
    is_smooth = isinstance(request, states.Approved | states.Working) and not request.trouble
    return card if is_smooth else (*card, ASKED)


def _owners(request: states.Granted) -> tuple[Surface, ...]:
    """What the owners of the account are told."""
    return tuple(told_of(user) for user in request.grant.told or ())


def _lost(request: states.Keyed | states.Offered) -> tuple[Surface, ...]:
    """The message that a key is deleted before it was of use, once it's done, or turns out to take longer."""
    if not isinstance(request, states.Unclaimed | states.Undelivered) or not request.news:
        return ()
    return (lost_of(request.attempt),) if request.deleted_at or request.retry_at else ()


def _approvers(request: states.Request) -> tuple[Surface, ...]:
    """What the people who approved a request are told if it comes to nothing.

    A key whose secret may not have arrived can be replaced under the same approval, so that isn't the end.
    """
    if isinstance(request, states.Done | states.Undelivered):
        return ()
    ended_by = request.by.slack if isinstance(request, states.Denied) else None
    given = [each for each in states.approvals_of(request) if each.told and each.by.slack != ended_by]
    direct = tuple(Surface(SurfaceKind.APPROVERS, each.by.slack) for each in given if each.told == "direct")
    return direct if len(direct) == len(given) else (*direct, APPROVERS)


def _of_its_life(request: states.Keyed | states.Offered) -> tuple[Surface, ...]:
    """What the requester is told about a key in a message of its own."""
    if is_reminded_to_claim(request):
        return (claim_of(request.attempt),)
    if not isinstance(request, states.Living | states.Retired):
        return ()
    former = request.life.former
    replaced = (REPLACED,) if former and former.deleted_at else ()
    if isinstance(request, states.Retired):
        by_requester = request.by is not None and request.by.slack == request.ask.requester.slack
        return replaced if by_requester else (*replaced, END)
    end = end_of_life(request)
    if end is None or not is_reminded(request):
        return replaced
    return (*replaced, Surface(SurfaceKind.REMINDER, end=int(end.timestamp()), number=request.life.reminded))


@dataclass(frozen=True, slots=True)
class Publisher:
    """Writes messages. Those that couldn't be written are tried again; the request itself never waits for them."""

    posts: Posts
    notifier: Notifier
    channels: Channels
    clock: Clock

    async def publish(self, request: states.Request) -> datetime | None:
        """Bring all messages up to date. Returns when to retry those that failed; None if all is well."""
        known = await self.posts.get(request.ask.id)
        retry: list[datetime] = []
        note, card = "", _post_of(known, CARD)
        for surface in _all(request, known):
            copies: list[Post | None] = [post for post in known if post.surface == surface and not post.broken]
            there = await self.posts.get(request.ask.id) if surface.root else ()
            if surface.root == CARD and all(post.surface != CARD for post in there):
                continue  # it's posted below the card, once there is one
            root = _post_of(there, surface.root) if surface.root else None
            beside = await self._linked(request, card) if surface == ASKED else root
            for post in copies or [None]:
                again, trouble = await self._one(surface, request, post, note if surface == ASKED else "", beside)
                retry += [again] if again else []
                note = trouble if surface == CARD and isinstance(request, states.Pending) else note
            if surface == CARD and isinstance(request, states.Pending) and not (card and card.link):
                card = _post_of(await self.posts.get(request.ask.id), CARD)
        return min(retry, default=None)

    async def _linked(self, request: states.Request, card: Post | None) -> Post | None:
        """The card with its address, which is read while the request waits, if the requester can open it."""
        if card is None or card.link or not isinstance(request, states.Pending):
            return card
        channel, requester = card.channel, request.ask.requester.slack
        try:
            if not (requester in await self.channels.joined(channel) or await self.channels.is_open(channel)):
                return card
            linked = replace(card, link=await self.notifier.link(card))
        except (Unavailable, Undeliverable) as error:
            log.info("couldn't get the link to a card", extra={"request": request.ask.id, "why": str(error)})
            return card
        await self.posts.put(request.ask.id, linked)
        return linked

    async def found(self, request: RequestId, surface: Surface, at: CardAt) -> bool:
        """Remember a message that someone clicked, in case a crash lost our record of posting it.

        Returns whether it was unknown, and so may show something old.
        """
        known = await self.posts.get(request)
        if any((post.channel, post.ts) == (at.channel, at.ts) for post in known):
            return False
        await self.posts.put(request, Post(surface, at.channel, at.ts, ""))
        return True

    async def _one(
        self, surface: Surface, request: states.Request, post: Post | None, note: str, beside: Post | None
    ) -> tuple[datetime | None, str]:
        """Write one message; returns when to try again, and what to tell the requester about it."""
        now = self.clock()
        try:
            written = await self.notifier.publish(surface, request, post, note, beside)
        except Throttled as error:
            return now + error.wait, ""
        except Unavailable:
            return now + REPOST, ""
        except Undeliverable as error:
            if post is not None and error.reason in _GONE:
                await self.posts.put(request.ask.id, replace(post, broken=error.reason))
                return None, ""
            if post is None and surface.root and beside is not None:
                if error.reason == _NO_THREAD:
                    await self.posts.put(request.ask.id, replace(beside, broken=_NOT_FOUND))
                return await self._one(surface, request, None, note, None)  # not as a reply, but on its own
            about = {"request": request.ask.id, "surface": surface.kind.value, "code": error.reason}
            log.warning("Slack refused a message", extra=about)
            wait = max(REPAIRED, (now - _news_of(request, now)) / EVER_LESS) if error.lasting else REPOST
            return now + wait, f"{_TROUBLE} ({error.reason})."
        except Exception:  # one message that cannot be written keeps neither the others nor the next step back
            log.exception("writing a message failed", extra={"request": request.ask.id, "surface": surface.kind.value})
            return now + REPOST, ""
        if surface.kind is SurfaceKind.QUESTION:
            written = _with_question(written, request)
        if written != post:
            await self.posts.put(request.ask.id, written)
        return None, ""


_TROUBLE = f"The card for approvers couldn't be posted. {ASK_ADMINISTRATOR} Latchkey will try again every few minutes"


_NOT_FOUND, _NO_THREAD = "message_not_found", "thread_not_found"
_GONE = frozenset({_NOT_FOUND, "cant_update_message", "edit_window_closed"})
"""Codes with which Slack says that no one can ever change the message. A person may fix anything else."""


def _post_of(known: Sequence[Post], surface: Surface) -> Post | None:
    """A message to link to or to reply to, which also works if it can no longer be changed."""
    posts = [post for post in known if post.surface == surface and post.broken != _NOT_FOUND]
    return min(posts, key=lambda post: post.broken != "", default=None)


def _with_question(post: Post, request: states.Request) -> Post:
    """The message of a question with its text, for as long as the button below it counts."""
    if not isinstance(request, states.Pending):
        return replace(post, by="", text="")
    said = next((each for each in request.said if each.number == post.surface.number and each.text), None)
    return replace(post, by=said.name, text=said.text) if said else post


def _all(request: states.Request, known: Sequence[Post]) -> Sequence[Surface]:
    """The messages that there should be, then all others, without those that Slack no longer lets anyone change."""
    wanted = surfaces(request)
    gone = {post.surface for post in known if post.broken} - {post.surface for post in known if not post.broken}
    is_over = not isinstance(request, states.Pending)
    there = {post.surface for post in known if post.surface.kind not in ONCE or (post.text and is_over)}
    others = sorted(there - set(wanted), key=str)
    return [surface for surface in (*wanted, *others) if surface not in gone]


def _news_of(request: states.Request, now: datetime) -> datetime:
    """When its newest message became true; now, while it waits for someone or something."""
    at = now if isinstance(request, states.InFlight) else request.at
    if isinstance(request, states.Living) and is_reminded(request) and (end := end_of_life(request)):
        return max(at, end - LEADS[request.life.reminded - 1])
    return at
