"""A service account made for a key: after approval, found again after a crash, removed if no key comes of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Account
from bot.domain.errors import CloudRefused
from bot.domain.keys import ApiKey, Marker, NewServiceAccount, Principal, RequestId, Secret
from bot.domain.policy import Mint
from bot.domain.requests import Confirmed, Failed, Ready, Shown
from bot.services.commands import Saved, Show
from bot.services.ports.cloud import NewKey
from tests.services.world import World, a_world, check_at_rest
from tests.support import build
from tests.support.build import ERIN, FEMI, HERE
from tests.support.fakes import FakeCloud
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
NEW = NewServiceAccount("orders-new", "x" * 128)
CALLS = 100
Faults = Mapping[int | tuple[str, int], Fault]
WHERE = ("cloud.create_account", "cloud.accounts_named", "cloud.create_key", "cloud.describe_account",
         "cloud.delete_account", "cloud.keys_of", "requests.commit", "agenda.settle", "audit.append")  # fmt: skip
FAULTS = st.one_of(
    st.dictionaries(st.integers(0, CALLS), st.sampled_from(Fault), max_size=3),
    st.dictionaries(st.tuples(st.sampled_from(WHERE), st.integers(0, 3)), st.sampled_from(Fault), max_size=4),
)


async def seed(world: World, mint: Mint = "on_approval") -> None:
    """An approved request for a key of an account that does not exist yet."""
    for person in (ERIN, FEMI):
        world.cloud.bindings[person.principal] = [build.a_binding(person, "OrganizationAdmin", HERE)]
    ask = build.an_ask(owner=NEW)
    await world.seed(build.approved(ask=ask, terms=build.terms(mint=mint)))
    world.start()
    await world.work_now()


async def played(faults: Faults, *, claims: bool, mint: Mint = "on_approval") -> World:
    """Under faults, with a requester who takes the secret or does not; long after, everything is at rest."""
    async with a_world(Plan()) as world:
        world.plan.faults = dict(faults)
        await seed(world, mint)
        if claims:
            await world.click(Show(R1, getattr(await world.state(), "attempt", 1)))
            await world.work_now()
            if world.shown():
                await world.click(Saved(R1, getattr(await world.state(), "attempt", 1)))
        await world.settle()
        await check_at_rest(world)
        _check_account(world, is_used=isinstance(await world.state(), Shown | Confirmed))
        return world


def _check_account(world: World, *, is_used: bool) -> None:
    """There is the account, with the description that was typed, or there is none."""
    left = list(world.cloud.accounts.values())
    if is_used:
        assert [(each.name, each.description) for each in left] == [(NEW.name, NEW.description)]
    else:
        assert left == []


async def test_the_account_is_made_after_the_approval_and_gets_its_own_description_once_the_key_is_in_use() -> None:
    async with a_world() as world:
        await seed(world)

        (account,) = world.cloud.accounts.values()
        assert Marker.find(account.description) == Marker(R1, 0)
        assert len(account.description) <= 128
        await world.click(Show(R1, 1))
        await world.work_now()
        assert Marker.find(world.cloud.accounts[account.id].description), "the key can still be replaced"
        await world.settle(timedelta(days=1))

        _check_account(world, is_used=True)
        (_, handover), *_ = world.slack.handed
        assert handover.owner.id == account.id


def test_an_account_whose_key_nobody_takes_is_removed_again() -> None:
    asyncio.run(played({}, claims=False))


async def test_an_account_whose_key_confluent_refuses_is_removed_again() -> None:
    async with a_world(Plan({("cloud.create_key", 0): Fault.REFUSED_BEFORE})) as world:
        await seed(world)
        await world.settle(timedelta(hours=1))

        assert isinstance(await world.state(), Failed)
        _check_account(world, is_used=False)
        assert [what for what, _ in world.cloud.account_history] == ["create", "delete"]


async def test_a_name_that_somebody_took_meanwhile_ends_the_request_and_leaves_that_account_alone() -> None:
    async with a_world() as world:
        others = Account(Principal("sa-others"), NEW.name, "made in the Console")
        world.cloud.accounts[others.id] = others

        await seed(world)
        await world.settle()

        state = await world.state()
        assert isinstance(state, Failed)
        assert "orders-new" in state.happened
        assert world.cloud.accounts == {others.id: others}


async def test_an_account_that_got_another_key_meanwhile_stays_with_the_description_that_was_typed() -> None:
    async with a_world() as world:
        await seed(world)
        (account,) = world.cloud.accounts.values()
        world.cloud.add(build.a_key("KEY0000000000077", marker="", owner=account.id))

        await world.settle()

        assert world.cloud.live() == ["KEY0000000000077"]
        assert list(world.cloud.accounts) == [account.id]
        _check_account(world, is_used=True)


@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER, Fault.KILL_BEFORE])
def test_an_account_made_by_a_process_that_died_or_lost_the_answer_is_found_and_used(fault: Fault) -> None:
    world = asyncio.run(played({("cloud.create_account", 0): fault}, claims=False))

    assert [what for what, _ in world.cloud.account_history] == ["create", "delete"]


@pytest.mark.parametrize("late", [timedelta(), timedelta(seconds=4), timedelta(seconds=100)])
async def test_an_account_whose_answer_was_lost_and_that_shows_late_is_removed_when_its_request_has_failed(
    late: timedelta,
) -> None:
    faults: Faults = {("cloud.create_account", 0): Fault.ERROR_AFTER, ("cloud.role_bindings", 2): Fault.REFUSED_BEFORE}
    async with a_world(Plan(faults)) as world:
        world.cloud.accounts_land = late
        await seed(world)
        world.cloud.bindings[ERIN.principal] = []

        await world.settle()

        assert isinstance(await world.state(), Failed)
        assert [what for what, _ in world.cloud.account_history] == ["create", "delete"]


async def test_an_account_is_removed_though_a_key_that_was_given_up_shows_just_before_that() -> None:
    faults: Faults = {
        ("cloud.create_key", 0): Fault.ERROR_AFTER,
        ("cloud.keys_of", 0): Fault.REFUSED_BEFORE,
    }
    async with a_world(Plan(faults)) as world:
        world.cloud.landing = [timedelta(seconds=20)]
        await seed(world)
        world.cloud.bindings[ERIN.principal] = []

        await world.settle()

        assert isinstance(await world.state(), Failed)
        assert world.cloud.live() == []
        assert [what for what, _ in world.cloud.account_history] == ["create", "delete"]


async def told_of_accounts(world: World) -> list[str]:
    """What the audit log says of service accounts, each line about the very one."""
    (_, made), *_ = world.cloud.account_history
    lines = [line for line in await world.audit() if str(line["action"]).startswith("account:")]
    assert {line["details"]["name"] for line in lines if "name" in line["details"]} == {NEW.name}
    assert {line["details"]["account"] for line in lines if "account" in line["details"]} == {made.id}
    return [str(line["action"]).removeprefix("account:") for line in lines]


@pytest.mark.parametrize("claims", [False, True])
async def test_the_audit_log_has_what_was_meant_and_what_happened_to_the_account(*, claims: bool) -> None:
    async with a_world() as world:
        await seed(world)
        if claims:
            await world.click(Show(R1, 1))
        await world.settle()

        last = ["edit-intended", "edited"] if claims else ["delete-intended", "deleted"]
        assert await told_of_accounts(world) == ["create-intended", "created", *last]


@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER])
async def test_the_audit_log_says_that_an_account_was_made_whose_answer_was_lost(fault: Fault) -> None:
    async with a_world(Plan({("cloud.create_account", 0): fault})) as world:
        await seed(world)
        await world.settle(timedelta(minutes=10))

        assert await told_of_accounts(world) == ["create-intended", "created"]
        created = next(line for line in await world.audit() if line["action"] == "account:created")
        assert created["details"]["found"] == "it already existed"


@dataclass(slots=True)
class Landing(FakeCloud):
    """A Confluent where an account whose answer was lost does not show until its name is wanted once more."""

    async def create_account(self, name: str, description: str) -> Account:
        try:
            return await FakeCloud.create_account(self, name, description)
        except CloudRefused:
            self.accounts_land = timedelta()
            raise


async def test_an_account_that_lands_in_the_moment_in_which_it_is_made_again_is_used() -> None:
    async with a_world(Plan({("cloud.create_account", 0): Fault.ERROR_AFTER}), cloud=Landing) as world:
        world.cloud.accounts_land = timedelta(days=1)
        await seed(world)
        await world.settle(timedelta(minutes=10))

        state = await world.state()
        assert isinstance(state, Ready)
        assert world.cloud.live() == [state.key.id]
        assert list(world.cloud.accounts) == [state.key.owner]
        assert (await told_of_accounts(world))[-1] == "created"


@dataclass(slots=True)
class Closing(FakeCloud):
    """A Confluent that refuses to make keys, and from that point on shows nothing of what there is."""

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        self.is_partial = True
        raise CloudRefused(status=403, detail="not authorised", reference="R-3")


async def test_an_account_that_is_not_shown_is_not_taken_for_gone_while_rights_are_missing() -> None:
    async with a_world(cloud=Closing) as world:
        await seed(world)
        await world.settle(timedelta(hours=1))
        assert isinstance(await world.state(), Failed)
        assert len(world.cloud.accounts) == 1

        world.cloud.is_partial = False
        await world.settle(timedelta(hours=1))

        assert world.cloud.accounts == {}


def test_an_account_that_a_paused_process_makes_once_more_after_its_removal_is_removed_too() -> None:
    world = asyncio.run(
        played(
            {("cloud.create_account", 0): Fault.PAUSE_BEFORE, ("cloud.create_key", 0): Fault.REFUSED_BEFORE},
            claims=False,
        )
    )

    assert [what for what, _ in world.cloud.account_history] == ["create", "delete"] * 2


@pytest.mark.search
@given(faults=FAULTS, claims=st.booleans(), mint=st.sampled_from(["on_approval", "on_claim"]))
@settings(max_examples=60)
def test_at_rest_there_is_one_account_with_its_key_or_neither(faults: Faults, mint: Mint, *, claims: bool) -> None:
    asyncio.run(played(faults, claims=claims, mint=mint))
