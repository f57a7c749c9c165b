"""Slack users and channels, up to `KEPT` old, because Slack allows about 50 look-ups a minute."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.keys import SlackUserId
from bot.services.ports.slack import Channels, People, Profile
from bot.services.ports.store import Cache, Clock

KEPT = timedelta(minutes=10)
"""Only for choosing whom to tell. Decisions read who someone is at that moment."""


@dataclass(frozen=True, slots=True)
class RememberedPeople:
    """`People`, for choosing the people who are told about a request."""

    people: People
    cache: Cache
    clock: Clock

    async def profile(self, user: SlackUserId) -> Profile | None:
        """The user, up to `KEPT` old; None if Slack doesn't show them. Raises `Unavailable`."""
        return await self._profile(f"profile:{user}", lambda: self.people.profile(user))

    async def by_email(self, email: str) -> Profile | None:
        """The user with this address, up to `KEPT` old; None if there is none. Raises `Unavailable`."""
        address = hashlib.sha256(email.encode()).hexdigest()[:32]  # names of copies are in the clear
        return await self._profile(f"profile-of:{address}", lambda: self.people.by_email(email))

    async def members(self, group: str) -> Sequence[SlackUserId]:
        """The members of a user group, read afresh."""
        return await self.people.members(group)

    async def _profile(self, name: str, ask: Callable[[], Awaitable[Profile | None]]) -> Profile | None:
        cached = await self.cache.get(name, tuple[Profile, ...])
        if cached is not None:
            return next(iter(cached[0]), None)
        found = await ask()
        value = () if found is None else (found,)
        await self.cache.put(name, value, tuple[Profile, ...], now=self.clock(), keep=KEPT)
        return found


@dataclass(frozen=True, slots=True)
class RememberedChannels:
    """`Channels`, up to `KEPT` old."""

    channels: Channels
    cache: Cache
    clock: Clock

    async def joined(self, channel: str) -> Sequence[SlackUserId]:
        """The members of a channel. Raises `Unavailable`."""
        cached = await self.cache.get(f"joined:{channel}", tuple[SlackUserId, ...])
        if cached is not None:
            return cached[0]
        found = tuple(await self.channels.joined(channel))
        await self.cache.put(f"joined:{channel}", found, tuple[SlackUserId, ...], now=self.clock(), keep=KEPT)
        return found

    async def is_open(self, channel: str) -> bool:
        """Whether everyone in the workspace can open the channel. Raises `Unavailable`."""
        cached = await self.cache.get(f"open:{channel}", bool)
        if cached is not None:
            return cached[0]
        found = await self.channels.is_open(channel)
        await self.cache.put(f"open:{channel}", found, bool, now=self.clock(), keep=KEPT)
        return found
