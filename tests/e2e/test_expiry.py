"""A key with a lifetime, where Confluent honors, ignores or refuses an end of its own."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json
from tests.e2e.test_keys_view import LIMITED, page
from tests.support.build import DAY
from tests.support.play import Play, play
from tests.support.walks import STEP, buttons_beside, buttons_of, listed, live, obtain, page_of, reads, says, sent
from tests.support.wishes import IN_DEV, later

STOPS = "Anything still using it will stop working."
BY_RULE = ["Maximum allowed: 30 days after approval", "7 days after approval", "30 days after approval"]
"""What a key that has not quite seven days left may be extended by."""


@pytest.mark.parametrize("answer", ["honored", "ignored", "refused"])
async def test_a_key_with_a_lifetime_whatever_confluent_does_with_its_end(
    tmp_path: Path, answer: Literal["honored", "ignored", "refused"]
) -> None:
    async with play(tmp_path, policy=LIMITED) as it:
        it.stage.faults.expires_at = answer
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")

        made = it.stage.organization.api_keys[key]
        if answer == "honored":
            assert made.expires_at is not None
            assert timedelta(days=59) < made.expires_at - made.created_at < timedelta(days=61)
        else:
            assert made.expires_at is None
        assert len(await it.audit("key:create-refused")) == (1 if answer == "refused" else 0)

        await it.dana.command(f"/apikey show {key}")
        await page(it.dana, title="API key", says="Latchkey deletes it then.")

        # Confluent ends it first after all.
        it.stage.organization.end_key(made, made.created_at + timedelta(days=20))
        await it.dana.close()
        await it.dana.command(f"/apikey show {key}")
        await page(it.dana, title="API key", says="Confluent Cloud deletes it then, and no one can change that.")
        assert "key:extend" not in str(it.dana.front())


@pytest.mark.parametrize("answer", ["honored", "ignored", "refused"])
async def test_a_key_is_extended_as_far_as_confluent_lets_it_and_is_told_to_expire(
    tmp_path: Path, answer: Literal["honored", "ignored", "refused"]
) -> None:
    """Two extensions: the first always fits, the second meets Confluent's own end where there is one."""
    async with play(tmp_path, policy=LIMITED) as it:
        it.stage.faults.expires_at = answer
        key = await obtain(it, IN_DEV)
        made = it.stage.organization.api_keys[key]
        await ends(it, key, made.created_at + 30 * DAY)

        await later(it, days=23, hours=1)
        await reads(it, it.dana, key, "expires", "Extend it, or rotate it")
        assert await extend(it, key, "the first time") == BY_RULE
        await ends(it, key, it.stage.clock.now() + 30 * DAY)

        await later(it, days=23, hours=1)
        await it.until(lambda: len(reminders(it, key)) == 2, "the second reminder", step=STEP)
        options = await extend(it, key, "the second time")
        if answer == "honored":
            assert made.expires_at is not None
            assert options == ["Maximum that Confluent allows", "7 days after approval"]
            await confluent_ends_it(it, key, made.expires_at)
        else:
            assert options == BY_RULE
            await latchkey_ends_it(it, key, it.stage.clock.now() + 30 * DAY)


async def confluent_ends_it(it: Play, key: str, end: datetime) -> None:
    """From an extension that was capped to what is said once the key has expired."""
    await ends(it, key, end)
    assert "Confluent Cloud deletes it then, and no one can change that." in await page_of(it.dana, key)
    await it.until(lambda: "Extend" not in buttons_beside(it.dana, f"Your key {key}"), "a message without Extend")
    await later(it, seconds=(end - 7 * DAY - it.stage.clock.now()).total_seconds() + 60)
    await reads(it, it.dana, key, "Confluent Cloud deletes it then, so it can't be extended.")
    assert buttons_of(reminders(it, key)[-1]) == ["Rotate", "Manage key"]

    await later(it, seconds=(end - it.stage.clock.now()).total_seconds() + 60)
    await reads(it, it.dana, "It expired in Confluent Cloud.")
    assert key not in await listed(it.dana)
    assert key not in live(it)
    assert "no longer exists in Confluent Cloud: it expired." in await page_of(it.dana, key)
    assert "Somebody deleted" not in says(it.dana.messages())
    assert [line["actor"] for line in await it.audit("key:retired")] == ["latchkey"]


async def latchkey_ends_it(it: Play, key: str, end: datetime) -> None:
    """From an extension by the rule to the deletion, as ever."""
    await ends(it, key, end)
    assert "Latchkey deletes it then." in await page_of(it.dana, key)
    await later(it, days=30, hours=1)
    await reads(it, it.dana, key, "expired and was deleted")
    await it.until(lambda: key not in live(it), "the deletion")
    assert "no longer exists in Confluent Cloud: it was deleted." in await page_of(it.dana, key)
    assert "expired in Confluent Cloud" not in says(it.dana.messages())


async def ends(it: Play, key: str, end: datetime) -> None:
    """Assert that the list says of this key that it expires then, give or take what the story takes."""
    await it.dana.command("/apikey list")
    await page(it.dana, title="API keys", says=key)
    (row,) = (each["text"]["text"] for each in it.dana.front()["blocks"] if each.get("accessory") and key in str(each))
    await it.dana.close(everything=True)
    found = re.search(r" expires <!date\^([0-9]+)\^", row)
    assert found, row
    moment = datetime.fromtimestamp(int(found[1]), UTC)
    assert abs(moment - end) < timedelta(minutes=10)


async def extend(it: Play, key: str, reason: str) -> list[str]:
    """Dana extends the key from its newest reminder, as far as she may, and Erin approves; the options there were."""

    def extensions() -> int:
        return sum("The key was extended" in says(each) for each in it.dana.messages())

    before = extensions()
    await it.dana.click("Extend", beside=STOPS, in_channel=it.dana.dm)
    await page(it.dana, title="Extend API key")
    options = await it.dana.options("lasts")
    await it.dana.fill({"Reason": reason})
    await sent(it.dana, "Request sent.")
    await it.card_says(reason)
    await it.erin.click("Approve", beside=reason, in_channel=APPROVALS_CHANNEL)
    await it.until(lambda: extensions() > before, "that it worked")
    return options


def reminders(it: Play, key: str) -> list[Json]:
    """The reminders of this key's end that Dana has, oldest first."""
    return [each for each in it.dana.messages() if key in says(each) and STOPS in says(each)]
