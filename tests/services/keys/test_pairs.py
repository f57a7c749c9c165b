"""A Kafka key with its Schema Registry's: one request, two records, and both keys or neither in their owner's hands."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.keys import Cluster, NewServiceAccount, Owner, RequestId
from bot.domain.readiness import OtherKey
from bot.domain.reports.ledger import Ledger
from bot.domain.reports.rows import KeyRow, RequestRow, key_row, request_row
from bot.domain.requests import (
    Approved,
    Confirmed,
    Failed,
    Keyed,
    Pending,
    Ready,
    Request,
    Retired,
    Shown,
    Unclaimed,
    Undelivered,
)
from bot.services.commands import Approve, Draft, Replace, Saved, Send, Show
from bot.services.requests.submit import draft_again
from bot.slack.messages.progress import stands
from tests.services.world import World, a_world, check_at_rest
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, ERIN, FEMI, HERE, OTTO, REGISTRY
from tests.support.faults import Fault, Plan

R1, R2 = RequestId("R1"), RequestId("R1-2")
NEW = NewServiceAccount("orders-new", "reads orders")
OWNERS: tuple[Owner, ...] = (NEW, ACCOUNT)
CALLS = 130
Faults = Mapping[int | tuple[str, int], Fault]
WHERE = (
    "agenda.settle",
    "audit.append",
    "cloud.create_account",
    "cloud.create_key",
    "cloud.delete_key",
    "cloud.keys",
    "notifier.hand_over",
    "requests.commit",
    "requests.get",
)
FAULTS = st.one_of(
    st.dictionaries(st.integers(0, CALLS), st.sampled_from(Fault), max_size=3),
    st.dictionaries(st.tuples(st.sampled_from(WHERE), st.integers(0, 5)), st.sampled_from(Fault), max_size=4),
)


async def seed(world: World, owner: Owner = ACCOUNT) -> None:
    """A request for both keys that Erin approves, and all that can be done about it at once."""
    world.cloud.there = (CLUSTER, REGISTRY)
    for person in (ERIN, FEMI):
        world.cloud.bindings[person.principal] = [build.a_binding(person, "OrganizationAdmin", HERE)]
    await world.seed(build.pending(ask=build.an_ask(owner=owner, also=REGISTRY)))
    world.start()
    await world.click(Approve(R1), ERIN)
    await until_quiet(world)


async def until_quiet(world: World) -> None:
    """The few seconds in which one record waits for the other."""
    for _ in range(10):
        await world.work_now()
        world.clock.advance(timedelta(seconds=1))


async def click(world: World, *deeds: type[Show] | type[Saved] | type[Replace]) -> None:
    """Dana's clicks on what is there at that moment: nothing is saved that was not shown."""
    for deed in deeds:
        state = await world.state()
        if deed is Saved and not (isinstance(state, Keyed) and state.key.id in world.shown()):
            continue
        await world.click(deed(R1, getattr(await world.state(), "attempt", 1)))
        await until_quiet(world)


async def both(world: World) -> tuple[Request, Request | None]:
    """The request, and the record of the second key."""
    second = await world.store.requests.get(R2)
    return await world.state(), second.value if second else None


async def check_pair(world: World) -> None:
    """At rest, both keys are in use or neither is; every message had both; nothing else is left of them."""
    first, second = await both(world)
    assert all(handover.second is not None for _, handover in world.slack.handed)
    for request in (R1, R2) if second else (R1,):
        await check_at_rest(world, request)
    in_use = [isinstance(each, Shown | Confirmed) for each in (first, second)]
    assert in_use in ([True, True], [False, False]), (first.kind, second and second.kind)
    if isinstance(first, Keyed) and isinstance(second, Keyed) and in_use[0]:
        handed = world.slack.handed[-1][1]
        assert handed.second is not None
        assert (handed.key.id, handed.second.key.id) == (first.key.id, second.key.id)
        assert type(first) is type(second)
        assert (first.key.resource, second.key.resource) == (CLUSTER.id, REGISTRY.id)
        assert first.key.owner == second.key.owner
    told = Ledger(world.clock())
    for line in await world.audit():
        told.take(line)
    records = [each for each in (first, second) if each]
    assert [*map(timeless, told.request_rows())] == [timeless(request_row(each)) for each in records]
    assert [each.key for each in told.key_rows()] == [each.key for each in map(in_use_row, records) if each]


def timeless(row: RequestRow) -> RequestRow:
    """A click that waited in the middle says when it began in the record, and when it ended in the log."""
    return replace(row, approved_at=None, ended_at=None)


def in_use_row(request: Request) -> KeyRow | None:
    return key_row(request, {})


