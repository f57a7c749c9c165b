"""Who someone is in Slack by e-mail, and who is in a user group, against the sandbox's Slack and a refusing one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bot.domain.errors import Throttled, Unavailable
from bot.slack.api.people import SlackPeople
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.serving import serve
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import BOT_TOKEN
from sandbox.slack.workspace import PLATFORM_GROUP


@pytest.fixture
def slack() -> Slack:
    return Slack(lambda: datetime.now(UTC))


@pytest.fixture
async def people(slack: Slack) -> AsyncIterator[SlackPeople]:
    async with running(slack) as url:
        yield SlackPeople(AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/"))


@pytest.mark.parametrize("address", ["Erin@Acme.example", "erin@acme.example", "ERIN@ACME.EXAMPLE"])
async def test_an_address_is_found_whatever_its_case(people: SlackPeople, address: str) -> None:
    found = await people.by_email(address)

    assert found is not None
    assert (found.id, found.email) == ("U0ERIN", "erin@acme.example")
    assert found == await people.profile(found.id)


@pytest.mark.parametrize("address", ["nobody@acme.example", "lee@acme.example", "xavi@partner.example"])
async def test_unknown_deactivated_and_foreign_addresses_are_nobodys(people: SlackPeople, address: str) -> None:
    assert await people.by_email(address) is None


async def test_a_guest_is_found_as_a_guest(people: SlackPeople) -> None:
    found = await people.by_email("gus@contractor.example")

    assert found is not None
    assert found.is_guest


async def test_a_channel_has_its_members_from_all_pages(
    people: SlackPeople, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = sorted(slack.workspace.channels[APPROVALS_CHANNEL].members)
    monkeypatch.setattr("bot.slack.api.people.PAGE", 3)

    assert await people.joined(APPROVALS_CHANNEL) == everyone

    monkeypatch.setattr("bot.slack.api.people.PAGES", 2)
    assert await people.joined(APPROVALS_CHANNEL) == everyone[:6]


async def test_the_members_of_a_channel_that_slack_hides_are_not_known(people: SlackPeople) -> None:
    with pytest.raises(Unavailable):
        await people.joined("C0HIDDEN")


async def test_a_group_has_its_members_as_they_are_now(people: SlackPeople, slack: Slack) -> None:
    assert await people.members(PLATFORM_GROUP) == ("U0OLGA", "U0RAVI")

    slack.workspace.groups[PLATFORM_GROUP].members[:] = []

    assert await people.members(PLATFORM_GROUP) == ()


async def test_a_group_that_is_disabled_or_unknown_has_nobody(people: SlackPeople, slack: Slack) -> None:
    slack.workspace.groups[PLATFORM_GROUP].is_disabled = True

    assert await people.members(PLATFORM_GROUP) == ()
    assert await people.members("S0NOSUCH") == ()


async def test_a_slack_that_is_busy_or_broken_is_not_an_empty_group(people: SlackPeople, slack: Slack) -> None:
    slack.faults.rate_limited = 1
    with pytest.raises(Throttled):
        await people.members(PLATFORM_GROUP)
    slack.faults.failing = 1
    with pytest.raises(Unavailable):
        await people.by_email("erin@acme.example")


def refusing(code: str) -> Starlette:
    """A Slack that answers everything with this error."""

    async def refuse(_: Request) -> JSONResponse:
        return JSONResponse({"ok": False, "error": code})

    return Starlette(routes=[Route("/api/{method}", refuse, methods=["POST"])])


async def test_on_a_plan_without_user_groups_nobody_is_in_one() -> None:
    async with serve(refusing("plan_upgrade_required")) as url:
        people = SlackPeople(AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/"))

        assert await people.members(PLATFORM_GROUP) == ()


@pytest.mark.parametrize("code", ["missing_scope", "invalid_auth", "an_error_of_next_year"])
async def test_any_other_refusal_is_not_knowing_and_never_nobody(code: str) -> None:
    async with serve(refusing(code)) as url:
        people = SlackPeople(AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/"))

        with pytest.raises(Unavailable, match=code):
            await people.members(PLATFORM_GROUP)
        with pytest.raises(Unavailable, match=code):
            await people.by_email("erin@acme.example")
