"""The main job: ask, approve, make, show once, saved. In both modes."""

from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from tests.support.play import play


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_key_is_asked_for_approved_made_and_shown_once(tmp_path: Path, mode: str) -> None:
    async with play(tmp_path, mode=mode) as it:
        await it.ask()

        await it.approve()
        await it.dana.see("is ready.")
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")

        (key,) = it.our_keys()
        secret = it.stage.organization.secrets_issued[key]
        assert sum(secret in str(each) for each in it.dana.ephemerals) == 1
        assert not it.erin.sees(secret)

        await it.dana.click("I saved it")
        await it.dana.wait_for(lambda: not it.dana.sees(secret), "the secret to go")
        await it.dana.see("you saved the secret for key")
        await it.erin.wait_for(lambda: "Delivered: " in str(it.erin.messages(APPROVALS_CHANNEL)[-1]), "the card")
        # What it took to tell them: two messages to her, one card in the channel, and nothing besides.
        assert [len(it.dana.messages()), len(it.erin.messages(APPROVALS_CHANNEL))] == [2, 1]
        assert [it.erin.messages(it.erin.dm), it.erin.ephemerals, it.dana.ephemerals] == [[], [], []]
