"""The people who are told of a request whose rule names no one, on its card or in a direct message."""

import re
from pathlib import Path

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json
from tests.e2e.test_reminders import copies, nobody_else, told
from tests.support.play import Play, play
from tests.support.wishes import IN_DEV, ask, buttons, later, posted, words_of

SILENT = "version: 1\ndefaults: {notify: none}\n"
CLOSEST = ("U0SAMI", "U0ERIN", "U0INES", "U0OLGA", "U0RAVI")
"""The owner of the service account, who administers the environment, and three with a role on the organization."""


def mentioned(message: Json) -> list[str]:
    """The people whom a message mentions, in order."""
    return re.findall(r"'type': 'user', 'user_id': '(\w+)'", str(message["blocks"]))


def leave(it: Play, *users: str) -> None:
    """These people are not in the approvals channel."""
    it.stage.slack.workspace.channels[APPROVALS_CHANNEL].members -= set(users)


async def test_those_closest_to_the_key_are_mentioned_and_who_is_not_in_the_channel_gets_a_message(
    tmp_path: Path,
) -> None:
    async with play(tmp_path) as it:
        leave(it, "U0SAMI", "U0OLGA")
        sami = it.person("U0SAMI")
        card = await ask(it, it.dana, IN_DEV)
        await told(it, U0SAMI=1, U0OLGA=1)
        assert [each for each in CLOSEST if each in mentioned(card)] == ["U0ERIN", "U0INES", "U0RAVI"]
        assert "U0ERIN" in card["text"], "what Slack shows beside the bell"
        nobody_else(it, "U0SAMI", "U0OLGA")
        await it.dana.see("Latchkey notified")

        await sami.click("Approve", in_channel=sami.dm)
        await it.key_is_there()
        await sami.wait_for(lambda: buttons(*posted(it, sami.dm)) == [], "a copy without buttons")
        assert copies(it, "U0SAMI", "U0OLGA") == {"U0SAMI": 1, "U0OLGA": 1}


async def test_those_who_have_not_decided_are_reminded_after_four_and_twelve_hours(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, IN_DEV)
        nobody_else(it)
        await later(it, hours=4.1)
        await told(it, **dict.fromkeys(CLOSEST, 1))
        await later(it, hours=8)
        await told(it, **dict.fromkeys(CLOSEST, 2))
        await it.approve()
        await it.key_is_there()


async def test_a_silent_rule_tells_and_reminds_nobody(tmp_path: Path) -> None:
    async with play(tmp_path, policy=SILENT) as it:
        leave(it, "U0SAMI")
        card = await ask(it, it.dana, IN_DEV)
        assert not set(mentioned(card)) & set(CLOSEST)
        await later(it, hours=13)
        await it.dana.command("/apikey requests")
        await it.dana.see("Your requests")
        nobody_else(it)
        assert "notified" not in words_of(card)


async def test_a_slack_that_does_not_answer_the_search_holds_up_no_card(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        faults = it.stage.slack.faults
        faults.method, faults.failing = "conversations.members", -1
        card = await ask(it, it.dana, IN_DEV)
        await told(it, **dict.fromkeys(CLOSEST, 1))
        assert not set(mentioned(card)) & set(CLOSEST)
        faults.reset()
