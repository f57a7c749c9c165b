"""`doctor` counts people of whom Slack confirms no e-mail address, and says what mends it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from unittest import mock

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.keys import Principal, SlackUserId
from bot.domain.policy import Policy, RoleMapping, without_a_file
from bot.slack.api import people as module
from bot.slack.api.people import unconfirmed
from sandbox.cast import APPROVALS_CHANNEL, BOT_USER
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import BOT_TOKEN
from sandbox.slack.workspace import PLATFORM_GROUP

POLICY = without_a_file(APPROVALS_CHANNEL)
OLGA, RAVI = SlackUserId("U0OLGA"), SlackUserId("U0RAVI")


@pytest.fixture
def slack() -> Slack:
    slack = Slack(lambda: datetime.now(UTC))
    slack.workspace.channels[APPROVALS_CHANNEL].members = {BOT_USER, "U0ERIN", "U0DANA", "U0GUS"}
    return slack


@pytest.fixture
async def client(slack: Slack) -> AsyncIterator[AsyncWebClient]:
    async with running(slack) as url:
        client = AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/")
        client.retry_handlers.clear()
        yield client


def unconfirm(slack: Slack, **people: bool | None) -> None:
    """What Slack says of these people's addresses; None: nothing."""
    for user, said in people.items():
        slack.workspace.people[user] = replace(slack.workspace.people[user], is_email_confirmed=said)


async def text(client: AsyncWebClient, policy: Policy = POLICY) -> str:
    return (await unconfirmed(client, policy)).text


async def test_members_of_channels_are_counted_page_by_page(client: AsyncWebClient, slack: Slack) -> None:
    with mock.patch.object(module, "PAGE", 1):
        assert (await text(client)) == "0 of 2 people have no confirmed email address in Slack."

        unconfirm(slack, U0ERIN=None)
        assert (await unconfirmed(client, POLICY)).users == ("U0ERIN",)
        assert await text(client) == "1 of 2 people has no confirmed email address in Slack."


async def test_members_of_groups_count_unless_the_policy_says_who_they_are(
    client: AsyncWebClient, slack: Slack
) -> None:
    unconfirm(slack, **{OLGA: None, RAVI: False})
    policy: Policy = replace(POLICY, mappings=(RoleMapping(PLATFORM_GROUP, "OrganizationAdmin"),))
    assert (await text(client, policy)).startswith("2 of 4 people have no confirmed")
    named = replace(policy, people={OLGA: Principal("u-olga01")})
    assert (await text(client, named)).startswith("1 of 3 people has no confirmed")


async def test_not_everybody_is_looked_at_and_that_is_said(client: AsyncWebClient, slack: Slack) -> None:
    with mock.patch.object(module, "MOST", 1):
        assert (await text(client)).endswith("Only the first 1 were checked.")
    slack.faults.method, slack.faults.rate_limited = "users.info", -1
    assert "Slack didn't show the others" in await text(client)


async def test_a_channel_that_slack_does_not_show_is_left_out(client: AsyncWebClient) -> None:
    assert (await text(client, without_a_file("C0NOSUCH"))).startswith("0 of 0 people")
