"""An approver asks, the requester replies: below the card, and in messages to those who would not see it there."""

from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json
from sandbox.slack.person import PersonAtClient
from tests.e2e.test_told_by_default import leave
from tests.support.play import Play, play
from tests.support.walks import says
from tests.support.wishes import IN_DEV, ask, buttons, posted, words_of

WHICH, THAT = "Which topics do you *need*? <@U0OLGA>", "All of orders-*"


def in_thread(it: Play, card: Json) -> list[Json]:
    """The messages below a card."""
    return [each for each in posted(it, APPROVALS_CHANNEL) if each.get("thread_ts") == card["ts"] != each["ts"]]


async def say(it: Play, person: PersonAtClient, button: str, field: str, text: str, *, where: str) -> None:
    """Open the modal, write, and send it."""
    await person.click(button, in_channel=where)
    await person.wait_for(lambda: field in str(person.modal), f"the field {field}")
    await person.fill({field: text})
    await person.submit()
    await person.see("sent to")
    await person.close()


async def test_a_question_and_its_reply_stand_in_the_thread_of_the_card(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        card = await ask(it, it.dana, IN_DEV)
        await say(it, it.erin, "Ask a question", "Question", WHICH, where=APPROVALS_CHANNEL)
        await it.until(lambda: len(in_thread(it, card)) == 1, "the question in the thread")
        await it.dana.see("Erin Castellanos has a question about your request")
        assert WHICH in words_of(*posted(it, it.dana.dm))

        await say(it, it.dana, "Reply", "Reply", THAT, where=it.dana.dm)
        await it.until(lambda: len(in_thread(it, card)) == 2, "the reply in the thread")
        question, reply = in_thread(it, card)
        assert WHICH in words_of(question)
        assert "U0OLGA" not in str(question["blocks"]).replace(WHICH, ""), "a text mentions nobody"
        assert THAT in words_of(reply)
        assert "U0ERIN" in reply["text"]
        assert THAT not in words_of(*posted(it, it.erin.dm)), "she reads it in the channel"

        await it.approve()
        await it.key_is_there()
        assert len(in_thread(it, card)) == 2


async def test_who_is_not_in_the_channel_asks_from_the_copy_and_reads_the_reply_in_a_message(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        leave(it, "U0SAMI")
        sami = it.person("U0SAMI")
        card = await ask(it, it.dana, IN_DEV)
        await it.until(lambda: "Ask a question" in str(posted(it, sami.dm)), "the copy")
        await say(it, sami, "Ask a question", "Question", WHICH, where=sami.dm)
        await it.dana.see("has a question about your request")
        await say(it, it.dana, "Reply", "Reply", THAT, where=it.dana.dm)
        await it.until(lambda: THAT in words_of(*posted(it, sami.dm)), "the reply")
        await it.until(lambda: len(in_thread(it, card)) == 2, "both in the thread")


async def test_a_requester_who_is_not_in_a_private_channel_has_no_link_to_the_card(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, IN_DEV)
        await it.dana.see("Latchkey notified")
        assert "Open the card" not in words_of(*posted(it, it.dana.dm))


async def test_a_requester_who_can_open_the_channel_has_a_link_to_the_card(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.slack.workspace.channels[APPROVALS_CHANNEL].members.add("U0DANA")
        card = await ask(it, it.dana, IN_DEV)
        address = f"/archives/{APPROVALS_CHANNEL}/p{card['ts'].replace('.', '')}"
        await it.until(lambda: address in str(posted(it, it.dana.dm)), "the link")


@pytest.mark.parametrize("answer", ["refused", "posted in the channel"])
async def test_where_the_card_was_removed_the_question_is_in_the_channel_and_says_about_what(
    tmp_path: Path, answer: str
) -> None:
    async with play(tmp_path) as it:
        it.stage.slack.manners.set("lost_thread", answer)
        card = dict(await ask(it, it.dana, IN_DEV))
        await it.erin.click("Ask a question", in_channel=APPROVALS_CHANNEL)
        await it.erin.fill({"Question": WHICH})
        it.stage.slack.workspace.delete(it.stage.slack.workspace.channels[APPROVALS_CHANNEL], card["ts"])
        await it.erin.submit()
        await it.until(lambda: WHICH in words_of(*posted(it, APPROVALS_CHANNEL)), "the question in the channel")
        await it.dana.see("has a question about your request")

        await it.until(lambda: len(posted(it, APPROVALS_CHANNEL)) == 1, "nothing else there")
        (said,) = posted(it, APPROVALS_CHANNEL)
        assert "thread_ts" not in said
        assert "asks about the request orders producer:" in words_of(said)


async def test_people_who_cannot_approve_are_told_so_before_they_write_a_question(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        omar = it.person("U0OMAR")
        card = await ask(it, it.dana, IN_DEV)
        await omar.click("Ask a question", in_channel=APPROVALS_CHANNEL)
        await omar.see("You can't ask about “orders producer”.")
        assert "Question" not in says(omar.front())
        assert in_thread(it, card) == []


async def test_a_question_can_be_answered_until_the_request_is_decided(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, IN_DEV)
        await say(it, it.erin, "Ask a question", "Question", WHICH, where=APPROVALS_CHANNEL)
        await it.dana.see("has a question about your request")
        question = dict(next(each for each in posted(it, it.dana.dm) if WHICH in words_of(each)))
        await it.approve()
        await it.key_is_there()
        await it.until(lambda: "Reply" not in buttons(*posted(it, it.dana.dm)), "the button to go")
        assert any(WHICH in words_of(each) for each in posted(it, it.dana.dm)), "the question stays"

        await it.press("U0DANA", it.dana.dm, question, "Reply")  # a client that has not drawn it anew
        await it.dana.see("approved this request")
        assert "Nothing was sent." in says(it.dana.front())
