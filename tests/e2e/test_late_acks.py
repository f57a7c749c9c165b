"""S4: whenever Slack applies the answer to a submit, the page that comes of it is what stays."""

import copy
from functools import partial
from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack import payloads
from sandbox.slack.blocks import Json, plain_words
from sandbox.slack.delivery import Envelope
from sandbox.slack.manners import Manners, Plan
from tests.support.play import Play, play
from tests.support.walks import obtain
from tests.support.wishes import Wish

AFTER_AN_UPDATE: Plan = (1, 2.0)
"""Once the bot has updated the view meanwhile; but two seconds late at most, for Slack waits for nobody."""
ACKS: dict[str, Plan] = {"at once": (0, 0.0), "after an update": AFTER_AN_UPDATE, "a second late": (0, 1.0)}


def shows(it: Play, text: str) -> bool:
    return any(text in words for words in plain_words(it.dana.front()))


def is_waiting(it: Play) -> bool:
    return shows(it, "One moment") or shows(it, "Checking with") or shows(it, "Asking Confluent")


def stands(it: Play, text: str) -> bool:
    return it.dana.sees(text) and not is_waiting(it)


def plan(it: Play, ack: Plan, external_id: str = "adopted") -> None:
    it.stage.slack.manners.set("acks", "late")
    it.stage.slack.manners.set("acked_external_id", external_id)
    it.stage.slack.manners.next_acks.append(ack)


@pytest.mark.parametrize("ack", ACKS)
async def test_the_review_page_and_the_word_that_it_was_sent_stay(tmp_path: Path, ack: str) -> None:
    async with play(tmp_path) as it:
        await it.fill_in()
        plan(it, ACKS[ack])
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert not is_waiting(it)

        plan(it, ACKS[ack])
        await it.dana.submit()
        await it.dana.see("Request sent")
        assert not is_waiting(it)


async def test_a_slack_that_takes_no_external_id_over_gets_the_page_when_the_answer_is_surely_there(
    tmp_path: Path,
) -> None:
    async with play(tmp_path) as it:
        await it.fill_in()
        for page in ("Review your request", "Request sent."):  # the second time it is known
            plan(it, (0, 0.5), "ignored")
            await it.dana.submit()
            await it.dana.see(page)
            assert not is_waiting(it)


async def test_a_list_that_was_searched_stays(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        key = await obtain(it, Wish(name="short"))
        await it.dana.command("/apikey list")
        await it.dana.see(key)
        await it.dana.type("Search", "nothing of that name")
        plan(it, AFTER_AN_UPDATE)
        await it.dana.submit()
        await it.dana.see("No keys match.")
        assert not is_waiting(it)


async def test_a_denial_stays_denied_on_its_page(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        await it.erin.fill({"Reason": "Not yet"})
        plan(it, AFTER_AN_UPDATE)
        await it.erin.submit()
        await it.erin.see("can see your reason")


async def test_a_modal_that_is_closed_before_its_answer_came_is_not_missed(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in()
        plan(it, (0, 0.3))
        await it.dana.submit()
        await it.dana.close()
        await it.dana.command("/apikey create")
        await it.dana.see("Resource scope")
        assert it.dana.notices == []


async def deliver_twice(it: Play) -> tuple[Json, Json, Json]:
    """Dana's modal, and both answers to a submit that Slack delivers twice; none of them is applied yet."""
    slack, view = it.stage.slack, it.dana.front()
    slack.views.keep_state(view, it.dana.typed.get(view["id"], {}))
    person = slack.workspace.people[it.dana.user]
    trigger = slack.views.new_trigger(person.slack)
    payload = payloads.view_submission(person, slack.views.as_sent(view), trigger=trigger)
    envelopes = [Envelope("interactive", copy.deepcopy(payload), takes_answer=True) for _ in range(2)]
    first, second = [await slack.delivery.send(each, person.slack) for each in envelopes]
    return view, first, second


@pytest.mark.parametrize("external_id", ["adopted", "ignored"])
async def test_a_submit_that_slack_delivers_twice_ends_on_the_page_that_it_leads_to(
    tmp_path: Path, external_id: str
) -> None:
    async with play(tmp_path, manners=Manners(acked_external_id=external_id)) as it:
        take = it.stage.slack.interactions._take_submit_answer
        await it.fill_in()
        for page in ("Review your request", " sent."):  # or "was already sent."
            view, first, second = await deliver_twice(it)
            take(it.dana.user, view, first)
            if external_id == "adopted":  # else Latchkey goes by the time, three seconds of which an answer may take
                await it.dana.wait_for(partial(stands, it, page), page)
            take(it.dana.user, it.dana.front(), second)
            await it.dana.wait_for(partial(stands, it, page), page)
        await it.until(lambda: len(it.cards()) == 1, "one card")


async def test_a_first_answer_that_is_lost_leaves_nobody_waiting(tmp_path: Path) -> None:
    async with play(tmp_path, manners=Manners()) as it:
        await it.fill_in()
        view, _, second = await deliver_twice(it)
        it.stage.slack.interactions._take_submit_answer(it.dana.user, view, second)
        await it.dana.see("Review your request")


async def test_an_answer_that_is_later_than_ever_does_not_stay_either(tmp_path: Path) -> None:
    async with play(tmp_path, manners=Manners()) as it:
        await it.fill_in()
        it.stage.slack.manners.set("acks", "late")
        it.stage.slack.manners.next_acks.append((0, 4.2))
        await it.dana.submit()
        await it.dana.wait_for(lambda: not is_waiting(it) and shows(it, "Review your request"), "the review page")


async def test_a_page_that_slack_refuses_for_a_moment_comes_all_the_same(tmp_path: Path) -> None:
    async with play(tmp_path, manners=Manners()) as it:
        await it.ask()
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        await it.erin.fill({"Reason": "Not yet"})
        it.stage.slack.faults.method, it.stage.slack.faults.rate_limited = "views.update", 1
        await it.erin.submit()
        await it.erin.see("can see your reason")
