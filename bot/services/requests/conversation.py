"""Questions of approvers and the requester's replies, below the card of a request that waits for approval.

A text is on record until it is posted, and no longer. Posting is not idempotent at Slack: a crash right after it may
post one twice, as with every message.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NoReturn

from bot.domain.audit import Action
from bot.domain.conversation import Remark
from bot.domain.decision import refusal
from bot.domain.errors import Refused, plain
from bot.domain.keys import Person, RequestId
from bot.domain.requests import Pending, Request
from bot.services.commands import Click, Question, Reply
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.slack import Channels
from bot.services.ports.store import Posts, Stored
from bot.services.requests.audience import members
from bot.services.requests.refusals import Refusals
from bot.services.requests.transitions import Transitions
from bot.services.surfaces import of_said
from bot.services.text import decided

MOST = 20
"""How many questions one request may have, and how many replies."""
LOOK = timedelta(seconds=10)
"""How soon it is looked whether a text was posted."""
AGAIN = timedelta(minutes=1)
GIVEN_UP = timedelta(hours=1)
"""How long a text is kept that Slack does not take."""


@dataclass(frozen=True, slots=True)
class Conversations:
    """What approvers and requesters say to each other."""

    transitions: Transitions
    directory: Directory
    cloud: Cloud
    refusals: Refusals
    posts: Posts
    channels: Channels

    async def ask(self, deed: Question, click: Click) -> str:
        """Ask the requester. Only people who can approve may."""
        stored, pending = await self._waiting(deed.request)
        requester = f"<@{pending.ask.requester.slack}>"
        answer = f"Question sent to {requester}. Replies appear in the card's thread."
        if _is_said(pending, click):
            return answer
        person = await self._approver(pending, click)
        said = self._next(pending, person, click, deed.text)
        event = self.transitions.event(Action.QUESTION_ASKED, deed.request, click.by, number=str(said.number))
        await self.transitions.commit(stored, self._with(pending, said), event)
        return answer

    async def reply(self, deed: Reply, click: Click) -> str:
        """Reply to a question. Only the requester can."""
        stored, pending = await self._waiting(deed.request)
        requester = pending.ask.requester
        if (click.by, click.team) != (requester.slack, requester.team):
            await self._refuse(pending, click, "Only the person who sent this request can reply.")
        asked = next((each for each in pending.said if each.number == deed.number and each.to is None), None)
        if asked is None:
            raise Refused("Latchkey can't find this question. Your reply wasn't sent.")
        answer = f"Reply sent to <@{asked.by}>."
        if _is_said(pending, click):
            return answer
        is_direct = asked.by not in await members(self.channels, pending.terms.channel)
        said = replace(self._next(pending, requester, click, deed.text), to=asked.by, is_direct=is_direct)
        details = {"number": str(said.number), "question": str(asked.number)}
        event = self.transitions.event(Action.QUESTION_ANSWERED, deed.request, click.by, **details)
        await self.transitions.commit(stored, self._with(pending, said), event)
        return answer

    async def forget(self, stored: Stored[Request], pending: Pending) -> None:
        """Take the texts that were posted off the record; of the others, those that Slack has not taken for long."""
        now, there = self.transitions.clock(), {post.surface for post in await self.posts.get(pending.ask.id)}
        kept = tuple(
            replace(each, text="") if there.issuperset(of_said(each)) or now >= each.at + GIVEN_UP else each
            for each in pending.said
        )
        again = now + AGAIN if any(each.text for each in kept) else None
        await self.transitions.commit(stored, replace(pending, said=kept, forget_at=again))

    async def _waiting(self, request: RequestId) -> tuple[Stored[Request], Pending]:
        stored = await self.transitions.get(request)
        pending = stored.value
        if not isinstance(pending, Pending):
            raise Refused(f"{decided(pending)} Your message wasn't sent.")
        if self.transitions.clock() >= pending.expires_at:
            raise Refused("No one responded in time, so this request has expired. Your message wasn't sent.")
        return stored, pending

    async def _approver(self, pending: Pending, click: Click) -> Person:
        try:
            held_roles = await self.directory.held_roles(await self.directory.identify(click.by, click.team))
        except Refused as error:
            await self._refuse(pending, click, error.tell)
        if (reason := refusal(pending.ask, held_roles)) is not None:
            await self._refuse(pending, click, plain(reason))
        return held_roles.person

    async def _refuse(self, pending: Pending, click: Click, reason: str) -> NoReturn:
        await self.cloud.must_see_all()  # else roles may only not be shown to us
        details = {"reason": reason, "rule": pending.terms.rule, "policy": self.directory.policy().digest}
        await self.refusals.record(Action.APPROVAL_REFUSED, pending.ask.id, click, tried=click.deed.kind, **details)
        raise Refused(f"{reason} Your message wasn't sent.")

    def _next(self, pending: Pending, by: Person, click: Click, text: str) -> Remark:
        is_reply = isinstance(click.deed, Reply)
        if sum((each.to is not None) == is_reply for each in pending.said) >= MOST:
            what = "replies" if is_reply else "questions"
            raise Refused(f"This request has {MOST} {what} already. Continue in the card's thread.")
        return Remark(click.id, len(pending.said) + 1, by.slack, by.name, text, self.transitions.clock())

    def _with(self, pending: Pending, said: Remark) -> Pending:
        return replace(pending, said=(*pending.said, said), forget_at=self.transitions.clock() + LOOK)


def _is_said(pending: Pending, click: Click) -> bool:
    """Whether this very click sent it, as when it is carried out once more after a crash."""
    return any(each.click == click.id for each in pending.said)
