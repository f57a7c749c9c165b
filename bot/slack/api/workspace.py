"""The workspace that Latchkey serves: who we are in it, and whether it accepts our token and our channels.

`Watch` checks now and then, so no probe of `/readyz` has to.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, TokenRefused, Undeliverable
from bot.domain.keys import TeamId
from bot.services.people.directory import Tenant
from bot.services.ports.store import Clock
from bot.slack.api.client import call, routed

EVERY = 300.0
"""Seconds between two looks while all is well."""
SOON = 30.0
"""The same while something is wrong."""
SCOPES: Mapping[str, str] = {
    "commands": "for /apikey",
    "chat:write": "for cards and messages",
    "users:read": "to see who is a guest or deactivated",
    "users:read.email": "to match people with Confluent Cloud",
    "usergroups:read": "for user groups in the policy",
    "channels:read": "for public approvals channels and their members",
    "groups:read": "for private ones",
}
"""The scopes of the manifest, and what each is for."""
log = logging.getLogger("latchkey.slack")


@dataclass(frozen=True, slots=True)
class Workspace:
    """What `auth.test` says about the bot token."""

    team: TeamId
    name: str
    enterprise: str
    bot_user: str
    bot_id: str
    is_whole_organization: bool = False
    """Whether the app is installed for a whole Enterprise Grid organization, and not in one workspace."""
    scopes: frozenset[str] | None = None
    """The scopes of the bot token; None if Slack doesn't say."""

    @property
    def tenant(self) -> Tenant:
        """Whose members Latchkey deals with."""
        return Tenant(self.team, self.enterprise)


async def introduce(client: AsyncWebClient) -> Workspace:
    """Ask Slack who we are. Raises `Undeliverable` with Slack's code for a bad token, `Unavailable` for no answer."""
    answer = await call(client, "auth.test", {})
    team = str(answer.get("team_id") or "")
    return Workspace(
        TeamId(team),
        str(answer.get("team") or ""),
        str(answer.get("enterprise_id") or ""),
        str(answer["user_id"]),
        str(answer.get("bot_id") or ""),
        is_whole_organization=bool(answer.get("is_enterprise_install")) or not team or team.startswith("E"),
        scopes=answer.scopes,
    )


async def app_token_problem(client: AsyncWebClient, token: str) -> str | None:
    """Slack's code for what is wrong with the app-level token; None if Slack accepts it. Raises `Unavailable`.

    Bolt itself would try a bad one forever.
    """
    bearer = routed(AsyncWebClient(token=token, base_url=client.base_url, session=client.session))
    try:
        await call(bearer, "apps.connections.open", {}, form=True)
    except Undeliverable as error:
        return error.reason
    return None


async def channel_problem(client: AsyncWebClient, channel: str) -> str | None:
    """Why cards can't be posted in this channel, and what to do; None if they can."""
    try:
        answer = await call(client, "conversations.info", {"channel": channel}, form=True)
    except Undeliverable as error:
        return f"Latchkey can't see the channel {channel} ({error.reason}): correct the ID, or invite Latchkey there."
    found: dict[str, Any] = answer["channel"]
    if found.get("is_ext_shared"):
        return (
            f"The channel {channel} is shared with another organization: choose one that only your own people can see."
        )
    if found.get("is_archived"):
        return f"The channel {channel} is archived: choose another one."
    # Slack may leave it out; a private channel that the bot is not in is "not found" before that.
    if found.get("is_member") is False:
        return f"Latchkey isn't in the channel {channel}: invite it with /invite."
    return None


@dataclass(slots=True)
class Watch:
    """Checks the token and the channels now and then, and keeps the results until Slack answers differently."""

    client: AsyncWebClient
    look_at_channels: Callable[[], Awaitable[str | None]]
    clock: Clock
    token: str | None = None
    channels: str | None = None
    at: datetime | None = field(default=None, init=False)

    async def run(self) -> None:
        """Check now and then, until cancelled."""
        while True:
            soon = self.token or self.channels
            await asyncio.sleep((SOON if soon else EVERY) * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            await self.look()

    async def look(self) -> None:
        """Ask Slack once. Never raises."""
        try:
            await call(self.client, "auth.test", {})
            self.token, self.channels = None, await self.look_at_channels()
        except Undeliverable as error:
            if isinstance(error, TokenRefused):
                self.token = f"Slack no longer accepts SLACK_BOT_TOKEN ({error.reason}): install the app again"
            else:
                self.token = f"Slack refuses Latchkey ({error.reason}): ask an administrator of the Slack workspace"
            log.error("Slack rejected the bot token", extra={"why": error.reason})  # noqa: TRY400 - one line says it all
            self.at = self.clock()
        except LatchkeyError as error:
            log.warning("couldn't check Slack", extra={"why": str(error)})
        except Exception:
            log.exception("couldn't check Slack")
        else:
            self.at = self.clock()

    def aged(self, verdict: str | None) -> str | None:
        """A result with its age: "… (checked 12 s ago)"."""
        if verdict is None or self.at is None:
            return verdict
        return f"{verdict} (checked {int((self.clock() - self.at).total_seconds())} s ago)"
