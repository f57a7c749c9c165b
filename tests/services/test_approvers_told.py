"""The people who approved a request learn in a new message that it came to nothing: below its card, or directly."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bot.domain.keys import Person, RequestId, SlackUserId
from bot.domain.requests import Failed, Pending, Request, Unclaimed
from bot.services.commands import Approve, Cancel, Deny, Replace, Show
from bot.services.messages import surfaces
from bot.services.surfaces import Surface
from bot.slack.api.notifier import _place, drawn
from sandbox.slack.blocks import plain_words
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI, HOUR
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
DIRECT = f"approvers:{ERIN.slack}"
NO_KEY: dict[int | tuple[str, int], Fault] = {("cloud.create_key", 0): Fault.REFUSED_BEFORE}


@asynccontextmanager
async def approved_by_erin(
    *, needed: int, joined: Sequence[SlackUserId] = (ERIN.slack,), refused: bool = True
) -> AsyncIterator[World]:
    """A request that Erin has approved, and that needs the approval of so many; its key is `refused`."""
    async with a_world(Plan(), approvals=needed) as world:
        world.slack.joined_by["C01"] = joined
        await world.seed(build.pending(terms=build.terms(approvals=needed)))
        world.start()
        world.plan.faults = NO_KEY if refused else {}
        await world.click(Approve(R1), ERIN)
        await world.work_now()
        yield world


def told(world: World) -> list[tuple[str, list[Request]]]:
    """The messages to approvers, each with the states that it showed."""
    every = [(versions[0][0], [state for _, state in versions]) for versions in world.slack.messages.values()]
    return [each for each in every if each[0].partition(":")[0] == "approvers"]


def words(surface: str, request: Request) -> str:
    blocks, notification = drawn(Surface.parse(surface), request, "")
    return "\n".join([*plain_words(list(blocks)), notification])


async def test_an_approval_that_could_not_be_carried_out_is_told_below_the_card() -> None:
    async with approved_by_erin(needed=1) as world:
        ((surface, (failed,)),) = told(world)
        assert isinstance(failed, Failed)
        assert surface == "approvers"
        card = world.slack.beside["approvers"]
        assert card is not None
        assert str(card.surface) == "card"

        blocks, notification = drawn(Surface.parse(surface), failed, "", card)
        assert {"type": "user", "user_id": ERIN.slack} in blocks[0]["elements"][0]["elements"]
        assert notification.startswith(f"<@{ERIN.slack}> Failed: ")
        assert "not authorised" not in str(blocks)  # the card right above says it


async def test_an_approver_who_is_not_in_the_channel_is_told_directly_and_not_mentioned() -> None:
    async with approved_by_erin(needed=1, joined=[FEMI.slack]) as world:
        ((surface, (failed,)),) = told(world)
        assert surface == DIRECT
        assert f"<@{ERIN.slack}>" not in words(surface, failed)


@pytest.mark.parametrize(
    ("deed", "by", "word"),
    [(Deny(R1, "No."), FEMI, "Denied"), (Cancel(R1), DANA, "Cancelled"), (None, DANA, "Expired")],
)
async def test_the_first_of_two_approvers_learns_that_the_second_one_never_came(
    deed: Deny | Cancel | None, by: Person, word: str
) -> None:
    async with approved_by_erin(needed=2) as world:
        assert isinstance(await world.state(), Pending)
        assert told(world) == []
        if deed:
            await world.click(deed, by)
        await world.settle()

        ((surface, (ended,)),) = told(world)
        assert word in words(surface, ended)


async def test_where_somebody_removed_the_card_they_learn_it_in_its_channel() -> None:
    async with approved_by_erin(needed=2) as world:
        for place in [place for place, versions in world.slack.messages.items() if versions[0][0] == "card"]:
            del world.slack.messages[place]
        await world.click(Deny(R1, "No."), FEMI)
        await world.settle()

        ((surface, (denied, *_)),) = told(world)
        assert (surface, world.slack.beside[surface]) == ("approvers", None)
        assert "No." in words(surface, denied)
        assert _place(Surface.parse(surface), denied) == denied.terms.channel


async def test_who_denied_what_they_had_approved_knows_that() -> None:
    async with approved_by_erin(needed=2) as world:
        await world.click(Deny(R1, "No."), ERIN)
        await world.settle()
        assert told(world) == []


async def test_approvers_learn_once_that_the_secret_was_never_viewed() -> None:
    async with approved_by_erin(needed=1, refused=False) as world:
        await world.settle(2 * DAY)
        ((surface, states),) = told(world)
        assert isinstance(states[-1], Unclaimed)
        assert "you approved it." in words(surface, states[-1])  # the card right above says why
        await world.settle(30 * DAY)
        assert len(told(world)) == 1


async def test_a_secret_that_may_not_have_arrived_can_be_replaced_and_approvers_are_told_nothing() -> None:
    async with a_world(Plan({("notifier.hand_over", 0): Fault.ERROR_AFTER})) as world:
        await world.seed(build.pending())
        world.start()
        for deed, by in ((Approve(R1), ERIN), (Show(R1, 1), DANA), (Replace(R1, 1), DANA)):
            await world.click(deed, by)
            await world.work_now()
            assert told(world) == []


async def test_what_an_older_version_approved_is_told_nobody() -> None:
    failed = build.states()["failed"]
    assert isinstance(failed, Failed)
    older = replace(failed, approvals=(build.an_approval(ERIN),))
    assert [each.kind for each in surfaces(older) if each.kind.value == "approvers"] == []


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("call", ["requests.commit", "notifier.publish", "posts.put", "agenda.settle"])
async def test_a_fault_keeps_the_news_from_nobody(call: str, fault: Fault) -> None:
    async with approved_by_erin(needed=2) as world:
        world.plan.calls.clear()
        world.plan.faults = {(call, nth): fault for nth in (0, 2)}
        await world.click(Cancel(R1), DANA)
        await world.settle(HOUR)
        # A post of which nobody heard is there twice, as with every message.
        assert 1 <= len(told(world)) <= 3
