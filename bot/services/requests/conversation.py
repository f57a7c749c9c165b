"""Questions of approvers and replies of the requester, below the card of a request that waits for approval.

A text is stored with the request only until it's posted. A question also stays in the record of its message to the
requester, which is drawn again without its button once the request is decided. Slack has no idempotent posting: a crash
right after a post may repeat it, as with every message.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.audit import Action
from bot.domain.conversation import Remark
from bot.domain.errors import Refused
from bot.domain.keys import Person
from bot.domain.requests import Pending, Request
from bot.services.commands import Click, Question, Reply
from bot.services.ports.slack import Channels
from bot.services.ports.store import Posts, Stored
from bot.services.requests.audience import members
from bot.services.requests.deciders import Deciders, called
from bot.services.requests.transitions import Transitions
from bot.services.surfaces import of_said

MOST = 20
"""How many questions one request may have, and how many replies."""
LOOK = timedelta(seconds=10)
"""How soon Latchkey checks whether a text was posted."""
AGAIN = timedelta(minutes=1)
GIVEN_UP = timedelta(hours=1)
"""How long a text is kept that Slack doesn't accept."""


@dataclass(frozen=True, slots=True)
class Conversations:
    """What approvers and requesters write to each other."""

    transitions: Transitions
    deciders: Deciders
    posts: Posts
    channels: Channels

    async def can_ask(self, deed: Question, click: Click) -> Pending:
        """The request, if this person may ask about it now. Raises `Refused` with the reason otherwise."""
        pending = (await self.deciders.for_one_decision().admit(deed, click))[1]
        _must_have_room(pending, deed)
        return pending

    async def ask(self, deed: Question, click: Click) -> str:
        """Send the requester a question. Raises `Refused` unless this person may decide about the request."""
        stored, pending, held_roles = await self.deciders.admit(deed, click)
        requester = f"<@{pending.ask.requester.slack}>"
        sent = f"Your question about {called(pending)} was sent to {requester}."
        answer = f"{sent} Latchkey will notify you when they reply."
        if _is_said(pending, click):
            return answer
        said = self._next(pending, held_roles.person, click, deed)
        event = self.transitions.event(Action.QUESTION_ASKED, deed.request, click.by, number=str(said.number))
        await self.transitions.commit(stored, self._with(pending, said), event)
        return answer

    async def can_reply(self, deed: Reply, click: Click) -> Pending:
        """The request, if this person may reply now. Raises `Refused` with the reason otherwise."""
        pending = (await self._replying(deed, click))[1]
        _must_have_room(pending, deed)
        return pending

    async def reply(self, deed: Reply, click: Click) -> str:
        """Reply to a question. Raises `Refused` for anyone but the requester."""
        stored, pending, asked = await self._replying(deed, click)
        answer = f"Your reply about {called(pending)} was sent to <@{asked.by}>."
        if _is_said(pending, click):
            return answer
        is_direct = asked.by not in await members(self.channels, pending.terms.channel)
        said = replace(self._next(pending, pending.ask.requester, click, deed), to=asked.by, is_direct=is_direct)
        details = {"number": str(said.number), "question": str(asked.number)}
        event = self.transitions.event(Action.QUESTION_ANSWERED, deed.request, click.by, **details)
        await self.transitions.commit(stored, self._with(pending, said), event)
        return answer

    async def forget(self, stored: Stored[Request], pending: Pending) -> None:
        """Remove texts from the record that were posted, or that Slack hasn't accepted for `GIVEN_UP`."""
        now, there = self.transitions.clock(), {post.surface for post in await self.posts.get(pending.ask.id)}
        kept = tuple(
            replace(each, text="") if there.issuperset(of_said(each)) or now >= each.at + GIVEN_UP else each
            for each in pending.said
        )
        again = now + AGAIN if any(each.text for each in kept) else None
        await self.transitions.commit(stored, replace(pending, said=kept, forget_at=again))

    async def _replying(self, deed: Reply, click: Click) -> tuple[Stored[Request], Pending, Remark]:
        """The request and the question."""
        stored, pending = await self.deciders.waiting(deed, click)
        requester = pending.ask.requester
        if (click.by, click.team) != (requester.slack, requester.team):
            await self.deciders.refuse(deed, pending, click, "Only the person who sent this request can reply.")
        asked = next((each for each in pending.said if each.number == deed.number and each.to is None), None)
        if asked is None:
            raise Refused("Latchkey can't find this question. Your reply wasn't sent.")
        return stored, pending, asked

    def _next(self, pending: Pending, by: Person, click: Click, deed: Question | Reply) -> Remark:
        _must_have_room(pending, deed)
        return Remark(click.id, len(pending.said) + 1, by.slack, by.name, deed.text, self.transitions.clock())

    def _with(self, pending: Pending, said: Remark) -> Pending:
        return replace(pending, said=(*pending.said, said), forget_at=self.transitions.clock() + LOOK)


def _must_have_room(pending: Pending, deed: Question | Reply) -> None:
    """Raise `Refused` for one question, or one reply, too many."""
    is_reply = isinstance(deed, Reply)
    if sum((each.to is not None) == is_reply for each in pending.said) >= MOST:
        what = "replies" if is_reply else "questions"
        raise Refused(f"{called(pending)} already has {MOST} {what}. Nothing was sent. Continue in the card's thread.")


def _is_said(pending: Pending, click: Click) -> bool:
    """Whether this very click sent it already, as when it's carried out again after a crash."""
    return any(each.click == click.id for each in pending.said)