async def check_account(world: World) -> None:
    """A new account is created once, for both keys, and stays just where they do."""
    first, _ = await both(world)
    made = [each.id for what, each in world.cloud.account_history if what == "create"]
    is_kept = isinstance(first, Shown | Confirmed)
    assert list(world.cloud.accounts) == (made[-1:] if is_kept else [])
    if is_kept:
        assert isinstance(first, Keyed)
        assert first.key.owner == made[-1]


async def played(faults: Faults, owner: Owner, *deeds: type[Show] | type[Saved] | type[Replace]) -> World:
    """Under faults, with what Dana does about it; long after, everything is at rest."""
    async with a_world(Plan(faults)) as world:
        await seed(world, owner)
        await click(world, *deeds)
        await world.settle()
        await check_pair(world)
        if isinstance(owner, NewServiceAccount):
            await check_account(world)
        return world


@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
async def test_both_keys_are_created_for_one_account_and_shown_in_one_message(owner: Owner) -> None:
    async with a_world() as world:
        await seed(world, owner)
        first, second = await both(world)
        assert isinstance(first, Ready)
        assert isinstance(second, Ready)
        assert first.life.other == OtherKey(second.key, second.endpoints, second.life.probe)
        calls = [each for each in world.plan.calls if each in {"cloud.create_account", "cloud.create_key"}]
        account = ["cloud.create_account"] if isinstance(owner, NewServiceAccount) else []
        assert calls == [*account, "cloud.create_key", "cloud.create_key"]

        await click(world, Show)
        (_, handover) = world.slack.handed[0]
        assert handover.second is not None
        assert (handover.resource, handover.second.resource) == (CLUSTER, REGISTRY)
        secrets = [world.cloud.minted[key].secret for key in (first.key.id, second.key.id)]
        assert [handover.secret.reveal(), handover.second.secret.reveal()] == secrets
        await click(world, Saved)
        first, second = await both(world)
        assert [type(first), type(second)] == [Confirmed, Confirmed]
        await world.settle()
        await check_pair(world)
        assert len(world.slack.handed) == 1


@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
@pytest.mark.parametrize("number", [0, 1])
def test_when_confluent_refuses_either_key_neither_is_left(owner: Owner, number: int) -> None:
    world = asyncio.run(played({("cloud.create_key", number): Fault.REFUSED_BEFORE}, owner, Show))

    assert world.cloud.live() == []
    assert world.slack.handed == []


@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
def test_when_nobody_views_them_both_are_deleted(owner: Owner) -> None:
    world = asyncio.run(played({}, owner))

    assert len(world.cloud.minted) == 2
    assert world.cloud.live() == []


async def test_both_wait_as_long_as_the_one_that_was_there_first() -> None:
    async with a_world() as world:
        await seed(world)
        first, second = await both(world)
        assert isinstance(first, Ready)
        assert isinstance(second, Ready)
        assert first.claim_by == second.claim_by
        await world.settle()
        assert [type(each) for each in await both(world)] == [Unclaimed, Unclaimed]


@pytest.mark.parametrize("before", [(Show,), (Show, Saved)], ids=["shown", "saved"])
@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
def test_replace_key_replaces_both(owner: Owner, before: tuple[type[Show] | type[Saved], ...]) -> None:
    world = asyncio.run(played({}, owner, *before, Replace, Show, Saved))

    assert len(world.cloud.minted) == 4
    assert len(world.cloud.live()) == 2
    assert len(world.slack.handed) == 2


@pytest.mark.parametrize("number", range(2))
async def test_a_message_that_slack_refuses_costs_both_keys_and_both_are_created_anew(number: int) -> None:
    async with a_world(Plan({("notifier.hand_over", 0): Fault.ERROR_BEFORE})) as world:
        await seed(world)
        await click(world, Show)
        assert [type(each) for each in await both(world)] == [Undelivered, Undelivered]
        assert world.cloud.live() == []
        if number:
            await click(world, Replace, Show)
            assert len(world.cloud.live()) == 2
        await world.settle()
        await check_pair(world)


