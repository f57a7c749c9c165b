"""Who we are in a workspace, and whether its channels and our tokens will do, against the sandbox's Slack."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import Undeliverable
from bot.slack.api.workspace import app_token_problem, channel_problem, introduce
from sandbox import cast
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN


@pytest.fixture
def slack() -> Slack:
    return Slack(lambda: datetime.now(UTC))


@pytest.fixture
async def client(slack: Slack) -> AsyncIterator[AsyncWebClient]:
    async with running(slack) as url:
        yield AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/", retry_handlers=[])


async def test_we_know_whose_workspace_it_is_and_who_we_are_there(client: AsyncWebClient) -> None:
    found = await introduce(client)

    assert (found.team, found.enterprise, found.bot_user) == (cast.TEAM, cast.ENTERPRISE, cast.BOT_USER)
    assert not found.is_whole_organization


async def test_a_bad_token_is_told_by_slacks_own_word(client: AsyncWebClient) -> None:
    client.token = "xoxb-nobody"
    with pytest.raises(Undeliverable, match="invalid_auth"):
        await introduce(client)

    assert await app_token_problem(client, APP_TOKEN) is None
    assert await app_token_problem(client, BOT_TOKEN) == "not_allowed_token_type"


async def test_a_channel_will_do_when_we_are_in_it_and_nobody_from_elsewhere_is(
    client: AsyncWebClient, slack: Slack
) -> None:
    channel = slack.workspace.channels[cast.APPROVALS_CHANNEL]
    slack.manners.set("is_member", "there")
    assert await channel_problem(client, channel.id) is None

    channel.is_ext_shared = True
    assert "shared with another organization" in str(await channel_problem(client, channel.id))
    channel.is_ext_shared, channel.is_archived = False, True
    assert "archived" in str(await channel_problem(client, channel.id))
    channel.is_archived = False
    channel.members.remove(cast.BOT_USER)
    assert "channel_not_found" in str(await channel_problem(client, channel.id)), "a private one"
    channel.is_private = False
    assert "/invite" in str(await channel_problem(client, channel.id))
    assert "channel_not_found" in str(await channel_problem(client, "C0NOSUCH"))
