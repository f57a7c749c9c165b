"""The regular review: asks people about keys that may no longer be needed, and remembers their answers.

The agenda's item `REVIEW` begins a pass. `REVIEW_PAGE` reads the organization's keys from a page token on, and adds an
item for every owner that it finds. `REVIEW` of an owner asks about their keys, and of `ORGANIZATION` about its limits.
`REVIEW_CHANNEL` asks the channel, at the end, about some of those whose owners can't be reached. `REVIEW_REDRAW`
updates messages that were sent. Each item is one short step, so that organizations of any size can be reviewed, and any
process can continue when another one stops.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.domain.audit import Action
from bot.domain.authority import HeldRoles
from bot.domain.errors import NotFound, Refused, Throttled, Unavailable, Undeliverable, plain
from bot.domain.keys import KeyId, Principal, SlackUserId
from bot.domain.policy import Review
from bot.domain.requests import Done, Keyed, Living, Request, Withdrawn
from bot.domain.review import IN_CHANNEL, OFFERED, Attestation, Audience, Backlog, Digest, together
from bot.services.agenda import Item, ItemKind, must_hold
from bot.services.commands import CardAt, Click, Keep, KeepShown
from bot.services.form.validate import LIMITS, is_blank, text_problem
from bot.services.pages import KeyView, Page, TextPage
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.slack import Notifier
from bot.services.ports.store import Agenda, Cache, Keeps, Reviewed, ReviewPass
from bot.services.requests.transitions import Transitions
from bot.services.review.audience import Recipients
from bot.services.review.digest import ORGANIZATION, Digests
from bot.services.text import when

LOOK_AGAIN = timedelta(days=1)
"""When to check again whether the policy has a review."""
PAGES = 50
"""How many pages of keys one step reads."""
SECONDS = 20.0
"""After this many seconds a step starts no further page: one page may take as long again, and a step has 50 s."""
APART = timedelta(seconds=1)
"""The time between the owners that one step finds. Slack allows 50 searches by email address a minute."""
SETTLES = timedelta(seconds=10)
"""The least time between two checks of whether everyone found in a pass was asked, so that the channel can be."""
LATE = timedelta(hours=1)
"""How long the channel waits for the last of them, in addition to the time between owners."""
LOST = timedelta(minutes=20)
"""When to run an item of the pass again that a failover may have lost: later than any item that waits for Confluent,
and long before the channel is asked."""
REREAD = timedelta(seconds=5)
RESTART = timedelta(minutes=10)
"""When to start over after Confluent has forgotten a page token."""
LIST_KEPT = timedelta(days=400)
"""How long the keys listed in a message are remembered: longer than the time between two reviews."""
_NO_LIST = "All done until the next review."
_NOT_KEPT = 10
"""How many keys that were not kept an answer names."""
Some: TypeAlias = Callable[[Principal, Sequence[KeyId], HeldRoles], Awaitable[Sequence[KeyView]]]
"""Returns several keys of one owner, as far as this person can see them. See `KeyViews.some`."""
Sees: TypeAlias = Callable[[KeyId, HeldRoles], Awaitable[KeyView]]
"""Returns one key; raises `NotFound` if this person can't see it. See `KeyViews.key_view`."""
log = logging.getLogger("latchkey.review")