@pytest.mark.parametrize("how", ["refused", "not viewed", "not delivered"])
async def test_a_second_key_that_cannot_be_deleted_is_named_and_tried_until_it_is_gone(how: str) -> None:
    faults: dict[int | tuple[str, int], Fault] = {("cloud.delete_key", 0): Fault.REFUSED_BEFORE}
    if how == "refused":
        faults["cloud.create_key", 1] = Fault.REFUSED_BEFORE
    if how == "not delivered":
        faults["notifier.hand_over", 0] = Fault.ERROR_BEFORE
    async with a_world(Plan(faults)) as world:
        await seed(world)
        if how == "not viewed":
            world.clock.advance(timedelta(hours=25))
        await click(world, *([Show] if how == "not delivered" else []))
        await until_quiet(world)
        first, second = await both(world)
        assert isinstance(first, Failed | Unclaimed | Undelivered)
        assert isinstance(second, Unclaimed | Undelivered)
        assert world.cloud.live() == [second.key.id]
        assert first.left == second.key.id
        said = str(stands(first, yours=True))
        assert "couldn't be deleted yet, so it still works" in said
        assert "both keys were" not in said.lower()

        await world.settle()
        first, _ = await both(world)
        assert isinstance(first, Failed | Unclaimed | Undelivered)
        assert (first.left, world.cloud.live()) == (None, [])
        (line,) = [line for line in await world.audit() if line["action"] == "key:delete-failed"]
        assert line["details"]["key"] == second.key.id
        assert "delete it in Confluent Cloud" in line["details"]["next"]
        await check_pair(world)


async def test_another_pair_waits_for_a_second_key_that_cannot_be_deleted_and_says_so() -> None:
    async with a_world(Plan({("cloud.delete_key", nth): Fault.REFUSED_BEFORE for nth in (0, 2)})) as world:
        await seed(world)
        await click(world, Show, Replace)
        assert "The keys are being deleted and new ones created." in str(world.slack.said)
        first, second = await both(world)
        assert isinstance(first, Approved)
        assert isinstance(second, Undelivered)
        assert f"`{second.key.id}` of the previous pair couldn't be deleted yet" in first.trouble
        await world.settle(timedelta(hours=1))
        await click(world, Show)
        await world.settle()
        await check_pair(world)
        assert len(world.cloud.live()) == 2


async def test_an_approval_for_one_key_is_none_for_two() -> None:
    async with a_world() as world:
        world.cloud.there = (CLUSTER, REGISTRY)
        alone, pair = build.an_ask(), build.an_ask(also=REGISTRY)
        assert alone.digest() != pair.digest()
        await world.seed(build.approved(ask=pair, grant=build.a_grant(ask=alone)))
        world.start()
        await until_quiet(world)
        first, second = await both(world)
        assert isinstance(first, Failed)
        assert isinstance(second, Failed)
        assert world.cloud.minted == {}


@pytest.mark.parametrize("covers", ["registry", "cluster"])
async def test_an_approver_who_covers_only_one_of_them_by_now_counts_for_neither(covers: str) -> None:
    async with a_world() as world:
        world.cloud.there = (CLUSTER, REGISTRY)
        role = "ResourceKeyAdmin"
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN, role, build.PLACES[covers])]
        await world.seed(build.approved(ask=build.an_ask(also=REGISTRY)))
        world.start()
        await until_quiet(world)
        assert [type(each) for each in await both(world)] == [Failed, Failed]
        assert world.cloud.minted == {}


async def test_a_second_record_does_not_go_on_without_its_request() -> None:
    """Someone who could write records made one beside a request that is over."""
    async with a_world() as world:
        world.cloud.there = (CLUSTER, REGISTRY)
        pair = build.an_ask(also=REGISTRY)
        companion = pair.companion()
        assert companion is not None
        await world.seed(build.pending(ask=pair))
        grant = build.a_grant(ask=pair)
        await world.seed(Approved(companion, build.terms(), grant, 1, not_before=world.clock()))
        world.start()
        await until_quiet(world)
        _, second = await both(world)
        assert isinstance(second, Failed)
        assert world.cloud.minted == {}


async def test_a_second_key_that_is_deleted_before_it_is_viewed_costs_both() -> None:
    async with a_world() as world:
        await seed(world)
        _, second = await both(world)
        assert isinstance(second, Ready)
        world.cloud.minted[second.key.id].deleted_at = world.clock()
        await world.processes[0].services.origin.ended(second.key, "It leaked.", DANA)
        await click(world, Show)
        first, second = await both(world)
        assert isinstance(first, Undelivered)
        assert isinstance(second, Retired)
        assert (world.slack.handed, world.cloud.live()) == ([], [])
        await world.settle()
        await check_pair(world)


@pytest.mark.search
@pytest.mark.parametrize("nth", range(0, CALLS, 3))
def test_a_process_that_is_killed_at_any_call_leaves_both_or_neither(nth: int) -> None:
    asyncio.run(played({nth: Fault.KILL_AFTER}, OWNERS[nth % 2], Show, Saved))


@pytest.mark.search
@pytest.mark.parametrize("fault", Fault, ids=lambda each: each.name)
@pytest.mark.parametrize("where", WHERE)
def test_a_fault_at_each_kind_of_call_leaves_both_or_neither(where: str, fault: Fault) -> None:
    for nth in range(2):
        asyncio.run(played({(where, nth): fault}, NEW, Show, Replace, Show))


