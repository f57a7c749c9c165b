"""What Latchkey does beyond the page, row by row (docs/page.md)."""

from pathlib import Path

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from sandbox.scenarios import LEAKED, post_key
from tests.support.play import play


async def test_anyone_reports_a_key_that_was_posted_and_a_manager_deletes_it(tmp_path: Path) -> None:
    """B1: anyone can report a leaked key, and people who manage it delete or rotate it at once."""
    async with play(tmp_path) as it:
        post_key(it.stage)
        (posted,) = it.erin.messages(GENERAL_CHANNEL)
        await it.erin.message_shortcut(ids.SHORTCUT_LEAKED, GENERAL_CHANNEL, posted["ts"])
        await it.erin.see("Report a leaked API key")
        await it.erin.submit()
        await it.erin.wait_for(lambda: "Rotate now" in str(it.erin.messages(APPROVALS_CHANNEL)), "what is told of it")
        await it.erin.close(everything=True)
        await it.erin.click("Delete now", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("Delete API key")
        await it.erin.fill({"Type CONFIRM to delete this API key": "CONFIRM"})
        await it.erin.submit()

        await it.until(lambda: LEAKED not in it.stage.organization.api_keys, "the deletion")
