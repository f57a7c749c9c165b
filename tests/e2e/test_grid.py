"""An Enterprise Grid: anyone who is in our workspace belongs, wherever their home is, and nobody else of the Grid."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.support.play import play
from tests.support.wishes import IN_DEV, IN_PRODUCTION, OWN_IN_DEV, ask

ELSEWHERE = "Your Slack account belongs to another workspace"
GRETA_IS_KNOWN = """
version: 1
channel: C0APPROVE
people: [{slack: U0GRETA, confluent: u-greta1}]
"""
BY_GROUP = f"""
version: 1
channel: C0APPROVE
roles: {{mappings: [{{group: {PLATFORM_GROUP}, role: EnvironmentAdmin, scope: env-prod01}}]}}
"""


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_member_whose_home_is_another_workspace_asks_lists_and_sees_home(tmp_path: Path, mode: str) -> None:
    async with play(tmp_path, mode=mode) as it:
        greta = it.person("U0GRETA")
        await greta.command("/apikey whoami")
        await greta.see("u-greta1")
        await greta.command("/apikey list")
        await greta.wait_for(lambda: greta.modal and "ORDERS" not in greta.describe(), "a list")
        await greta.close()
        await greta.open_home()
        await greta.wait_for(lambda: "Nothing to approve." in str(greta.home), "her Home")

        await ask(it, greta, IN_DEV)
        await it.approve()
        await greta.click("Show secret")
        await greta.see("I saved it")
        (line,) = await it.audit("request:submitted")
        assert line["actor"] == "U0GRETA"


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_member_whose_home_is_another_workspace_approves(tmp_path: Path, mode: str) -> None:
    async with play(tmp_path, mode=mode) as it:
        greta = it.person("U0GRETA")
        await ask(it, it.dana, replace(IN_DEV, cluster="payments-dev"))
        await greta.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_member_whose_home_is_another_workspace_takes_a_request_back(tmp_path: Path, mode: str) -> None:
    async with play(tmp_path, mode=mode) as it:
        greta = it.person("U0GRETA")
        await ask(it, greta, IN_DEV)
        await greta.click("Cancel request")
        await it.card_says("Cancelled by")


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_the_policy_says_who_a_member_from_another_workspace_is_at_confluent(tmp_path: Path, mode: str) -> None:
    async with play(tmp_path, mode=mode, policy=GRETA_IS_KNOWN) as it:
        people = it.stage.slack.workspace.people
        people["U0GRETA"] = replace(people["U0GRETA"], email="greta@labs.example")  # no Confluent user has it
        greta = it.person("U0GRETA")
        await greta.command("/apikey whoami")
        await greta.see("u-greta1")
        await ask(it, greta, OWN_IN_DEV)
        await it.approve()
        await greta.click("Show secret")
        await greta.see("I saved it")
        (key,) = it.our_keys()
        assert it.stage.organization.api_keys[key].owner == "u-greta1"

        # She decides about others' keys as that user, too.
        await ask(it, it.dana, replace(IN_DEV, cluster="payments-dev"))
        await greta.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.card_says("CloudClusterAdmin on payments-dev (dev)")
        await it.dana.see("Show secret")


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_user_group_gives_a_role_to_a_member_from_another_workspace_and_to_no_outsider(
    tmp_path: Path, mode: str
) -> None:
    async with play(tmp_path, mode=mode, policy=BY_GROUP) as it:
        group = it.stage.slack.workspace.groups[PLATFORM_GROUP]
        group.members = ["U0OMAR"]
        it.stage.slack.workspace.channels[APPROVALS_CHANNEL].members.add("U0IVO")
        greta, ivo = it.person("U0GRETA"), it.person("U0IVO")
        card = await ask(it, it.dana, IN_PRODUCTION)
        await greta.click("Approve", in_channel=APPROVALS_CHANNEL)
        await greta.see("Your Confluent roles don't cover this key")

        group.members = ["U0GRETA", "U0IVO"]
        await it.press("U0IVO", APPROVALS_CHANNEL, card, "Approve")
        await ivo.see(ELSEWHERE)
        assert it.cards() == [card]
        await greta.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.card_says("EnvironmentAdmin on production")
        await it.key_is_there()
        (line,) = await it.audit("request:approved")
        assert line["actor"] == "U0GRETA"


async def test_a_member_of_the_grid_who_is_not_in_our_workspace_is_refused(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,) = it.cards()
        it.stage.slack.workspace.channels[APPROVALS_CHANNEL].members.add("U0IVO")
        ivo = it.person("U0IVO")
        await it.press("U0IVO", APPROVALS_CHANNEL, card, "Approve")
        await ivo.see(ELSEWHERE)
        (line,) = await it.audit("approval:refused")
        assert line["actor"] == "U0IVO"
        assert it.cards() == [card]


async def test_nobody_opens_the_form_of_another_persons_request(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        await it.erin.fill({"Reason": "not now"})
        await it.erin.submit()
        await it.dana.wait_for(lambda: "Request again" in str(it.dana.messages()), "the button")
        message = next(each for each in it.dana.messages() if "Request again" in str(each))
        for user in ("U0ERIN", "U0GRETA", "U0XAVI"):
            channel = it.stage.slack.workspace.dm("U0DANA")
            person = it.person(user)
            await it.press(user, channel.id, message, "Request again")
            await person.see("This is another person's request.")
            assert person.modal is None
        await it.dana.click("Request again")
        await it.dana.wait_for(lambda: it.dana.modal and it.dana.modal["callback_id"] == "form", "the form")
