"""Editing, deleting and extending a key: done once, told truly, audited, whatever fails and wherever."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Catalog
from bot.domain.deadlines import end_of_life
from bot.domain.keys import ApiKey, KeyId, Operation, RequestId
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Rule, without_a_file
from bot.domain.requests import Approved, Done, Failed, Pending, Request, Retired, Shown, Working
from bot.services.commands import Approve, Deed, Delete, Edit, Extend, fingerprint
from bot.services.pages import EditPage, TextPage
from bot.services.ports.store import Stored
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR
from tests.support.faults import Fault, Plan

KEY = KeyId("KEY0000000000099")
CALLS = 60
LONGEST = 30 * DAY
"""What the rule for new keys lets a key live; such a key needs no approval here."""
Faults = Mapping[int | tuple[str, int], Fault]
WHERE = ("cloud.edit_key", "cloud.delete_key", "cloud.key", "cloud.keys", "cloud.role_bindings", "requests.commit",
         "requests.get", "notifier.publish", "notifier.say", "agenda.settle", "inbox.done", "audit.append")  # fmt: skip
FAULTS = st.one_of(
    st.dictionaries(st.integers(0, CALLS), st.sampled_from(Fault), max_size=3),
    st.dictionaries(st.tuples(st.sampled_from(WHERE), st.integers(0, 3)), st.sampled_from(Fault), max_size=3),
)


async def a_key(world: World, *, lifetime: timedelta | None = None, **fields: object) -> ApiKey:
    """A key that Latchkey made for Dana, who may administer its environment; the policy is the one without a file."""
    usual = without_a_file("C01")
    every = [
        replace(each, approvals=0, lifetime=LONGEST) if Operation.CREATE in each.match.operations else each
        for each in usual.rules
    ]
    world.policy = replace(usual, rules=tuple(every))
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
    key = world.cloud.add(replace(build.a_key(KEY, kind=Kind.KAFKA), **fields))  # type: ignore[arg-type]
    await world.seed(build.shown(terms=build.terms(lifetime=lifetime), key=key))
    await world.work_now()
    return key


def an_edit(key: ApiKey, name: str = "orders v2", description: str = "reads orders", seen: str = "") -> Edit:
    return Edit(key.id, name, description, seen or fingerprint(key.name, "reads orders"), "It has a new name")


async def done(world: World, deed: Deed) -> Request:
    """Click, work, and return the request that came of it."""
    request = await world.click(deed)
    await world.work_now()
    stored: Stored[Request] | None = await world.store.requests.get(RequestId(request))
    assert stored is not None, (world.slack.said, world.slack.pages)
    return stored.value


async def test_a_key_that_is_listed_can_be_changed_though_confluent_refuses_it_by_its_id() -> None:
    async with a_world() as world:
        key = await a_key(world)
        world.cloud.unshown.add(KEY)

        state = await done(world, an_edit(key))

        assert isinstance(state, Done)
        assert world.cloud.minted[KEY].key.name == "orders v2"


async def test_an_edit_changes_both_texts_and_keeps_the_marker_out_of_sight() -> None:
    async with a_world() as world:
        key = await a_key(world)

        state = await done(world, an_edit(key, description="now for orders v2"))

        now = world.cloud.minted[KEY].key
        assert isinstance(state, Done)
        assert (now.name, now.description) == ("orders v2", "now for orders v2 [lk:R1/1]")
        assert "[lk:" not in state.ask.description
        made = await world.state()
        assert isinstance(made, Shown)
        assert made.key == now


async def test_an_edit_is_audited_with_what_was_and_what_is() -> None:
    async with a_world() as world:
        await done(world, an_edit(await a_key(world)))

        lines = {str(line["action"]): line["details"] for line in await world.audit()}
        for action in ("key:edit-intended", "key:edited"):
            assert lines[action]["old_name"] == "orders producer"
            assert lines[action]["new_name"] == "orders v2"
            assert "ends_at" not in lines[action]


@pytest.mark.parametrize(
    ("faults", "changed"),
    [
        ([Fault.REFUSED_BEFORE], "Nothing changed in Confluent Cloud."),
        # The first try may have had its effect, so the second can no longer say that.
        ([Fault.ERROR_BEFORE, Fault.REFUSED_BEFORE], "Latchkey couldn't confirm that anything changed."),
    ],
)
async def test_a_change_that_confluent_refuses_ends_and_says_what_it_left(faults: list[Fault], changed: str) -> None:
    async with a_world(Plan({("cloud.edit_key", nth): fault for nth, fault in enumerate(faults)})) as world:
        request = await world.click(an_edit(await a_key(world)))
        await world.settle(HOUR)

        state = await world.state(request)
        assert isinstance(state, Failed)
        assert "Confluent Cloud refused" in state.happened
        assert state.changed == changed
        assert world.effects == []
        failed = [line["details"] for line in await world.audit() if line["action"] == "request:failed"]
        assert failed == [{"happened": state.happened, "reference": "req-1"}]


@pytest.mark.parametrize(
    ("call", "happened"),
    [
        ("cloud.edit_key", "The approval expired before Latchkey could carry it out."),
        ("cloud.key", "Latchkey ran out of time: It did not answer."),  # not even looked at
    ],
)
async def test_a_change_that_cannot_be_done_while_its_approval_holds_ends_then_and_not_before(
    call: str, happened: str
) -> None:
    async with a_world(Plan({("cloud.edit_key", 0): Fault.ERROR_BEFORE})) as world:
        request = await world.click(an_edit(await a_key(world)))
        await world.work_now()
        working = await world.state(request)
        assert isinstance(working, Working)

        world.plan.faults = {(call, nth): Fault.ERROR_BEFORE for nth in range(2000)}
        world.clock.now = working.grant.fresh_until - timedelta(seconds=1)
        await world.work_now()
        assert isinstance(await world.state(request), Working)
        await world.settle(HOUR)

        state = await world.state(request)
        assert isinstance(state, Failed)
        assert state.happened == happened
        assert state.changed == "Latchkey couldn't confirm that anything changed."
        assert state.next == "Check the key with `/apikey show`, then try again."


async def test_what_changed_since_the_modal_opened_is_shown_and_not_written_over() -> None:
    async with a_world() as world:
        key = await a_key(world)
        world.cloud.minted[KEY].key = replace(key, name="changed in the Console")

        reply = await world.click(an_edit(key), view="V1")
        await world.work_now()

        (page,) = world.slack.pages
        assert isinstance(page, EditPage)
        assert page.view.key.name == "changed in the Console"
        assert page.typed == ("orders v2", "reads orders", "It has a new name", "")
        assert world.cloud.minted[KEY].key.name == "changed in the Console"
        assert await world.store.requests.get(RequestId(reply)) is None


async def test_what_changed_while_approvers_thought_is_not_written_over_either() -> None:
    async with a_world() as world:
        key = await a_key(world)
        world.cloud.bindings[DANA.principal] = []
        state = await done(world, an_edit(key))
        assert isinstance(state, Pending)
        world.cloud.minted[KEY].key = replace(key, name="changed in the Console")

        await world.click(Approve(state.ask.id), by=ERIN)
        await world.work_now()

        ended = await world.state(state.ask.id)
        assert isinstance(ended, Failed)
        assert "Someone else changed the key" in ended.happened
        assert world.cloud.minted[KEY].key.name == "changed in the Console"


async def test_a_deleted_key_is_gone_and_its_own_request_says_who_deleted_it() -> None:
    async with a_world() as world:
        await a_key(world)

        state = await done(world, Delete(KEY, "CONFIRM", "It is no longer used"))

        made = await world.state()
        assert isinstance(state, Done)
        assert world.cloud.live() == []
        assert isinstance(made, Retired)
        assert made.by == DANA
        assert made.deleted_at


@pytest.mark.parametrize("word", ["", "confirm", "CONFIRM ", "Confirm", "DELETE"])
async def test_nothing_is_deleted_without_the_very_word(word: str) -> None:
    async with a_world() as world:
        await a_key(world)

        await world.click(Delete(KEY, word))
        await world.work_now()

        assert world.cloud.live() == [KEY]
        assert "Nothing was deleted" in world.slack.said[-1][1]


async def test_a_key_that_is_gone_elsewhere_by_the_time_is_said_to_be_and_is_no_error() -> None:
    async with a_world() as world:
        await a_key(world)
        world.cloud.bindings[DANA.principal] = []
        state = await done(world, Delete(KEY, "CONFIRM", "It is no longer used"))
        assert isinstance(state, Pending)
        world.cloud.minted[KEY].deleted_at = world.clock()

        await world.click(Approve(state.ask.id), by=ERIN)
        await world.work_now()

        ended = await world.state(state.ask.id)
        assert isinstance(ended, Done)
        assert "already deleted" in ended.note


async def test_somebody_without_authority_over_the_key_needs_an_approval_to_delete_it() -> None:
    async with a_world() as world:
        await a_key(world)
        world.cloud.bindings[DANA.principal] = []

        state = await done(world, Delete(KEY, "CONFIRM", "It is no longer used"))
        await world.settle(timedelta(hours=1))

        assert isinstance(state, Pending)
        assert world.cloud.live() == [KEY]


async def test_a_role_lost_between_the_click_and_the_effect_stops_it() -> None:
    async with a_world(Plan({("cloud.delete_key", 0): Fault.ERROR_BEFORE})) as world:
        await a_key(world)
        state = await done(world, Delete(KEY, "CONFIRM", "It is no longer used"))
        world.cloud.bindings[DANA.principal] = []

        await world.settle(HOUR)

        assert isinstance(await world.state(state.ask.id), Failed)
        assert world.cloud.live() == [KEY]


async def test_the_same_click_twice_asks_once() -> None:
    async with a_world() as world:
        await a_key(world)
        request = await world.click(Delete(KEY, "CONFIRM", "It is no longer used"))
        world.clicks -= 1
        assert await world.click(Delete(KEY, "CONFIRM", "It is no longer used")) == request
        await world.work_now()

        assert [effect.what for effect in world.effects] == ["delete"]


async def test_an_extension_counts_from_its_effect_and_comes_back_with_reminders() -> None:
    async with a_world() as world:
        await a_key(world, lifetime=10 * DAY)
        await world.settle(4 * DAY)

        state = await done(world, Extend(KEY, "The project goes on", "20"))

        made = await world.state()
        assert isinstance(state, Done)
        assert isinstance(made, Shown)
        assert end_of_life(made) == world.clock() + 20 * DAY
        (extended,) = [line["details"] for line in await world.audit() if line["action"] == "key:extended"]
        assert extended["ends_at"] == str(end_of_life(made))
        await world.settle(20 * DAY + HOUR)
        assert isinstance(await world.state(), Retired)
        reminders = {versions[0][0] for versions in world.slack.messages.values() if "reminder" in versions[0][0]}
        assert len(reminders) == 4, reminders  # one before the extension, three after it


async def test_nobody_extends_a_key_beyond_what_the_rule_lets() -> None:
    async with a_world() as world:
        await a_key(world, lifetime=10 * DAY)

        await world.click(Extend(KEY, "For ever", "31"))
        await world.work_now()

        assert "at most 30 days" in world.slack.said[-1][1]


async def test_a_key_is_reminded_of_a_week_a_day_and_an_hour_before_its_end() -> None:
    async with a_world() as world:
        await a_key(world, lifetime=30 * DAY)
        seen: list[timedelta] = []
        for _ in range(31 * 24):
            before = len(world.slack.messages)
            await world.settle(HOUR)
            if len(world.slack.messages) > before:
                seen.append(build.NOW + 30 * DAY - world.clock())

        assert seen == [7 * DAY, DAY, HOUR, timedelta()]


def changes(key: ApiKey) -> list[Deed]:
    return [an_edit(key), Delete(KEY, "CONFIRM", "It is no longer used"), Extend(KEY, "It goes on", "20")]


async def played(faults: Faults, which: int) -> World:
    """One change under faults; long after, everything is at rest."""
    async with a_world(pause=timedelta(seconds=100)) as world:
        key = await a_key(world, lifetime=10 * DAY)
        world.plan.faults, world.plan.calls = dict(faults), []
        request = RequestId(await world.click(changes(key)[which]))
        await world.work_now()
        await world.settle(2 * DAY)
        await _check(world, request, which)
        return world


async def _check(world: World, request: RequestId, which: int) -> None:
    stored = await world.store.requests.get(request)
    made, key = await world.state(), world.cloud.minted[KEY]
    is_done = stored is not None and isinstance(stored.value, Done)
    assert stored is None or isinstance(stored.value, Done | Failed), stored
    match which:
        case 0:
            assert (key.key.name == "orders v2") is is_done
            assert key.key.description.endswith("[lk:R1/1]")
        case 1:
            assert (key.deleted_at is not None) is is_done
            assert isinstance(made, Retired) is is_done
        case _:
            end = end_of_life(made) if isinstance(made, Shown) else None
            assert (end is not None and end > build.NOW + 15 * DAY) is is_done
    await check_audit(world)


@pytest.mark.parametrize("which", range(3))
def test_what_is_to_be_changed_is_on_disk_before_it_is(which: int) -> None:
    world = asyncio.run(played({}, which))

    assert {change.after.kind for change in world.history if change.durable} == {"working"}


@pytest.mark.search
@given(FAULTS, st.integers(0, 2))
@example({17: Fault.ERROR_BEFORE, 35: Fault.ERROR_BEFORE}, 0)
@settings(max_examples=60)
def test_at_rest_a_change_is_done_and_told_or_not_done_and_told(faults: Faults, which: int) -> None:
    asyncio.run(played(faults, which))


@pytest.mark.search
@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER])
def test_any_single_call_may_be_the_last_of_its_process_or_lose_its_answer(fault: Fault, which: int) -> None:
    for call in range(0, 44, 2):
        asyncio.run(played({call: fault}, which))


async def test_a_change_of_ones_own_key_without_an_approval_is_told_to_its_requester_alone() -> None:
    async with a_world() as world:
        await a_key(world, owner=DANA.principal)
        before = set(world.slack.messages)

        await done(world, an_edit(world.cloud.minted[KEY].key))

        news = [versions[0][0] for place, versions in world.slack.messages.items() if place not in before]
        assert news == ["outcome"]


async def test_an_edit_that_changes_nothing_asks_for_nothing() -> None:
    async with a_world() as world:
        key = await a_key(world)

        await world.click(an_edit(key, name=key.name), view="V1")
        await world.work_now()

        (page,) = world.slack.pages
        assert isinstance(page, TextPage)
        assert "Nothing changed" in page.text


async def test_a_key_of_a_cluster_that_the_catalog_does_not_know_yet_is_looked_up_before_its_rule_is() -> None:
    async with a_world() as world:
        await a_key(world)
        process = world.start()
        catalog = await process.worker.catalog.refresh()
        await world.store.cache.put("catalog", replace(catalog, resources={}), Catalog, now=world.clock(), keep=DAY)
        forbidden = Rule("no deletions", Match(environments=frozenset({"env-dev001"})), "C01", forbid="Not here.")
        world.policy = replace(world.policy, rules=(forbidden, *world.policy.rules))
        world.clock.advance(HOUR)

        await world.click(Delete(KEY, "CONFIRM", "It is no longer used"))
        await world.work_now()

        assert world.cloud.live() == [KEY]
        assert "Not here." in world.slack.said[-1][1]


async def test_a_key_waits_until_its_environment_is_known_rather_than_slip_past_the_rule_for_it() -> None:
    async with a_world() as world:
        await a_key(world)
        process = world.start()
        catalog = await process.worker.catalog.refresh()
        await world.store.cache.put("catalog", replace(catalog, resources={}), Catalog, now=world.clock(), keep=DAY)
        forbidden = Rule("no deletions", Match(environments=frozenset({"env-dev001"})), "C01", forbid="Not here.")
        world.policy = replace(world.policy, rules=(forbidden, *world.policy.rules))
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA, "OrganizationAdmin", build.crn())]
        world.clock.advance(HOUR)
        so_far = world.plan.calls.count("cloud.resources")
        world.plan.faults = {("cloud.resources", so_far + nth): Fault.ERROR_BEFORE for nth in range(200)}

        await world.click(Delete(KEY, "CONFIRM", "It is no longer used"))
        await world.work_now()

        assert world.cloud.live() == [KEY]
        world.plan.faults = {}
        await world.settle(timedelta(minutes=20))
        assert world.cloud.live() == [KEY]
        assert "Not here." in world.slack.said[-1][1]


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed at once", "listed later"])
async def test_a_key_of_a_cluster_made_since_the_catalog_was_read_follows_the_rule_for_its_environment(
    *, is_listed: bool
) -> None:
    async with a_world() as world:
        world.clock.advance(HOUR)
        key = await a_key(world, created_at=world.clock())
        world.cloud.unlisted = {build.CLUSTER.id}
        await world.start().worker.catalog.refresh()
        world.clock.advance(timedelta(seconds=5))
        if is_listed:
            world.cloud.unlisted.clear()
        forbidden = Rule("no deletions", Match(environments=frozenset({"env-dev001"})), "C01", forbid="Not here.")
        world.policy = replace(world.policy, rules=(forbidden, *world.policy.rules))
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA, "OrganizationAdmin", build.crn())]

        await world.click(Delete(key.id, "CONFIRM", "It is no longer used"))
        await world.work_now()
        assert world.cloud.live() == [KEY]
        world.cloud.unlisted.clear()
        await world.settle(timedelta(minutes=20))

        assert world.cloud.live() == [KEY]
        assert "Not here." in world.slack.said[-1][1]


async def test_a_key_whose_cluster_is_gone_follows_the_rules_without_an_environment() -> None:
    async with a_world() as world:
        key = await a_key(world)
        world.cloud.unlisted = {build.CLUSTER.id}
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA, "OrganizationAdmin", build.crn())]
        world.clock.advance(HOUR)

        await world.click(Delete(key.id, "CONFIRM", "It is no longer used"))
        await world.work_now()

        assert not world.cloud.live()


async def test_who_deletes_a_key_of_another_persons_account_is_seen_in_the_channel() -> None:
    async with a_world() as world:
        await a_key(world)
        world.cloud.add(build.a_key("KEY0000000000055", marker="", owner=ERIN.principal, kind=Kind.KAFKA))

        await done(world, Delete(KeyId("KEY0000000000055"), "CONFIRM", "It is no longer used"))

        cards = [versions[-1][1] for versions in world.slack.messages.values() if versions[0][0] == "card"]
        assert [type(each) for each in cards if each.ask.operation is Operation.DELETE] == [Done]


async def test_an_extension_that_happened_is_said_to_have_happened_though_its_approver_lost_the_role_since() -> None:
    async with a_world() as world:
        await a_key(world, lifetime=10 * DAY)
        commits = len([each for each in world.plan.calls if each == "requests.commit"])
        # Proposed, begun, extended; and then the process is gone.
        world.plan.faults = {("requests.commit", commits + 2): Fault.KILL_AFTER}
        request = await world.click(Extend(KEY, "It goes on", "20"))
        await world.work()
        await world.work()
        made = await world.state()
        assert isinstance(made, Shown)
        assert made.life.extended_by == request
        world.cloud.bindings[DANA.principal] = []

        await world.settle(HOUR)

        assert isinstance(await world.state(request), Done)
        assert [line["request"] for line in await world.audit() if line["action"] == "key:extended"] == [request]


async def test_t3_a_change_whose_intent_is_nowhere_safe_waits_and_says_so() -> None:
    async with a_world(Plan({("requests.commit", 1): Fault.ERROR_BEFORE})) as world:
        key = await a_key(world)

        request = RequestId(await world.click(an_edit(key)))
        await world.work()
        await world.work()
        state = await world.state(request)
        assert isinstance(state, Approved)
        assert (bool(state.trouble), world.effects) == (True, [])
        await world.settle(timedelta(minutes=1))

        assert isinstance(await world.state(request), Done)
        assert [effect.what for effect in world.effects] == ["edit"]


async def test_t3_an_intent_that_may_not_be_on_disk_is_written_again_before_its_effect() -> None:
    async with a_world(Plan({("requests.commit", 1): Fault.ERROR_AFTER})) as world:
        key = await a_key(world)

        request = RequestId(await world.click(an_edit(key)))
        await world.settle(timedelta(minutes=1))

        assert isinstance(await world.state(request), Done)
        assert [change.durable for change in world.history if change.after.kind == "working"] == [True, True]
        assert [effect.what for effect in world.effects] == ["edit"]


async def test_a_deletion_that_another_process_wrote_down_is_not_told_of_again_by_a_slower_one() -> None:
    async with a_world(Plan({("cloud.delete_key", 0): Fault.PAUSE_AFTER})) as world:
        await a_key(world)

        request = RequestId(await world.click(Delete(KEY, "CONFIRM", "It is no longer used")))
        await world.settle(HOUR)

        assert isinstance(await world.state(request), Done)
        assert [line["action"] for line in await world.audit()].count("key:deleted") == 1
        await check_audit(world)