@pytest.mark.search
@settings(max_examples=40, deadline=None)
@given(FAULTS, st.sampled_from(OWNERS), st.lists(st.sampled_from([Show, Saved, Replace]), max_size=5))
def test_whatever_goes_wrong_both_are_in_use_or_neither_is(
    faults: Faults, owner: Owner, deeds: list[type[Show] | type[Saved] | type[Replace]]
) -> None:
    asyncio.run(played(faults, owner, *deeds))


def a_click_on_the_second(deed: type[Show] | type[Replace]) -> Show | Replace:
    return deed(R2, 1)


@pytest.mark.parametrize("deed", [Show, Replace])
@pytest.mark.parametrize("viewed", [False, True])
async def test_a_forged_click_on_the_second_record_shows_and_replaces_nothing(
    deed: type[Show] | type[Replace], *, viewed: bool
) -> None:
    async with a_world() as world:
        await seed(world)
        if viewed:
            await click(world, Show)
        before, live = await both(world), world.cloud.live()
        await world.click(a_click_on_the_second(deed))
        await until_quiet(world)
        assert [type(each) for each in await both(world)] == [type(each) for each in before]
        assert world.cloud.live() == live
        assert len(world.slack.handed) == int(viewed)


# --- from the form ----------------------------------------------------------------------------------------------------


async def sent(world: World, *, there: Cluster = REGISTRY) -> Request | None:
    """What becomes of a form with both keys chosen, where `there` is the registry that Confluent has."""
    world.cloud.there = (CLUSTER, there)
    draft = Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, "orders", "", "It is needed", also=REGISTRY.id)
    await world.store.drafts.put("D1", DANA.slack, draft)
    world.start()
    await world.click(Send("D1"))
    await world.work_now()
    stored = await world.store.requests.get(RequestId("D1"))
    return stored.value if stored else None


async def test_a_form_with_both_keys_makes_one_request_for_both() -> None:
    async with a_world() as world:
        request = await sent(world)
        assert isinstance(request, Pending)
        assert (request.ask.resource.id, request.ask.also and request.ask.also.id) == (CLUSTER.id, REGISTRY.id)
        assert len(await world.store.requests.of_requester(DANA.slack, 9)) == 1
        again = draft_again(request.ask, (), other_account=False)
        assert again.also == REGISTRY.id


@pytest.mark.parametrize(
    "elsewhere", [replace(REGISTRY, environment="env-2"), replace(REGISTRY, id="lsrc-2")], ids=["environment", "gone"]
)
async def test_a_forged_form_with_the_registry_of_another_environment_makes_no_request(elsewhere: Cluster) -> None:
    async with a_world() as world:
        assert await sent(world, there=elsewhere) is None


async def test_a_request_for_both_that_nobody_could_approve_is_not_sent() -> None:
    async with a_world() as world:
        place = build.PLACES["cluster"]
        for person in (ERIN, FEMI):
            world.cloud.bindings[person.principal] = [build.a_binding(person, "CloudClusterAdmin", place)]
        assert await sent(world) is None


async def test_an_approver_of_one_key_alone_is_refused_and_the_request_waits() -> None:
    async with a_world() as world:
        assert isinstance(await sent(world), Pending)
        world.cloud.bindings[OTTO.principal] = [build.a_binding(OTTO, "CloudClusterAdmin", build.PLACES["cluster"])]
        await world.click(Approve(RequestId("D1")), OTTO)
        await world.work_now()
        request = await world.state("D1")
        assert isinstance(request, Pending)
        assert request.approvals == ()
        assert any("don't cover the Schema Registry key of this request" in str(each) for each in world.slack.said)


async def test_the_second_record_is_none_of_the_requests_of_its_requester() -> None:
    async with a_world() as world:
        await seed(world)
        await click(world, Show)
        page = await world.processes[0].services.homes.page(DANA.slack)
        assert [each.ask.id for each in page.requests] == [R1]


async def test_a_pair_of_which_one_key_was_deleted_since_is_not_replaced() -> None:
    async with a_world() as world:
        await seed(world)
        await click(world, Show)
        _, second = await both(world)
        assert isinstance(second, Shown)
        world.cloud.minted[second.key.id].deleted_at = world.clock()
        await world.processes[0].services.origin.ended(second.key, "It leaked.", DANA)
        await click(world, Replace)
        first, second = await both(world)
        assert [type(first), type(second)] == [Shown, Retired]
        assert len(world.cloud.live()) == 1