@dataclass(frozen=True, slots=True)
class Reviews:
    """Carries out the review's agenda items, and the answers `Keep` and `Keep all shown`."""

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
        """Put the next pass on the agenda, and what the current pass still has to do. Remembers the first start.

        Items that are due earlier stay. This runs at each start and each hour, so that a failover that loses an item
        delays a pass by at most an hour.
        """
        review, now = self.directory.policy().review, self.transitions.clock()
        organization = await self.keeps.reviewed(ORGANIZATION)
        if organization is None:
            organization = Reviewed(now, beginning=now)
            await self.keeps.remember(ORGANIZATION, organization)
        if review is None:
            await self.agenda.put(Item(ItemKind.REVIEW), now + LOOK_AGAIN)
            return
        passed = await self.keeps.review_pass()
        last = max(passed.at, organization.at) if passed else organization.at
        await self.agenda.put(Item(ItemKind.REVIEW), max(now, last + review.every))
        if passed and _is_one_pass(passed.at, now, review) and not passed.is_told:
            await self.agenda.put(Item(ItemKind.REVIEW_CHANNEL), now + SETTLES)

    async def step(self, item: Item) -> datetime | None:
        """Carry out one item of the review. Returns when it's due again, or None for never."""
        review, now = self.directory.policy().review, self.transitions.clock()
        begins = item == Item(ItemKind.REVIEW)
        if review is None:
            return now + LOOK_AGAIN if begins else None
        if begins:
            await self.agenda.put(Item(ItemKind.REVIEW, ORGANIZATION), now)
            await self._met((), "", review)
            await self.agenda.put(Item(ItemKind.REVIEW_PAGE), now)
            return now + review.every
        try:
            if item.kind is ItemKind.REVIEW_PAGE:
                return await self._read_on(item.id, review)
            if item.kind is ItemKind.REVIEW_CHANNEL:
                return await self._ask_channel(review)
            if item.kind is ItemKind.REVIEW_REDRAW:
                await self._draw_again(Principal(item.id), review)
            else:
                await self._ask_about(Principal(item.id), review)
        except Throttled as error:
            return now + error.wait
        return None

    async def keep(self, deed: Keep, click: Click) -> Page:
        """Remember that someone keeps a key, and why. Returns the answer for them.

        Raises `Refused`, and `NotFound` for a key that they can't see.
        """
        _must_say_why(deed.reason)
        person = await self.directory.identify(click.by, click.team)
        view = await self.sees(deed.key, await self.directory.held_roles(person))
        until = await self._keep(view.owner.id, [view], deed, click)
        stays = f"Key `{plain(view.key.id)}` stays as it is."
        return TextPage("Kept", f"{stays} Latchkey will ask about it again {when(until)}.")

    async def keep_shown(self, deed: KeepShown, click: Click) -> Page:
        """Keep those of these keys of one owner that the person can see, and name the others. Raises as `keep` does."""
        _must_say_why(deed.reason)
        person = await self.directory.identify(click.by, click.team)
        views = await self.some(deed.owner, deed.keys, await self.directory.held_roles(person))
        if not views:
            raise NotFound("None of these keys exist anymore, or you don't have access to them. Nothing changed.")
        until = await self._keep(deed.owner, views, deed, click)
        number, kept = len(views), {view.key.id for view in views}
        stay = "1 API key stays as it is." if number == 1 else f"{number:,} API keys stay as they are."
        others = [f"`{plain(key)}`" for key in deed.keys if key not in kept]
        named = [*others[:_NOT_KEPT], *([f"{len(others) - _NOT_KEPT} more"] if len(others) > _NOT_KEPT else [])]
        rest = f" Not kept: {', '.join(named)}. Each was deleted, or you don't have access to it." if others else ""
        return TextPage("Kept", f"{stay} Latchkey will ask again {when(until)}.{rest}")

    async def offered(self, owner: Principal, at: CardAt | None, by: SlackUserId) -> Sequence[KeyId]:
        """The keys that a message lists, as last drawn. Raises `Refused` if there are none."""
        last = await self.keeps.reviewed(owner)
        readers = [to for to, place in last.sent if place == at] if last else []
        # In older messages in the channel, the list is stored for the reader who wasn't reached.
        for to in (self._reader(at, by), *readers):
            found = await self.cache.get(_list_name(owner, to), tuple[KeyId, ...])
            if found and found[0]:
                return found[0]
        raise Refused(_NO_LIST)

    async def changed(self, owner: Principal) -> None:
        """Have the messages about this owner's keys updated soon, because one of the keys changed."""
        await self.agenda.put(Item(ItemKind.REVIEW_REDRAW, owner), self.transitions.clock())
        self.transitions.wake()

    async def moved(self, request: Request) -> None:
        """If this request's new state changes a key of a reviewed owner, have the messages about it updated."""
        former = request.life.former if isinstance(request, Living) else None
        gone = request if isinstance(request, Withdrawn) else former
        if not isinstance(request, Done) and (gone is None or gone.deleted_at is None):
            return
        owner = request.key.owner if isinstance(request, Keyed) else request.ask.owner.id
        last = await self.keeps.reviewed(owner) if owner else None
        if owner and last and last.sent:
            await self.changed(owner)

    async def _keep(self, owner: Principal, views: Sequence[KeyView], deed: Keep | KeepShown, click: Click) -> datetime:
        """Remember once for each click that these keys stay, however often it's carried out. Returns until when."""
        review = self.directory.policy().review or Review(channel="")
        until, known = click.at + review.older_than, await self.recipients.known(owner)
        before = await self.keeps.kept([view.key.id for view in views])
        for view in views:
            why = deed.reason.strip()
            kept = Attestation(view.key.id, click.by, why, click.at, until, orphaned=known.is_gone)
            earlier = before.get(view.key.id)
            if earlier is None or earlier.at < kept.at:  # otherwise this click or a later one was carried out
                await must_hold()  # otherwise another process may have recorded it
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
        """Remember the clicked message, in case a crash kept us from remembering that we sent it."""
        last = await self.keeps.reviewed(owner)
        if at is None or last is None or any(place == at for _, place in last.sent):
            return
        await self.keeps.remember(owner, replace(last, sent=(*last.sent, (self._reader(at, by), at))))

    def _reader(self, at: CardAt | None, by: str) -> str:
        """The reader of a message that isn't remembered: the review's channel, or the person who clicked in it."""
        review = self.directory.policy().review
        return at.channel if at and review and at.channel == review.channel else by

    async def _read_on(self, token: str, review: Review) -> datetime | None:
        """Read keys for a while. Adds an item for each owner, and one to continue."""
        owners, after, wait = await self._owners(token)
        now = self.transitions.clock()
        for place, owner in enumerate(sorted(owners)):
            await self.agenda.put(Item(ItemKind.REVIEW, owner), now + place * APART)
        await self._met(owners, after, review)
        if after is None:
            return None
        if after == token:
            return now + wait
        await self.agenda.put(Item(ItemKind.REVIEW_PAGE, after), now + wait)
        return None

    async def _met(self, owners: Collection[Principal], after: str | None, review: Review) -> None:
        """Remember which owners this pass has found and where it continues; `after` is None at the end.

        The channel is asked once all these owners were.
        """
        now = self.transitions.clock()
        passed = await self._this_pass(review) or ReviewPass(now)
        known = tuple(dict.fromkeys((*passed.owners, *sorted(owners))))
        grown = replace(passed, owners=known, is_read=after is None or passed.is_read, token=after or "")
        await self.agenda.put(Item(ItemKind.REVIEW_CHANNEL), now + SETTLES)
        if grown != passed or not known:
            await self.keeps.remember_pass(grown)

    async def _this_pass(self, review: Review) -> ReviewPass | None:
        passed = await self.keeps.review_pass()
        return passed if passed and _is_one_pass(passed.at, self.transitions.clock(), review) else None

    async def _owners(self, token: str) -> tuple[set[Principal], str | None, timedelta]:
        """The owners found on the next pages, the token to continue with (None at the end), and how long to wait."""
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
        """Send what there is to say about an owner's keys to everyone concerned, once in a pass.

        What concerns no one who can be reached waits for the end of the pass, because there may be hundreds of such
        accounts.
        """
        now, last = self.transitions.clock(), await self.keeps.reviewed(owner)
        # The keys of one owner are on many pages, so the same owner is found again and again.
        is_this_pass = last is not None and _is_one_pass(last.at, now, review)
        done = last if last and is_this_pass else await self._renewed(owner, last, review)
        if done.complete:
            return
        waiting = set[object]()
        for to, digest in (await self.digests.of(owner, review, done.at)).items():
            if digest.is_empty or _is_asked(owner, to, done, review):
                continue
            is_left = to == review.channel and owner != ORGANIZATION
            if place := None if is_left else await self._send(to, await self._listing(owner, to, digest, done)):
                done = replace(done, sent=(*done.sent, (to, place)))
                await must_hold()  # otherwise another process has sent, and remembered, all of them
                await self.keeps.remember(owner, done)
            else:
                waiting.update((listed.key.id for listed in digest.keys), digest.quotas)
        await self.keeps.remember(owner, replace(done, waiting=len(waiting), complete=True))

    async def _renewed(self, owner: Principal, last: Reviewed | None, review: Review) -> Reviewed:
        """The record for a new pass, with the message that is in the channel, and when it was sent."""
        now = self.transitions.clock()
        beginning = await self._beginning(owner, last)
        if last is None or owner == ORGANIZATION:
            return Reviewed(now, beginning=beginning)
        standing = tuple((to, place) for to, place in last.sent if place.channel == review.channel)
        # Older records don't say when; those messages were sent when the pass began.
        shown_at = last.shown_at or (last.at if standing else None)
        return Reviewed(now, standing, beginning=beginning, shown_at=shown_at)

    async def _beginning(self, owner: Principal, last: Reviewed | None) -> datetime | None:
        """When Latchkey was first started, if nobody has been asked about these keys yet."""
        if last is not None:
            return last.beginning if owner == ORGANIZATION or not last.sent else None
        first = await self.keeps.reviewed(ORGANIZATION)
        return first.beginning if first else None

    async def _ask_channel(self, review: Review) -> datetime | None:
        """Ask the channel about some of what waits, and say how much is left. Returns when to check again.

        The choice is stored before anything is posted, and each message after it. If a process stops in between, one
        message may be posted twice, but the choice stays the same.
        """
        now, passed = self.transitions.clock(), await self._this_pass(review)
        if passed is None or passed.is_told:
            return None
        if passed.chosen is None:
            found = await self.keeps.all_reviewed((*passed.owners, ORGANIZATION))
            met = {owner: each for owner, each in found.items() if _is_one_pass(each.at, passed.at, review)}
            left = [owner for owner in (*passed.owners, ORGANIZATION) if owner not in met or not met[owner].complete]
            if not passed.is_read or (left and now <= passed.at + LATE + len(passed.owners) * APART):
                await self._put_back(passed, left)
                return now + max(SETTLES, len(left) * APART)
            queue = in_turn({owner: each for owner, each in met.items() if owner != ORGANIZATION})
            passed = replace(passed, chosen=queue[:IN_CHANNEL], left=len(queue[IN_CHANNEL:]))
            await self.keeps.remember_pass(passed)
        for owner in passed.chosen or ():
            await self._show_in_channel(owner, review, passed.at)
        if passed.left:
            await self._say_how_many(Backlog(passed.left, passed.at + review.every), review.channel)
        await self.keeps.remember_pass(replace(passed, is_told=True))
        return None

    async def _put_back(self, passed: ReviewPass, left: Collection[Principal]) -> None:
        """Put what a pass still has to do on the agenda, unless it's already there."""
        due = self.transitions.clock() + LOST
        if not passed.is_read:
            await self.agenda.put(Item(ItemKind.REVIEW_PAGE, passed.token), due)
        for owner in left:
            await self.agenda.put(Item(ItemKind.REVIEW, owner), due)

    async def _show_in_channel(self, owner: Principal, review: Review, since: datetime) -> None:
        """Ask the channel about an owner's keys, instead of everyone who wasn't reached."""
        last = await self.keeps.reviewed(owner)
        if last is None or (last.shown_at and _is_one_pass(last.shown_at, since, review)):
            return
        found = (await self.digests.of(owner, review, last.at)).items()
        rest = {to: each for to, each in found if not each.is_empty and not _is_asked(owner, to, last, review)}
        if not rest:
            return
        whole = await self._listing(owner, review.channel, together(list(rest.values())), last)
        if place := await self._send(review.channel, whole):
            asked = [each for each in last.sent if each[1].channel != review.channel]
            sent = (*asked, *((to, place) for to in rest))
            await self.keeps.remember(owner, replace(last, sent=sent, shown_at=self.transitions.clock()))

    async def _say_how_many(self, backlog: Backlog, channel: str) -> None:
        try:
            await self.notifier.backlog(channel, backlog)
        except Undeliverable as error:
            if not error.lasting:
                raise
            log.warning("couldn't deliver a review to its channel", extra={"to": channel, "why": error.reason})

    async def _listing(self, owner: Principal, to: str, digest: Digest, review: Reviewed) -> Digest:
        """The digest to draw. Stores its list of keys for the buttons first."""
        now, keys = self.transitions.clock(), tuple(each.key.id for each in digest.keys[:OFFERED])
        await self.cache.put(_list_name(owner, to), keys, tuple[KeyId, ...], now=now, keep=LIST_KEPT)
        return replace(digest, is_baseline=digest.is_older_than(review.beginning))

    async def _send(self, to: str, digest: Digest) -> CardAt | None:
        """Send a digest. Returns None if Slack can't reach this person or channel."""
        try:
            return await self.notifier.digest(to, digest, None)
        except Undeliverable as error:
            if not error.lasting:
                raise
            log.warning("couldn't deliver a review", extra={"to": to, "why": error.reason})
        return None

    async def _draw_again(self, owner: Principal, review: Review) -> None:
        """Update the messages of the last review; sends no new ones."""
        last = await self.keeps.reviewed(owner)
        if last is None or not last.sent:
            return
        digests = await self.digests.of(owner, review, last.at)
        for place in dict.fromkeys(place for _, place in last.sent):
            readers, is_channel = [to for to, each in last.sent if each == place], place.channel == review.channel
            to, said = review.channel if is_channel else readers[0], [digests[to] for to in readers if to in digests]
            digest = together(said) if said and is_channel else next(iter(said), None)
            digest = await self._listing(owner, to, digest or await self._nothing(owner, to, digests, review), last)
            try:
                await self.notifier.digest(to, digest, place)
            except Undeliverable as error:
                if not error.lasting:
                    raise
                log.warning("couldn't update a review message", extra={"to": to, "why": error.reason})

    async def _nothing(self, owner: Principal, to: str, digests: Mapping[str, Digest], review: Review) -> Digest:
        """The digest for a reader to whom there is nothing left to say."""
        is_channel = to == review.channel
        other = next(iter(digests.values()), None)
        whose = other.owner if other else (await self.recipients.known(owner)).owner
        audience: Audience = "owner" if whose and whose.kind == "user" and not is_channel else "channel"
        return Digest(whose, audience, self.transitions.clock(), review.older_than)


