"""The regular review: asking people about keys that nobody may need, and remembering what they answer.

The item `REVIEW` of the agenda begins a pass. `REVIEW_PAGE` reads the organization's keys on from a token and puts an
item for every owner that it meets; `REVIEW` of an owner asks about their keys, of `ORGANIZATION` about its limits;
`REVIEW_REDRAW` draws again what was asked. Each is one short step, so that an organization of any size is gone
through, and any process may go on where another one died.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.domain.audit import Action
from bot.domain.authority import HeldRoles
from bot.domain.errors import NotFound, Refused, Throttled, Unavailable, Undeliverable, plain
from bot.domain.keys import KeyId, Principal, SlackUserId
from bot.domain.policy import Review
from bot.domain.requests import Done, Keyed, Living, Request, Withdrawn
from bot.domain.review import OFFERED, Attestation, Audience, Digest
from bot.services.agenda import Item, ItemKind
from bot.services.commands import CardAt, Click, Keep, KeepShown
from bot.services.form.validate import LIMITS, text_problem
from bot.services.pages import KeyView, Page, TextPage
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.slack import Notifier
from bot.services.ports.store import Agenda, Cache, Keeps, Reviewed
from bot.services.requests.transitions import Transitions
from bot.services.review.audience import Recipients
from bot.services.review.digest import ORGANIZATION, Digests
from bot.services.text import when

LOOK_AGAIN = timedelta(days=1)
"""When to look again whether a review is wanted."""
PAGES = 50
"""Pages of keys in one step."""
SECONDS = 20.0
"""After so many no further page is begun in one step: a page may take as long again, and a step has 50."""
APART = timedelta(seconds=1)
"""Between the owners that one step meets: Slack tells only 50 times a minute who has which e-mail address."""
REREAD = timedelta(seconds=5)
RESTART = timedelta(minutes=10)
"""When to begin again after Confluent has forgotten how far we were."""
LIST_KEPT = timedelta(days=400)
"""How long what a message lists is remembered: longer than the time between two reviews."""
_NO_LIST = "All done until the next review."
_NOT_KEPT = 10
"""How many keys an answer names that were not kept."""
Some: TypeAlias = Callable[[Principal, Sequence[KeyId], HeldRoles], Awaitable[Sequence[KeyView]]]
"""Several keys of one owner as this person may see them. See `KeyViews.some`."""
Sees: TypeAlias = Callable[[KeyId, HeldRoles], Awaitable[KeyView]]
"""One key as this person may see it; raises `NotFound` for one that is not theirs to see. See `KeyViews.key_view`."""
log = logging.getLogger("latchkey.review")


@dataclass(frozen=True, slots=True)
class Reviews:
    """Carries out the items of the review, and the answers `Keep` and `Keep all shown`."""

    transitions: Transitions
    directory: Directory
    cloud: Cloud
    recipients: Recipients
    digests: Digests
    agenda: Agenda
    keeps: Keeps
    cache: Cache
    notifier: Notifier
    sees: Sees
    some: Some

    async def begin(self) -> None:
        """Put the first pass on the agenda, unless one is there that is due earlier; remember the first start."""
        review = self.directory.policy().review
        wait = review.every if review else LOOK_AGAIN
        now = self.transitions.clock()
        if await self.keeps.reviewed(ORGANIZATION) is None:
            await self.keeps.remember(ORGANIZATION, Reviewed(now, beginning=now))
        await self.agenda.put(Item(ItemKind.REVIEW), now + wait)

    async def step(self, item: Item) -> datetime | None:
        """Carry out one item of the review; returns when it is due again."""
        review, now = self.directory.policy().review, self.transitions.clock()
        begins = item == Item(ItemKind.REVIEW)
        if review is None:
            return now + LOOK_AGAIN if begins else None
        if begins:
            await self.agenda.put(Item(ItemKind.REVIEW, ORGANIZATION), now)
            await self.agenda.put(Item(ItemKind.REVIEW_PAGE), now)
            return now + review.every
        try:
            if item.kind is ItemKind.REVIEW_PAGE:
                return await self._read_on(item.id)
            if item.kind is ItemKind.REVIEW_REDRAW:
                await self._draw_again(Principal(item.id), review)
            else:
                await self._ask_about(Principal(item.id), review)
        except Throttled as error:
            return now + error.wait
        return None

    async def keep(self, deed: Keep, click: Click) -> Page:
        """Remember that a key stays, and why. Raises `Refused`, and `NotFound` for a key that is not theirs to see."""
        _must_say_why(deed.reason)
        person = await self.directory.identify(click.by, click.team)
        view = await self.sees(deed.key, await self.directory.held_roles(person))
        until = await self._keep(view.owner.id, [view], deed, click)
        stays = f"Key `{plain(view.key.id)}` stays as it is."
        return TextPage("Kept", f"{stays} Latchkey will ask about it again {when(until)}.")

    async def keep_shown(self, deed: KeepShown, click: Click) -> Page:
        """The same for several keys of one owner: keeps those that are theirs to see, and names the others."""
        _must_say_why(deed.reason)
        person = await self.directory.identify(click.by, click.team)
        views = await self.some(deed.owner, deed.keys, await self.directory.held_roles(person))
        if not views:
            raise NotFound("None of these keys exist now, or you don't have access to them. Nothing was changed.")
        until = await self._keep(deed.owner, views, deed, click)
        number, kept = len(views), {view.key.id for view in views}
        stay = "1 API key stays as it is." if number == 1 else f"{number:,} API keys stay as they are."
        others = [f"`{plain(key)}`" for key in deed.keys if key not in kept]
        named = [*others[:_NOT_KEPT], *([f"{len(others) - _NOT_KEPT} more"] if len(others) > _NOT_KEPT else [])]
        rest = f" Not kept: {', '.join(named)}. Each was deleted, or you don't have access to it." if others else ""
        return TextPage("Kept", f"{stay} Latchkey will ask again {when(until)}.{rest}")

    async def offered(self, owner: Principal, at: CardAt | None, by: SlackUserId) -> Sequence[KeyId]:
        """The keys that a message lists, as it was drawn last. Raises `Refused` when there are none."""
        last = await self.keeps.reviewed(owner)
        to = next((to for to, place in last.sent if place == at), "") if last else ""
        found = await self.cache.get(_list_name(owner, to or self._reader(at, by)), tuple[KeyId, ...])
        if not found or not found[0]:
            raise Refused(_NO_LIST)
        return found[0]

    async def changed(self, owner: Principal) -> None:
        """Something happened to keys of this owner: the messages that ask about them are drawn again soon."""
        await self.agenda.put(Item(ItemKind.REVIEW_REDRAW, owner), self.transitions.clock())
        self.transitions.wake()

    async def moved(self, request: Request) -> None:
        """A request has moved on: where that changed a key of a reviewed owner, what asks about it is drawn again."""
        former = request.life.former if isinstance(request, Living) else None
        gone = request if isinstance(request, Withdrawn) else former
        if not isinstance(request, Done) and (gone is None or gone.deleted_at is None):
            return
        owner = request.key.owner if isinstance(request, Keyed) else request.ask.owner.id
        last = await self.keeps.reviewed(owner) if owner else None
        if owner and last and last.sent:
            await self.changed(owner)

    async def _keep(self, owner: Principal, views: Sequence[KeyView], deed: Keep | KeepShown, click: Click) -> datetime:
        """Remember that these keys stay, once a click however often it is carried out; returns until when."""
        review = self.directory.policy().review or Review(channel="")
        until, known = click.at + review.older_than, await self.recipients.known(owner)
        before = await self.keeps.kept([view.key.id for view in views])
        for view in views:
            why = deed.reason.strip()
            kept = Attestation(view.key.id, click.by, why, click.at, until, orphaned=known.is_gone)
            earlier = before.get(view.key.id)
            if earlier is None or earlier.at < kept.at:  # else this very click was here, or a later one
                await self._record(kept, click, view)
                await self.keeps.keep(kept)
        await self._found(owner, deed.digest, click.by)
        await self.changed(owner)
        return until

    async def _record(self, kept: Attestation, click: Click, view: KeyView) -> None:
        request = view.request.ask.id if view.request else None
        details = {"key": kept.key, "owner": view.owner.id, "reason": kept.reason, "until": kept.until.isoformat()}
        await self.transitions.record(Action.KEPT, request, click.by, **details)

    async def _found(self, owner: Principal, at: CardAt | None, by: str) -> None:
        """Put the clicked message on record, in case a crash kept us from remembering that we sent it."""
        last = await self.keeps.reviewed(owner)
        if at is None or last is None or any(place == at for _, place in last.sent):
            return
        await self.keeps.remember(owner, replace(last, sent=(*last.sent, (self._reader(at, by), at))))

    def _reader(self, at: CardAt | None, by: str) -> str:
        """To whom a message went that is not on record: the review's channel, or who clicked in it."""
        review = self.directory.policy().review
        return at.channel if at and review and at.channel == review.channel else by

    async def _read_on(self, token: str) -> datetime | None:
        """Read keys for a while, put an item for each owner, and one to go on."""
        owners, after, wait = await self._owners(token)
        now = self.transitions.clock()
        for place, owner in enumerate(sorted(owners)):
            await self.agenda.put(Item(ItemKind.REVIEW, owner), now + place * APART)
        if after is None:
            return None
        if after == token:
            return now + wait
        await self.agenda.put(Item(ItemKind.REVIEW_PAGE, after), now + wait)
        return None

    async def _owners(self, token: str) -> tuple[set[Principal], str | None, timedelta]:
        """The owners met on the next pages; the token to go on with, None at the end; and how long to wait before."""
        owners, read = set[Principal](), {token}
        ends_at = asyncio.get_running_loop().time() + SECONDS
        for page in range(PAGES):
            try:
                keys, after = await self.cloud.key_page(token)
            except NotFound:
                return owners, "", RESTART
            except Unavailable:
                if not page:
                    raise
                return owners, token, REREAD
            owners |= {key.owner for key in keys if key.owner}
            if not after or after in read:
                return owners, None, timedelta()
            token = after
            read.add(token)
            if asyncio.get_running_loop().time() >= ends_at:
                break
        return owners, token, timedelta()

    async def _ask_about(self, owner: Principal, review: Review) -> None:
        """Send what there is to be said about an owner's keys, once in a pass, to everybody whom it concerns."""
        now, last = self.transitions.clock(), await self.keeps.reviewed(owner)
        # Keys of one owner stand on many pages; half the time between two passes tells them from the next pass.
        is_this_pass = last is not None and timedelta() <= now - last.at < review.every / 2
        done = last if last and is_this_pass else Reviewed(now, beginning=await self._beginning(owner, last))
        if done.complete:
            return
        for to, digest in (await self.digests.of(owner, review, done.at)).items():
            if digest.is_empty or any(to == each for each, _ in done.sent):
                continue
            whole = await self._listing(owner, to, digest, done)
            if place := await self._send(to, whole, review.channel):
                done = replace(done, sent=(*done.sent, (to, place)))
                await self.keeps.remember(owner, done)
        await self.keeps.remember(owner, replace(done, complete=True))

    async def _beginning(self, owner: Principal, last: Reviewed | None) -> datetime | None:
        """When Latchkey was first started, for keys that nobody was asked about yet."""
        if last is not None:
            return last.beginning if owner == ORGANIZATION else None
        first = await self.keeps.reviewed(ORGANIZATION)
        return first.beginning if first else None

    async def _listing(self, owner: Principal, to: str, digest: Digest, review: Reviewed) -> Digest:
        """The digest as it is to be drawn; first, its keys are remembered for the buttons below them."""
        now, keys = self.transitions.clock(), tuple(each.key.id for each in digest.keys[:OFFERED])
        await self.cache.put(_list_name(owner, to), keys, tuple[KeyId, ...], now=now, keep=LIST_KEPT)
        return replace(digest, is_baseline=digest.is_older_than(review.beginning))

    async def _send(self, to: str, digest: Digest, channel: str) -> CardAt | None:
        """Send it, to the channel where Slack does not let us reach the person; None when nobody can be reached."""
        try:
            return await self.notifier.digest(to, digest, None)
        except Undeliverable as error:
            if not error.lasting:
                raise
            log.warning("a review does not reach its reader", extra={"to": to, "why": error.reason})
        return None if to == channel else await self._send(channel, replace(digest, audience="channel"), channel)

    async def _draw_again(self, owner: Principal, review: Review) -> None:
        """Bring the messages of the last review up to date; sends none."""
        last = await self.keeps.reviewed(owner)
        if last is None or not last.sent:
            return
        digests = await self.digests.of(owner, review, last.at)
        for to, place in last.sent:
            said = digests.get(to) or await self._nothing(owner, to, digests, review)
            digest = await self._listing(owner, to, said, last)
            is_elsewhere = place.channel == review.channel != to
            try:
                await self.notifier.digest(to, replace(digest, audience="channel") if is_elsewhere else digest, place)
            except Undeliverable as error:
                if not error.lasting:
                    raise
                log.warning("a review message cannot be updated", extra={"to": to, "why": error.reason})

    async def _nothing(self, owner: Principal, to: str, digests: Mapping[str, Digest], review: Review) -> Digest:
        """What a reader sees for whom nothing is left."""
        is_channel = to == review.channel
        other = next(iter(digests.values()), None)
        whose = other.owner if other else (await self.recipients.known(owner)).owner
        audience: Audience = "owner" if whose and whose.kind == "user" and not is_channel else "channel"
        return Digest(whose, audience, self.transitions.clock(), review.older_than)


def _list_name(owner: Principal, to: str) -> str:
    return f"review:{owner}:{to}"


def _must_say_why(reason: str) -> None:
    problem = text_problem(reason, LIMITS["reason"]) if reason.strip() else "Enter a reason."
    if problem:
        raise Refused(f"{problem} Nothing was changed.")
