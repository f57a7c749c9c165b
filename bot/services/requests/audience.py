"""The people who are told of a new request: on its card if they are members of its channel, else in a direct message.

A mention notifies people when it is posted; one that an edit adds may not. So the card waits a few seconds for names.
If the search takes longer, the card goes out without mentions, and the people get direct messages once they are known.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.domain.approvals import NOBODY, Terms
from bot.domain.authority import Target
from bot.domain.errors import CloudRefused, Unavailable
from bot.domain.keys import Marker, MyAccount, Operation, Owner, SlackUserId
from bot.domain.requests import Ask
from bot.services.people.candidates import Candidate, Candidates, closest
from bot.services.ports.slack import Channels

SEARCHED_WITHIN = 5.0
"""Seconds that a new request waits for the search for people who can approve it."""
MOST_OWNERS = 5
"""How many owners of an account are told about a change of its key."""
MEMBERS_WITHIN = 2.0
"""Seconds to wait for the members of a channel."""
log = logging.getLogger("latchkey.audience")


@dataclass(frozen=True, slots=True)
class Told:
    """The people who are told about a new request. They are recorded with it, so no crash tells them twice."""

    mentioned: tuple[SlackUserId, ...] = ()
    messaged: tuple[SlackUserId, ...] = ()


@dataclass(frozen=True, slots=True)
class Notices:
    """Finds out who gets a message about a request."""

    candidates: Candidates
    channels: Channels
    owners: Callable[[Owner], Awaitable[Sequence[SlackUserId]]]
    """The people in Slack who own an account: the user, or the owners of a service account."""

    async def able(self, ask: Ask, terms: Terms, *, fresh: bool) -> Sequence[Candidate] | None:
        """The people who could approve; None if Slack or Confluent Cloud doesn't answer in time.

        The request is opened even then: the search only spares people a request that no one could approve.
        """
        try:
            async with asyncio.timeout(SEARCHED_WITHIN):
                return await self.candidates.of(Target.of(ask), ask.requester, terms.approvers, fresh=fresh)
        except (Unavailable, TimeoutError) as error:
            log.warning(
                "couldn't look up the approvers to notify",
                extra={"request": ask.id, "why": str(error) or "it took too long"},
            )
            return None

    async def of(self, ask: Ask, terms: Terms, able: Sequence[Candidate]) -> Told:
        """The people closest to the key; nobody if the rule itself names people, or no one, to tell."""
        if terms.notify:
            return Told()
        people = tuple(dict.fromkeys(each.slack for each in closest(able, ask.id) if each.slack))
        joined = await members(self.channels, terms.channel) if people else frozenset[SlackUserId]()
        return Told(
            mentioned=tuple(each for each in people if each in joined),
            messaged=tuple(each for each in people if each not in joined),
        )

    async def owners_of(self, ask: Ask, terms: Terms) -> tuple[SlackUserId, ...] | None:
        """The owners to tell about a change that needs no approval, at most `MOST_OWNERS`.

        None for a new key, or for the requester's own. If the search fails, nobody is told: that doesn't delay the
        change, and its card is posted in any case.
        """
        is_own = isinstance(ask.owner, MyAccount) and ask.owner.id == ask.requester.principal
        if ask.operation is Operation.CREATE or is_own:
            return None
        if terms.notify == NOBODY or _is_told_anyway(ask):
            return ()
        try:
            async with asyncio.timeout(SEARCHED_WITHIN):
                found = await self.owners(ask.owner)
        except (Unavailable, CloudRefused, TimeoutError) as error:
            log.warning(
                "couldn't look up the account's owners, so they weren't notified",
                extra={"request": ask.id, "why": str(error) or "it took too long"},
            )
            return ()
        return tuple(each for each in dict.fromkeys(found) if each != ask.requester.slack)[:MOST_OWNERS]


def _is_told_anyway(ask: Ask) -> bool:
    """Whether the key's owner requested it from Latchkey, which tells them about its end."""
    is_made_here = ask.key is not None and Marker.find(ask.key.description) is not None
    return ask.operation is Operation.DELETE and isinstance(ask.owner, MyAccount) and is_made_here


async def members(channels: Channels, channel: str) -> frozenset[SlackUserId]:
    """The members of a channel; empty if Slack doesn't answer in time, and then everyone gets a message."""
    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(MEMBERS_WITHIN):
            return frozenset(await channels.joined(channel))
    return frozenset()
