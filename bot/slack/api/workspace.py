"""The workspace that Latchkey serves: who we are in it, and whether the approvals channel will do."""

from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import Undeliverable
from bot.domain.keys import TeamId
from bot.services.people.identity import Tenant
from bot.slack.api.client import call
from bot.slack.api.proxies import routed


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
    )


async def app_token_problem(client: AsyncWebClient, token: str) -> str | None:
    """What is wrong with the app-level token; None when Slack takes it. Bolt itself would try a bad one for ever."""
    bearer = routed(AsyncWebClient(token=token, base_url=client.base_url, session=client.session))
    try:
        await call(bearer, "apps.connections.open", {}, form=True)
    except Undeliverable as error:
        return error.reason
    return None


async def channel_problem(client: AsyncWebClient, channel: str) -> str | None:
    """Why cards cannot go to this channel, and what to do; None when they can."""
    try:
        answer = await call(client, "conversations.info", {"channel": channel}, form=True)
    except Undeliverable as error:
        return f"Slack shows Latchkey no channel {channel} ({error.reason}): correct the id, or invite Latchkey there."
    found: dict[str, Any] = answer["channel"]
    if found.get("is_ext_shared"):
        return f"The channel {channel} is shared with another organisation: choose one that only your own people see."
    if found.get("is_archived"):
        return f"The channel {channel} is archived: choose another one."
    # Slack may leave it out; a private channel that the bot is not in is "not found" before that.
    if found.get("is_member") is False:
        return f"Latchkey is not in the channel {channel}: invite it with /invite."
    return None