def in_turn(reviewed: Mapping[Principal, Reviewed]) -> tuple[Principal, ...]:
    """The owners with something waiting, in order.

    Longest ago (or never) shown in the channel first, then by how much.
    """

    def place(owner: Principal) -> tuple[float, int, str]:
        each = reviewed[owner]
        return each.shown_at.timestamp() if each.shown_at else 0.0, -each.waiting, owner

    return tuple(sorted((owner for owner, each in reviewed.items() if each.waiting), key=place))


def _is_one_pass(one: datetime, other: datetime, review: Review) -> bool:
    """Whether two times are in one pass: less than half an interval apart, as clocks may differ by seconds."""
    return abs(one - other) < review.every / 2


def _is_asked(owner: Principal, to: str, done: Reviewed, review: Review) -> bool:
    """Whether this reader has a message of this pass. A message in the channel may be of an earlier one."""
    sent = (each for each, place in done.sent if owner == ORGANIZATION or place.channel != review.channel)
    return to in sent


def _list_name(owner: Principal, to: str) -> str:
    return f"review:{owner}:{to}"


def _must_say_why(reason: str) -> None:
    problem = "Enter a reason." if is_blank(reason) else text_problem(reason, LIMITS["reason"])
    if problem:
        raise Refused(f"{problem} Nothing changed.")
