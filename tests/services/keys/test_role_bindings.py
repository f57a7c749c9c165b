"""Role bindings that come with a key: granted before it, never twice, and taken back if nobody gets to use the key."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.access import WantedBinding
from bot.domain.keys import NewServiceAccount, Operation, Owner, Principal, RequestId, ServiceAccount
from bot.domain.policy import Mint
from bot.domain.requests import Approved, Confirmed, Failed, Granted, Offered, Ready, Shown, Unclaimed, Working
from bot.domain.roles import Binding
from bot.services.agenda import Item, ItemKind
from bot.services.commands import RemoveAccess, Replace, Saved, Show
from bot.services.ports.cloud import Bound
from tests.services.world import World, a_world, check_at_rest
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, ERIN, FEMI, HERE, ORGANIZATION
from tests.support.fakes import FakeCloud
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
NEW = NewServiceAccount("orders-new", "reads orders")
PLACE = f"environment={CLUSTER.environment}/cloud-cluster={CLUSTER.id}/kafka={CLUSTER.id}"
WRITE, READ, GROUP = (
    WantedBinding("DeveloperWrite", f"{PLACE}/topic=orders-*"),
    WantedBinding("DeveloperRead", f"{PLACE}/topic=orders-*"),
    WantedBinding("DeveloperRead", f"{PLACE}/group=orders-*"),
)
ALL = (WRITE, READ, GROUP)
CALLS = 110
Faults = Mapping[int | tuple[str, int], Fault]
WHERE = (
    "agenda.settle",
    "audit.append",
    "cloud.bind",
    "cloud.bound",
    "cloud.create_account",
    "cloud.create_key",
    "cloud.delete_account",
    "cloud.keys",
    "cloud.unbind",
    "requests.commit",
    "requests.get",
)
FAULTS = st.one_of(
    st.dictionaries(st.integers(0, CALLS), st.sampled_from(Fault), max_size=3),
    st.dictionaries(st.tuples(st.sampled_from(WHERE), st.integers(0, 3)), st.sampled_from(Fault), max_size=4),
)
OWNERS: tuple[Owner, ...] = (NEW, ACCOUNT)


def held(principal: Principal, wanted: WantedBinding) -> Binding:
    """The role binding that was wanted, as Confluent has it."""
    return Binding(principal, wanted.role, wanted.crn(ORGANIZATION))


def account_of(world: World) -> Principal:
    """The account that the key is for: the one that was created, or the one that there was."""
    made = [account.id for what, account in world.cloud.account_history if what == "create"]
    return made[-1] if made else ACCOUNT.id


async def seed(world: World, owner: Owner, mint: Mint = "on_approval", wanted: Sequence[WantedBinding] = ALL) -> None:
    """An approved request for a key with access; an existing account can write to the topics already."""
    for person in (ERIN, FEMI):
        world.cloud.bindings[person.principal] = [build.a_binding(person, "OrganizationAdmin", HERE)]
    if isinstance(owner, ServiceAccount):
        world.cloud.bindings[owner.id] = [held(owner.id, WRITE)]
    ask = build.an_ask(owner=owner, bindings=tuple(wanted))
    await world.seed(build.approved(ask=ask, terms=build.terms(mint=mint)))
    world.start()
    await world.work_now()


async def played(faults: Faults, owner: Owner, *, claims: bool, mint: Mint = "on_approval", late: int = 0) -> World:
    """Under faults, with a requester who views the secret or does not; long after, everything is at rest."""
    async with a_world(Plan()) as world:
        world.plan.faults = dict(faults)
        world.cloud.bindings_land = timedelta(seconds=late)
        await seed(world, owner, mint)
        if claims:
            await world.click(Show(R1, getattr(await world.state(), "attempt", 1)))
            await world.work_now()
            if world.shown():
                await world.click(Saved(R1, getattr(await world.state(), "attempt", 1)))
        await world.settle()
        await check_at_rest(world)
        await check_bindings(world, owner)
        return world


async def check_bindings(world: World, owner: Owner) -> None:
    """Everything that was wanted where the key is in use, else only what was there before; all of it on record."""
    state, account = await world.state(), account_of(world)
    before = [held(account, WRITE)] if isinstance(owner, ServiceAccount) else []
    there = world.cloud.bindings.get(account, [])
    if isinstance(state, Shown | Confirmed):
        assert sorted(there, key=str) == sorted((held(account, each) for each in ALL), key=str)
    else:
        assert there == before, f"{state.kind}: {there}"
    assert not {("delete", each) for each in before} & set(world.cloud.binding_history)
    lines = [
        (line["action"], line["details"].get("role"), line["details"].get("scope")) for line in await world.audit()
    ]
    for what, binding in world.cloud.binding_history:
        scope = binding.crn.partition(f"{ORGANIZATION}/")[2]
        said = {"create": "binding:create-intended", "delete": "binding:delete-intended"}[what]
        if what == "create" or ("binding:deleted", binding.role, scope) not in lines:
            assert (said, binding.role, scope) in lines


@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
async def test_access_is_granted_before_the_key_is_created_and_stays_once_its_secret_was_viewed(owner: Owner) -> None:
    async with a_world() as world:
        await seed(world, owner)

        calls = [
            each for each in world.plan.calls if each in {"cloud.create_account", "cloud.bind", "cloud.create_key"}
        ]
        made = 3 if isinstance(owner, NewServiceAccount) else 2
        first = ["cloud.create_account"] if isinstance(owner, NewServiceAccount) else []
        assert calls == [*first, *["cloud.bind"] * made, "cloud.create_key"]
        await world.click(Show(R1, 1))
        await world.work_now()
        await world.click(Saved(R1, 1))
        await world.settle()
        await check_bindings(world, owner)


@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
@pytest.mark.parametrize("mint", ["on_approval", "on_claim"])
def test_access_whose_key_nobody_views_is_taken_back_and_what_was_there_before_stays(owner: Owner, mint: Mint) -> None:
    world = asyncio.run(played({}, owner, claims=False, mint=mint))

    deleted = [binding for what, binding in world.cloud.binding_history if what == "delete"]
    if mint == "on_claim":
        assert world.cloud.binding_history == []
    elif isinstance(owner, ServiceAccount):
        assert deleted == [held(owner.id, READ), held(owner.id, GROUP)]


@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
async def test_access_is_taken_back_at_once_when_confluent_refuses_the_key(owner: Owner) -> None:
    async with a_world(Plan({("cloud.create_key", 0): Fault.REFUSED_BEFORE})) as world:
        await seed(world, owner)
        await world.settle(timedelta(hours=1))

        state = await world.state()
        assert isinstance(state, Failed)
        assert "will remove the access" in state.changed
        await check_bindings(world, owner)


async def test_access_that_confluent_refuses_ends_the_request_without_a_key_and_takes_the_rest_back() -> None:
    async with a_world(Plan({("cloud.bind", 1): Fault.REFUSED_BEFORE})) as world:
        await seed(world, ACCOUNT)
        await world.settle(timedelta(hours=1))

        state = await world.state()
        assert isinstance(state, Failed)
        assert "DeveloperRead on consumer groups starting with `orders-` couldn't be granted" in state.happened
        assert [what for what, _ in world.cloud.binding_history] == ["create", "delete"]
        assert "cloud.create_key" not in world.plan.calls
        await check_bindings(world, ACCOUNT)


async def test_access_of_a_key_that_someone_deletes_before_its_secret_is_viewed_is_taken_back() -> None:
    async with a_world() as world:
        await seed(world, ACCOUNT)
        state = await world.state()
        assert isinstance(state, Ready)

        await world.processes[0].services.origin.ended(state.key, "Someone deleted it.")
        await world.settle(timedelta(hours=1))

        assert world.cloud.bindings[ACCOUNT.id] == [held(ACCOUNT.id, WRITE)]


@dataclass(slots=True)
class Racing(FakeCloud):
    """A Confluent where someone else grants the same a moment before Latchkey does."""

    async def bind(self, wanted: Binding) -> Bound:
        self.bindings[wanted.principal].append(wanted)
        return await FakeCloud.bind(self, wanted)


async def test_access_that_someone_else_grants_in_the_same_moment_is_theirs() -> None:
    async with a_world(cloud=Racing) as world:
        await seed(world, ACCOUNT, wanted=[READ])
        await world.settle()

        assert isinstance(await world.state(), Unclaimed)
        assert world.cloud.bindings[ACCOUNT.id] == [held(ACCOUNT.id, WRITE), held(ACCOUNT.id, READ)]
        assert world.cloud.binding_history == []


async def test_access_that_was_replaced_by_someone_elses_of_the_same_kind_is_not_taken_back() -> None:
    """The same role at the same place under another id is not the one that Latchkey created."""
    async with a_world() as world:
        await seed(world, ACCOUNT, wanted=[READ])
        (ours,) = world.cloud.made_bindings
        del world.cloud.made_bindings[ours]  # from now on it shows under another id

        await world.settle()

        assert isinstance(await world.state(), Unclaimed)
        assert held(ACCOUNT.id, READ) in world.cloud.bindings[ACCOUNT.id]


@pytest.mark.search
@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER, Fault.KILL_BEFORE, Fault.PAUSE_AFTER])
@pytest.mark.parametrize(("owner", "late"), list(product(OWNERS, [0, 20, 100])))
def test_access_whose_answer_was_lost_is_found_again_and_taken_back(fault: Fault, owner: Owner, late: int) -> None:
    for nth in range(2):
        asyncio.run(played({("cloud.bind", nth): fault}, owner, claims=False, late=late))
        asyncio.run(played({("cloud.bind", nth): fault}, owner, claims=True, late=late))


@pytest.mark.search
@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
@pytest.mark.parametrize("claims", [False, True])
def test_a_kill_or_a_lost_answer_at_any_call_leaves_all_access_or_none(owner: Owner, *, claims: bool) -> None:
    usual = asyncio.run(played({}, owner, claims=claims))
    assert len(usual.plan.calls) <= 2 * CALLS
    for fault in (Fault.KILL_AFTER, Fault.ERROR_AFTER):
        for call in range(0, CALLS, 8):
            asyncio.run(played({call: fault}, owner, claims=claims))


@pytest.mark.search
@settings(max_examples=40)
@given(FAULTS, st.sampled_from(OWNERS), st.booleans(), st.sampled_from(["on_approval", "on_claim"]),
       st.sampled_from([0, 4, 100]))  # fmt: skip
def test_whatever_fails_access_is_never_doubled_and_never_forgotten(
    faults: Faults,
    owner: Owner,
    claims: bool,  # noqa: FBT001 - drawn by position
    mint: Mint,
    late: int,
) -> None:
    asyncio.run(played(faults, owner, claims=claims, mint=mint, late=late))


async def test_access_is_not_granted_once_an_approver_has_lost_the_right_to_grant_it() -> None:
    async with a_world() as world:
        for person in (ERIN, FEMI):  # who manages keys, and grants nothing
            world.cloud.bindings[person.principal] = [build.a_binding(person, "ResourceKeyAdmin", HERE)]
        ask = build.an_ask(bindings=ALL)
        await world.seed(build.approved(ask=ask))
        world.start()
        await world.settle(timedelta(hours=1))

        assert isinstance(await world.state(), Failed)
        assert world.cloud.binding_history == []
        assert world.cloud.minted == {}


async def test_an_item_that_someone_else_put_on_the_agenda_takes_nothing_back() -> None:
    async with a_world() as world:
        await seed(world, ACCOUNT)
        await world.click(Show(R1, 1))
        await world.work_now()
        await world.click(Saved(R1, 1))
        await world.settle(timedelta(days=2))

        await world.store.agenda.put(Item(ItemKind.BINDINGS, R1), world.clock())
        await world.settle(timedelta(hours=1))

        await check_bindings(world, ACCOUNT)


async def test_access_that_a_click_on_show_secret_began_to_grant_is_there_for_the_next_click() -> None:
    async with a_world(Plan({("cloud.bind", 1): Fault.ERROR_AFTER})) as world:
        await seed(world, ACCOUNT, "on_claim")
        assert isinstance(await world.state(), Offered)

        await world.click(Show(R1, 1))
        await world.settle(timedelta(hours=1))

        state = await world.state()
        assert isinstance(state, Shown | Approved)
        assert isinstance(state, Granted)
        assert sorted(each.state for each in state.grant.bindings) == ["existed", "given", "given"]


# --- access that came with two keys -----------------------------------------------------------------------------------

R2 = RequestId("R2")


async def two_keys(world: World, *, claims_first: bool = False) -> None:
    """Two requests for the same access of one account: Latchkey granted it with the first, and the second is in use."""
    await seed(world, ACCOUNT)
    if claims_first:
        await world.click(Show(R1, 1))
    await world.seed(build.approved(ask=build.an_ask(id=R2, bindings=ALL)))
    await world.work_now()
    await world.click(Show(R2, 1))
    await world.work_now()
    assert await became(world, R2) == ["existed"] * 3


async def became(world: World, request: RequestId) -> list[str]:
    state = await world.state(request)
    assert isinstance(state, Granted)
    return [each.state for each in state.grant.bindings]


async def check_shared(world: World) -> None:
    """The second key has all its access, and can be rid of what Latchkey granted."""
    assert sorted(world.cloud.bindings[ACCOUNT.id], key=str) == sorted(
        (held(ACCOUNT.id, each) for each in ALL), key=str
    )
    assert await became(world, R1) == ["existed", "kept", "kept"]
    assert await became(world, R2) == ["existed", "given", "given"]


@pytest.mark.parametrize("removes", [False, True])
async def test_access_that_another_key_came_with_too_stays_and_is_that_ones_from_then_on(*, removes: bool) -> None:
    async with a_world() as world:
        await two_keys(world, claims_first=removes)
        if removes:
            await world.click(RemoveAccess(R1, 1), ERIN)
        await world.settle(timedelta(days=2))
        await check_shared(world)
        kept = [line["details"] for line in await world.audit() if line["action"] == "binding:kept"]
        assert [(each["role"], each["other"]) for each in kept] == [("DeveloperRead", R2)] * 2

        await world.click(RemoveAccess(R2, 1), ERIN)
        await world.settle(timedelta(hours=1))
        assert world.cloud.bindings[ACCOUNT.id] == [held(ACCOUNT.id, WRITE)]


async def test_access_stays_for_the_key_that_its_own_was_rotated_to() -> None:
    """Someone loses the old key, whose secret is replaced and not viewed, while the new one is in use."""
    async with a_world() as world:
        await seed(world, ACCOUNT)
        await world.click(Show(R1, 1))
        await world.work_now()
        old = world.cloud.minted[world.cloud.live()[0]].key
        ask = build.an_ask(id=R2, operation=Operation.ROTATE, key=old, overlap=timedelta(days=3))
        await world.seed(build.approved(ask=ask))
        await world.work_now()
        for deed in (Show(R2, 1), Saved(R2, 1), Replace(R1, 1)):
            await world.click(deed)
            await world.work_now()
        await world.settle(timedelta(days=2))

        assert isinstance(await world.state(), Unclaimed)
        assert isinstance(await world.state(R2), Confirmed)
        assert len(world.cloud.bindings[ACCOUNT.id]) == len(ALL)


async def test_access_goes_with_the_last_of_the_keys_that_came_with_it() -> None:
    async with a_world() as world:
        await two_keys(world, claims_first=True)
        for request in (R2, R1):  # the second one has nothing to give up while the first one has it
            await world.click(RemoveAccess(request, 1), ERIN)
            await world.settle(timedelta(hours=1))
        await check_shared(world)


@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER])
def test_a_kill_or_a_lost_answer_while_access_changes_hands_loses_none_of_it(fault: Fault) -> None:
    async def once(nth: int) -> None:
        async with a_world(Plan()) as world:
            await two_keys(world)
            world.clock.advance(timedelta(hours=25))
            world.plan.faults = {len(world.plan.calls) + nth: fault}
            await world.settle(timedelta(days=2))
            await check_shared(world)

    for nth in range(0, 36, 6):
        asyncio.run(once(nth))


async def test_access_that_went_away_before_the_next_attempt_is_granted_again() -> None:
    async with a_world(Plan({("cloud.create_key", 0): Fault.ERROR_BEFORE})) as world:
        await seed(world, ACCOUNT)
        assert isinstance(await world.state(), Working)
        world.cloud.bindings[ACCOUNT.id].remove(held(ACCOUNT.id, WRITE))

        await world.settle(timedelta(minutes=5))
        assert isinstance(await world.state(), Ready)
        assert await became(world, R1) == ["given"] * 3
