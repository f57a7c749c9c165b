"""Questions about a request, and its requester's replies: who may send them, where they appear, and what is kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.audit import Action
from bot.domain.errors import Refused, Undeliverable
from bot.domain.keys import Person, RequestId
from bot.domain.requests import Pending
from bot.services.commands import Approve, Cancel, Deed, Deny, Question, Reply
from bot.services.requests.conversation import GIVEN_UP, MOST
from bot.services.surfaces import ASKED, Surface, SurfaceKind
from bot.slack.api.notifier import _place, drawn
from sandbox.slack.blocks import plain_words
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, ERIN, FEMI, HOUR, OTTO
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
CHANNEL = "C01"
WHICH, THAT = "Which topics?", "All of orders-*."


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        await world.seed(build.pending())
        world.start()
        await world.work_now()
        yield world


async def carried_out(world: World, deed: Deed, by: Person) -> str:
    """What the person who submits this reads."""
    await world.click(deed, by)
    await world.work_now()
    return world.slack.said[-1][1]


async def pending(world: World) -> Pending:
    state = await world.state()
    assert isinstance(state, Pending)
    return state


def posted(world: World) -> list[str]:
    """The messages about questions and replies, in order."""
    surfaces = [versions[0][0] for versions in world.slack.messages.values()]
    return [each for each in surfaces if each.partition(":")[0] in {"thread", "question", "reply"}]


async def actions(world: World) -> list[tuple[str, str]]:
    lines = await world.audit()
    return [(str(line["actor"]), str(line["action"])) for line in lines if "question" in str(line["action"])]


async def test_a_question_and_its_reply_stand_below_the_card_and_reach_their_reader(world: World) -> None:
    assert await carried_out(world, Question(R1, WHICH), ERIN) == (
        f"Your question about “orders producer” was sent to <@{DANA.slack}>. Latchkey will notify you when they reply."
    )
    assert posted(world) == ["thread:1", "question:1"]

    answer = await carried_out(world, Reply(R1, 1, THAT), DANA)
    assert answer == f"Your reply about “orders producer” was sent to <@{ERIN.slack}>."
    assert posted(world) == ["thread:1", "question:1", "thread:2", f"reply:{ERIN.slack}:2"]
    card = world.slack.beside["thread:2"]
    assert card is not None
    assert str(card.surface) == "card"
    assert await actions(world) == [(ERIN.slack, Action.QUESTION_ASKED), (DANA.slack, Action.QUESTION_ANSWERED)]


async def test_who_asked_and_is_in_the_channel_reads_the_reply_there_alone(world: World) -> None:
    world.slack.joined_by[CHANNEL] = [ERIN.slack]
    await carried_out(world, Question(R1, WHICH), ERIN)
    await carried_out(world, Reply(R1, 1, THAT), DANA)

    assert posted(world) == ["thread:1", "question:1", "thread:2"]


async def test_where_somebody_removed_the_card_both_are_posted_in_its_channel(world: World) -> None:
    world.slack.joined_by[CHANNEL] = [ERIN.slack]
    for place in [place for place, versions in world.slack.messages.items() if versions[0][0] == "card"]:
        del world.slack.messages[place]
    await carried_out(world, Question(R1, WHICH), ERIN)
    state = await pending(world)
    await carried_out(world, Reply(R1, 1, THAT), DANA)

    assert posted(world) == ["thread:1", "question:1", "thread:2"]
    assert (world.slack.beside["thread:1"], world.slack.beside["thread:2"]) == (None, None)
    blocks, _ = drawn(Surface.parse("thread:1"), state, "")
    assert list(plain_words(list(blocks))) == ["Erin asks about the request orders producer:", WHICH]
    assert _place(Surface.parse("thread:1"), state) == CHANNEL


async def test_no_text_stays_on_record_once_it_is_posted_and_none_is_in_the_audit_log(world: World) -> None:
    await carried_out(world, Question(R1, WHICH), ERIN)
    await carried_out(world, Reply(R1, 1, THAT), DANA)
    assert [each.text for each in (await pending(world)).said] == [WHICH, THAT]

    await world.settle(timedelta(minutes=2))
    after = await pending(world)
    assert ([each.text for each in after.said], after.forget_at) == (["", ""], None)
    assert WHICH not in str(await world.audit())

    written = len(world.slack.messages)
    await carried_out(world, Approve(R1), ERIN)
    assert all(len(world.slack.messages[place]) == 1 for place in world.slack.messages if place[0][:6] == "thread")
    assert len(posted(world)) == 4
    assert len(world.slack.messages) > written


async def test_a_text_that_slack_does_not_take_is_tried_again_and_forgotten_in_the_end(world: World) -> None:
    world.slack.withheld.add("question")
    await carried_out(world, Question(R1, WHICH), ERIN)
    await world.settle(timedelta(minutes=30))
    assert [each.text for each in (await pending(world)).said] == [WHICH]

    world.slack.withheld.clear()
    await world.settle(timedelta(minutes=6))
    assert posted(world) == ["thread:1", "question:1"]
    assert [each.text for each in (await pending(world)).said] == [""]

    world.slack.withheld.add("thread")
    await carried_out(world, Question(R1, WHICH), FEMI)
    await world.settle(GIVEN_UP + timedelta(minutes=2))
    assert [each.text for each in (await pending(world)).said] == ["", ""]


@pytest.mark.parametrize(
    ("deed", "by", "reads"),
    [
        (Question(R1, WHICH), DANA, "This is your own request"),
        (Question(R1, WHICH), OTTO, "Your Confluent roles don't cover this key"),
        (Reply(R1, 1, THAT), FEMI, "Only the person who sent this request can reply."),
        (Reply(R1, 9, THAT), DANA, "Latchkey can't find this question."),
        (Question(RequestId("R9"), WHICH), ERIN, ""),
    ],
)
async def test_only_people_who_can_approve_ask_and_only_the_requester_replies(
    world: World, deed: Deed, by: Person, reads: str
) -> None:
    await carried_out(world, Question(R1, WHICH), ERIN)
    before = posted(world)

    assert reads in await carried_out(world, deed, by)
    assert posted(world) == before


async def test_nothing_is_said_about_a_request_that_is_decided_or_expired(world: World) -> None:
    await carried_out(world, Question(R1, WHICH), ERIN)
    await carried_out(world, Approve(R1), FEMI)
    assert "Nothing was sent." in await carried_out(world, Reply(R1, 1, THAT), DANA)
    assert posted(world) == ["thread:1", "question:1"]


@pytest.mark.parametrize(
    ("deed", "by"), [(Approve(R1), FEMI), (Deny(R1, "No."), FEMI), (Cancel(R1), DANA), (None, DANA)]
)
@pytest.mark.parametrize("soon", [True, False])
async def test_a_question_is_shown_without_its_button_once_the_request_is_decided(
    world: World, deed: Deed | None, by: Person, *, soon: bool
) -> None:
    await carried_out(world, Question(R1, WHICH), ERIN)
    if not soon:
        await world.settle(timedelta(minutes=2))
        assert [each.text for each in (await pending(world)).said] == [""]
    assert await questions(world) == [("Erin", WHICH)]
    if deed:
        await carried_out(world, deed, by)
    else:
        await world.settle(timedelta(hours=25))

    (versions,) = (each for each in world.slack.messages.values() if each[0][0] == "question:1")
    assert [state.kind == "pending" for _, state in versions] == [True, False]
    assert await questions(world) == [("", "")], "the text is kept no longer"
    await world.settle(timedelta(days=3))
    assert len(versions) == 2


async def test_a_question_that_slack_does_not_redraw_is_redrawn_later(world: World) -> None:
    await carried_out(world, Question(R1, WHICH), ERIN)
    world.slack.withheld.add("question")
    await carried_out(world, Deny(R1, "No."), FEMI)
    assert await questions(world) == [("Erin", WHICH)]

    world.slack.withheld.clear()
    await world.settle(timedelta(minutes=30))
    assert await questions(world) == [("", "")]


async def questions(world: World) -> list[tuple[str, str]]:
    """Who asked what, as it is kept to show the question without its button."""
    posts = await world.store.posts.get(R1)
    return [(post.by, post.text) for post in posts if post.surface.kind is SurfaceKind.QUESTION]


@pytest.mark.parametrize(
    ("deed", "by", "reads"),
    [
        (Question(R1, ""), DANA, "You can't ask about “orders producer”. This is your own request"),
        (Question(R1, ""), OTTO, "You can't ask about “orders producer”. Your Confluent roles"),
        (Reply(R1, 1, ""), FEMI, "Only the person who sent this request can reply. Nothing was sent."),
        (Reply(R1, 9, ""), DANA, "Latchkey can't find this question."),
    ],
)
async def test_people_who_can_not_ask_or_reply_are_told_before_they_write(
    world: World, deed: Question | Reply, by: Person, reads: str
) -> None:
    await carried_out(world, Question(R1, WHICH), ERIN)
    conversations = world.start().services.conversations
    click = build.a_click(deed, by, world.clock())

    with pytest.raises(Refused) as refused:
        await (
            conversations.can_ask(deed, click) if isinstance(deed, Question) else conversations.can_reply(deed, click)
        )
    assert reads in refused.value.tell
    asking, replying = Question(R1, ""), Reply(R1, 1, "")
    await conversations.can_ask(asking, build.a_click(asking, ERIN, world.clock()))
    await conversations.can_reply(replying, build.a_click(replying, DANA, world.clock()))


@pytest.mark.parametrize("deed", [Deny(R1, "No."), None])
async def test_who_opens_a_question_too_late_is_told_what_became_of_the_request(
    world: World, deed: Deed | None
) -> None:
    await carried_out(world, Question(R1, WHICH), ERIN)
    if deed:
        await carried_out(world, deed, FEMI)
    else:
        world.clock.advance(timedelta(hours=25))
    conversations = world.start().services.conversations
    asking, replying = Question(R1, ""), Reply(R1, 1, "")

    told = "denied this request" if deed else "has expired"
    with pytest.raises(Refused, match=rf"{told}.*Nothing was sent\."):
        await conversations.can_ask(asking, build.a_click(asking, ERIN, world.clock()))
    with pytest.raises(Refused, match="Nothing was sent"):
        await conversations.can_reply(replying, build.a_click(replying, DANA, world.clock()))


async def test_a_request_has_so_many_questions_and_so_many_replies(world: World) -> None:
    for number in range(MOST):
        assert "sent" in await carried_out(world, Question(R1, f"{number}?"), ERIN)
        assert "sent" in await carried_out(world, Reply(R1, 2 * number + 1, "yes"), DANA)
    for deed, by in ((Question(R1, WHICH), FEMI), (Reply(R1, 1, THAT), DANA)):
        assert f"{MOST}" in await carried_out(world, deed, by)
    assert len((await pending(world)).said) == 2 * MOST


@pytest.mark.parametrize("is_public", [True, False])
async def test_the_requester_gets_a_link_to_the_card_once_they_can_open_it(world: World, *, is_public: bool) -> None:
    def linked() -> str:
        card = world.slack.beside[str(ASKED)]
        return card.link if card else ""

    assert linked() == ""
    place = "card@R1"  # where this Slack has the card
    if is_public:
        world.slack.public.add(place)
    else:
        world.slack.joined_by[place] = [DANA.slack]
    world.clock.now += HOUR
    await carried_out(world, Question(R1, WHICH), ERIN)
    assert linked() == "https://acme.slack.example/archives/card@R1/p10"
    assert [post.link for post in await world.store.posts.get(R1) if post.link] == [linked()]


async def test_a_link_that_slack_does_not_tell_holds_up_no_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nowhere(_: object) -> str:
        raise Undeliverable("message_not_found", lasting=True)

    world.slack.public.add("card@R1")
    world.clock.now += HOUR
    monkeypatch.setattr(type(world.slack), "link", lambda _, post: nowhere(post))
    await carried_out(world, Question(R1, WHICH), ERIN)
    assert posted(world) == ["thread:1", "question:1"]


# --- whatever fails ---------------------------------------------------------------------------------------------------

FAULTS = st.dictionaries(st.integers(0, 60), st.sampled_from(Fault), max_size=3)


async def talked(faults: Mapping[int | tuple[str, int], Fault]) -> None:
    plan = Plan()
    async with a_world(plan) as world:
        await world.seed(build.pending())
        world.start()
        await world.work_now()
        plan.calls.clear()
        plan.faults = faults
        await world.click(Question(R1, WHICH), ERIN)
        await world.settle(timedelta(minutes=30))
        await world.click(Reply(R1, 1, THAT), DANA)
        await world.settle(timedelta(minutes=90))

        state = await pending(world)
        questions = [each for each in state.said if each.to is None]
        replies = [each for each in state.said if each.to is not None]
        assert len(questions) == 1
        assert len(replies) == 1
        assert [each.text for each in state.said] == ["", ""]
        for surface in ("thread:1", "question:1", "thread:2", f"reply:{ERIN.slack}:2"):
            # A fault right after the post may have it posted twice, for Slack has no way to post one once.
            assert 1 <= posted(world).count(surface) <= 1 + len(faults)


@pytest.mark.search
@given(FAULTS)
@settings(max_examples=40)
def test_one_question_and_one_reply_are_posted_whatever_fails(faults: dict[int | tuple[str, int], Fault]) -> None:
    asyncio.run(talked(faults))


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER])
@pytest.mark.parametrize(
    "where", [("requests.commit", 0), ("notifier.publish", 2), ("posts.put", 0), ("inbox.done", 0)]
)
async def test_a_killed_process_leaves_one_question(where: tuple[str, int], fault: Fault) -> None:
    await talked({where: fault})
