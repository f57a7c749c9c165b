"""What ends or waits is told in a new message, for edits ring no bell: once, and not of what an older version wrote."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.approvals import NOBODY
from bot.domain.deadlines import due, last_due, remind_at
from bot.domain.errors import Unavailable
from bot.domain.keys import MyAccount, Operation, Person, RequestId, SlackUserId
from bot.domain.kinds import Kind
from bot.domain.requests import Done, Failed, Offered, Ready, Request, Shown, Unclaimed, Undelivered
from bot.services.commands import Delete, Replace, Rotate, Show
from bot.services.messages import surfaces
from bot.services.ports.store import Change
from bot.services.requests.audience import Notices
from bot.services.surfaces import Surface
from bot.slack.api.notifier import drawn
from bot.store.codec import REQUEST_JSON
from sandbox.slack.blocks import interactive, plain_words
from tests.services.keys.test_change import a_key, done
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, FEMI, HOUR, NOW
from tests.support.faults import Fault
from tests.texts.blocks import read

STATES = Path(__file__).parents[1] / "data" / "states"
MINUTE = timedelta(minutes=1)
R1 = RequestId("R1")


def posts(world: World, kind: str) -> list[list[tuple[str, Request]]]:
    """All versions of each message of this kind."""
    return [versions for versions in world.slack.messages.values() if versions[0][0].partition(":")[0] == kind]


def said(surface: str, request: Request) -> str:
    blocks, notification = drawn(Surface.parse(surface), request, "")
    return "\n".join([*plain_words(list(blocks)), notification])


def buttons(surface: str, request: Request) -> list[str]:
    blocks, _ = drawn(Surface.parse(surface), request, "")
    return [element["text"]["text"] for _, element in interactive(list(blocks)) if element["type"] == "button"]


# --- a secret that waits ---------------------------------------------------------------------------------------------


@given(st.timedeltas(timedelta(), 400 * DAY))
def test_a_reminder_comes_with_a_quarter_of_the_time_left_and_at_least_half_an_hour(whole: timedelta) -> None:
    moment = remind_at(NOW, NOW + whole)

    assert (moment is None) is (whole <= 30 * MINUTE)
    if moment:
        left = NOW + whole - moment
        assert moment > NOW
        assert left == max(whole / 4, 30 * MINUTE)


@pytest.mark.parametrize("reminded", [True, False])
def test_a_secret_is_looked_at_when_its_reminder_is_due_and_again_at_its_end(*, reminded: bool) -> None:
    waiting = build.ready(remind_at=NOW + 18 * HOUR, reminded=reminded)
    offered = Offered(
        build.an_ask(), build.terms(), build.a_grant(), 1, claim_by=NOW + DAY, remind_at=NOW + 18 * HOUR,
        reminded=reminded,
    )  # fmt: skip

    assert [due(each) for each in (waiting, offered)] == [NOW + (24 if reminded else 18) * HOUR] * 2
    assert [last_due(each) for each in (waiting, offered)] == [NOW + DAY] * 2


async def a_waiting_secret(world: World, **terms: Any) -> Request:
    await world.seed(build.approved(terms=build.terms(**terms)))
    if "mint" in terms:
        world.policy = build.policy_of(build.a_rule(mint=terms["mint"]))
    await world.work_now()
    return await world.state()


@pytest.mark.parametrize(("mint", "kind"), [("on_approval", Ready), ("on_claim", Offered)])
async def test_a_secret_that_waits_is_reminded_of_once_and_shown_from_there(mint: str, kind: type[Request]) -> None:
    async with a_world() as world:
        assert isinstance(await a_waiting_secret(world, mint=mint), kind)
        await world.settle(18 * HOUR - MINUTE)
        assert posts(world, "claim") == []

        await world.settle(2 * MINUTE)
        ((surface, waiting), *_) = posts(world, "claim")[0]
        assert isinstance(waiting, kind)
        assert buttons(surface, waiting) == ["Show secret"]
        await world.settle(5 * HOUR)
        await world.click(Show(R1, 1))
        await world.work_now()

        ((*_, (_, last)),) = posts(world, "claim")
        assert len(world.shown()) == 1
        assert isinstance(last, Shown)
        assert "You viewed the secret" in said(surface, last)
        assert buttons(surface, last) == []
        await world.settle(2 * DAY)
        assert len(posts(world, "claim")) == 1


async def test_a_secret_that_was_viewed_in_time_is_not_reminded_of() -> None:
    async with a_world() as world:
        await a_waiting_secret(world)
        await world.settle(17 * HOUR)
        await world.click(Show(R1, 1))
        await world.settle(2 * DAY)
        assert posts(world, "claim") == []


async def test_a_claim_of_half_an_hour_has_no_reminder() -> None:
    async with a_world() as world:
        await a_waiting_secret(world, claim=30 * MINUTE)
        await world.settle(DAY)
        assert posts(world, "claim") == []


async def test_a_process_that_slept_through_the_end_reminds_nobody() -> None:
    async with a_world() as world:
        await a_waiting_secret(world)
        world.clock.advance(2 * DAY)
        await world.work_now()
        assert (await world.state()).kind == "unclaimed"
        assert posts(world, "claim") == []


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("call", ["requests.commit", "notifier.publish", "agenda.settle", "posts.put"])
async def test_a_fault_keeps_no_reminder_away_and_brings_no_second_step(call: str, fault: Fault) -> None:
    async with a_world() as world:
        await a_waiting_secret(world)
        world.plan.faults, world.plan.calls = {(call, 0): fault}, []
        await world.settle(20 * HOUR)

        steps = [each for each in world.history if isinstance(each.after, Ready) and each.after.reminded]
        assert len([each for each in steps if each.before and not _is_reminded(each.before.value)]) == 1
        # A post of which nobody heard is there twice, as with every message.
        assert 1 <= len(posts(world, "claim")) <= 2
        assert len({surface for versions in posts(world, "claim") for surface, _ in versions}) == 1


def _is_reminded(request: Request) -> bool:
    return isinstance(request, Ready) and request.reminded


# --- what ends -------------------------------------------------------------------------------------------------------


async def test_a_secret_that_was_not_viewed_is_told_in_one_new_message_that_offers_the_request_again() -> None:
    async with a_world() as world:
        await a_waiting_secret(world)
        await world.settle(2 * DAY)

        ((surface, first), *_) = posts(world, "lost")[0]
        assert len(posts(world, "lost")) == 1
        assert isinstance(first, Unclaimed)
        assert "was deleted" in said(surface, first)
        assert "The secret wasn't viewed in time." in said(surface, first)
        assert buttons(surface, first) == ["Request again"]
        for other in ("key:1", "claim:1", "asked"):
            assert buttons(other, first) == []
            assert len(said(other, first).splitlines()) <= 4  # two lines at most, and the notification
        root = world.slack.beside[surface]
        assert root is not None
        assert str(root.surface) == "key:1"
        blocks, notification = drawn(Surface.parse(surface), first, "", root)
        assert f"🗑️ @{DANA.slack}: The secret wasn't viewed in time." in read(blocks)
        assert notification.startswith(f"<@{DANA.slack}> Your API key for orders-dev")


async def test_a_secret_that_slack_did_not_take_is_told_in_a_new_message_that_offers_to_replace_the_key() -> None:
    async with a_world() as world:
        await a_waiting_secret(world)
        world.plan.faults, world.plan.calls = {("notifier.hand_over", 0): Fault.ERROR_BEFORE}, []
        await world.click(Show(R1, 1))
        await world.work_now()

        ((surface, first), *_) = posts(world, "lost")[0]
        assert isinstance(first, Undelivered)
        assert buttons(surface, first) == ["Replace key", "Request again"]
        await world.click(Replace(R1, 1))
        await world.work_now()
        state = await world.state()
        assert isinstance(state, Ready)
        assert state.attempt == 2
        assert "An earlier key" in said(surface, state)
        assert len(posts(world, "lost")) == 1


async def test_a_key_that_its_requester_replaces_is_no_news() -> None:
    async with a_world() as world:
        await a_waiting_secret(world)
        for deed in (Show(R1, 1), Replace(R1, 1)):
            await world.click(deed)
            await world.work_now()
        assert posts(world, "lost") == []


async def test_a_replacement_that_the_approval_no_longer_covers_is_news() -> None:
    async with a_world() as world:
        lost = build.states()["undelivered"]
        assert isinstance(lost, Undelivered)
        await world.seed(replace(lost, reissue=True))
        world.clock.advance(2 * DAY)
        await world.work_now()
        assert len(posts(world, "lost")) == 1


# --- what an older version wrote -------------------------------------------------------------------------------------

BEFORE = {
    **dict.fromkeys(("pending", "approved", "cancelled", "working"), "asked card"),
    **dict.fromkeys(("denied", "expired", "failed", "done"), "asked card outcome"),
    **dict.fromkeys(("offered", "ready", "revealing", "shown", "confirmed"), "asked card key:1"),
    **dict.fromkeys(("undelivered", "unclaimed"), "asked card key:1"),
    **dict.fromkeys(("retired", "ended"), "asked card end key:1"),
    "rotated": "asked card key:1 reminder:1775192767:1",
}
"""The messages of each record in `tests/data/states`, as the version that wrote it had them."""


def older(name: str) -> Request:
    return REQUEST_JSON.validate_json((STATES / f"{name}.json").read_bytes())


@pytest.mark.parametrize("name", BEFORE)
def test_a_record_of_an_older_version_has_the_messages_that_it_had(name: str) -> None:
    assert " ".join(sorted(map(str, surfaces(older(name))))) == BEFORE[name]


@pytest.mark.parametrize("kind", ["done", "failed"])
@pytest.mark.parametrize("news", [True, False])
def test_a_change_without_an_approval_is_not_told_again_that_an_older_version_finished(
    kind: str, *, news: bool
) -> None:
    state = build.states()[kind]
    assert isinstance(state, Done | Failed)
    terms, ask = build.terms(approvals=0), build.a_change(Operation.EDIT)
    changed: Request = replace(state, terms=terms, ask=ask, news=news)

    assert list(map(str, surfaces(changed))) == (["outcome"] if news else ["asked"])


@pytest.mark.parametrize("name", ["unclaimed", "undelivered", "retired", "denied", "confirmed"])
async def test_a_record_at_rest_that_something_touches_after_an_upgrade_posts_nothing(name: str) -> None:
    async with a_world() as world:
        state = older(name)
        if isinstance(state, Unclaimed | Undelivered):
            state = replace(state, deleted_at=state.at)
        await world.seed(state)
        publisher = world.start().worker.publisher
        await publisher.publish(state)
        before = set(world.slack.messages)

        stored = await world.store.requests.get(state.ask.id)
        await world.store.requests.commit(Change(stored, state, world.clock()))
        await world.work_now()

        assert set(world.slack.messages) == before


# --- a change without an approval, of a key of a service account ------------------------------------------------------


def owns(world: World, *people: Person) -> None:
    place = build.crn(f"service-account={build.ACCOUNT.id}")
    for person in people:
        world.cloud.bindings[person.principal] = [
            *world.cloud.bindings.get(person.principal, ()), build.a_binding(person, "ResourceOwner", place)
        ]  # fmt: skip


@pytest.mark.parametrize("notify", [(), NOBODY])
async def test_owners_of_a_service_account_are_told_who_deleted_its_key_and_why(notify: tuple[str, ...]) -> None:
    async with a_world() as world:
        key = await a_key(world)
        rules = tuple(replace(each, notify=notify) for each in world.policy.rules)
        world.policy = replace(world.policy, rules=rules)
        owns(world, DANA, FEMI)

        state = await done(world, Delete(key.id, "CONFIRM", "It leaked"))

        assert isinstance(state, Done)
        assert state.grant.told == (() if notify else (FEMI.slack,))
        assert len([each for each in posts(world, "card") if each[0][1].ask.id == state.ask.id]) == 1
        told = posts(world, "told")
        assert [surface for ((surface, _), *_) in told] == ([] if notify else [f"told:{FEMI.slack}"])
        text = said(f"told:{FEMI.slack}", state)
        assert f"<@{DANA.slack}> deleted the API key {key.id}" in text
        assert "It leaked" in text
        assert f"Dana deleted an API key of your service account for {build.CLUSTER.name}" in text


async def test_owners_are_told_of_a_rotation_once_its_secret_was_viewed() -> None:
    async with a_world() as world:
        key = await a_key(world)
        owns(world, FEMI)
        request = RequestId(await world.click(Rotate(key.id, "orders v2", "", "every quarter", 1)))
        await world.work_now()
        assert posts(world, "told") == []

        await world.click(Show(request, 1))
        await world.work_now()

        ((surface, told), *_) = posts(world, "told")[0]
        assert "rotated the API key" in said(surface, told)
        assert buttons(surface, told) == ["Open key"]
        await world.settle(10 * DAY)
        assert len(posts(world, "told")) == 1


async def test_owners_that_cannot_be_found_hold_up_no_deletion() -> None:
    async with a_world() as world:
        key = await a_key(world)
        owns(world, FEMI)
        process = world.processes[0]
        proposals = process.services.forms.proposals

        async def away(_: object) -> Sequence[SlackUserId]:
            raise Unavailable("Confluent Cloud didn't answer.")

        notices = replace(proposals.notices, owners=away)
        ask = build.a_change(Operation.DELETE, key=key)
        assert await notices.owners_of(ask, build.terms()) == ()


async def test_a_change_of_ones_own_key_and_a_new_key_have_no_owners_to_tell() -> None:
    async with a_world() as world:
        notices = world.start().services.forms.proposals.notices
        own = build.a_change(Operation.DELETE, owner=MyAccount(DANA.principal))
        assert [await notices.owners_of(each, build.terms()) for each in (own, build.an_ask())] == [None, None]


async def test_a_person_is_told_who_changed_a_key_of_their_own_account_and_why() -> None:
    async with a_world() as world:
        await a_key(world)
        theirs = world.cloud.add(build.a_key("KEY0000000000077", owner=FEMI.principal, kind=Kind.KAFKA, marker=""))

        state = await done(world, Delete(theirs.id, "CONFIRM", "It leaked"))

        assert isinstance(state, Done)
        assert [surface for ((surface, _), *_) in posts(world, "told")] == [f"told:{FEMI.slack}"]
        text = said(f"told:{FEMI.slack}", state)
        assert f"<@{DANA.slack}> deleted the API key {theirs.id}" in text
        assert "It belongs to your account." in text
        assert "It leaked" in text
        assert f"Dana deleted an API key of yours for {build.CLUSTER.name}" in text


async def test_a_person_who_requested_a_key_of_their_own_reads_of_its_deletion_once() -> None:
    async with a_world() as world:
        notices = world.start().services.forms.proposals.notices
        made = build.a_change(Operation.DELETE, owner=MyAccount(FEMI.principal), key=build.a_key())
        assert await notices.owners_of(made, build.terms()) == (), "the message about the end of the key says it"
        edited = replace(made, operation=Operation.EDIT)
        assert await notices.owners_of(edited, build.terms()) == (FEMI.slack,)


def test_at_most_five_owners_are_told_and_never_the_one_who_did_it() -> None:
    async def owners(_: object) -> Sequence[SlackUserId]:
        return [DANA.slack, *(SlackUserId(f"U{number}") for number in range(9))]

    notices = Notices(candidates=cast("Any", None), channels=cast("Any", None), owners=owners)
    told = asyncio.run(notices.owners_of(build.a_change(Operation.DELETE), build.terms()))

    assert told == tuple(f"U{number}" for number in range(5))


def test_a_grant_of_an_older_version_tells_nobody_of_its_change() -> None:
    done_before = build.states()["done"]
    assert isinstance(done_before, Done)
    state = replace(done_before, terms=build.terms(approvals=0))
    news = replace(state, news=True, grant=replace(state.grant, told=(FEMI.slack,)))

    assert list(map(str, surfaces(state))) == ["asked"]
    assert list(map(str, surfaces(news))) == ["outcome", "card", f"told:{FEMI.slack}"]
