"""An Enterprise Grid: whoever is in our workspace belongs, wherever their home is, and nobody else of the Grid."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from tests.support.play import play
from tests.support.wishes import IN_DEV, ask

ELSEWHERE = "This Slack account belongs to another workspace"


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
        await greta.wait_for(lambda: "Nothing waits for you." in str(greta.home), "her Home")

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
        await it.dana.wait_for(lambda: "Ask again" in str(it.dana.messages()), "the button")
        message = next(each for each in it.dana.messages() if "Ask again" in str(each))
        for user in ("U0ERIN", "U0GRETA", "U0XAVI"):
            channel = it.stage.slack.workspace.dm("U0DANA")
            person = it.person(user)
            await it.press(user, channel.id, message, "Ask again")
            await person.see("This form is of another person's request.")
            assert person.modal is None
        await it.dana.click("Ask again")
        await it.dana.wait_for(lambda: it.dana.modal and it.dana.modal["callback_id"] == "form", "the form")
