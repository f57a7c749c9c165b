"""`Remove access`: what Latchkey granted with a key goes, once and for good, and nothing else does."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.access import GivenBinding
from bot.domain.audit import Action
from bot.domain.keys import NewServiceAccount, Owner, Person
from bot.domain.requests import Confirmed, Granted
from bot.services.commands import RemoveAccess, Saved, Show
from tests.services.keys.test_role_bindings import GROUP, NEW, OWNERS, R1, READ, WRITE, account_of, held, seed
from tests.services.world import World, a_world, check_at_rest
from tests.support import build
from tests.support.build import ACCOUNT, DANA, ERIN, FEMI
from tests.support.faults import FORGETTABLE, Fault, Plan

STOPS = (
    "that it granted with key `KEY0000000000001`. Anything that needs this access will stop working. "
    "The key stays, and so does access that was also requested with another key."
)
WHERE = ("cloud.bound", "cloud.unbind", "requests.commit", "requests.get", "agenda.settle", "audit.append")
FAULTS = st.dictionaries(st.tuples(st.sampled_from(WHERE), st.integers(0, 3)), st.sampled_from(Fault), max_size=4)


async def in_use(world: World, owner: Owner = ACCOUNT) -> None:
    """A key with access whose secret Dana saved. The existing account could write to the topics before."""
    await seed(world, owner)
    await world.click(Show(R1, 1))
    await world.work_now()
    await world.click(Saved(R1, 1))
    await world.work_now()
    assert isinstance(await world.state(), Confirmed)


async def states(world: World) -> list[str]:
    state = await world.state()
    assert isinstance(state, Granted)
    return [each.state for each in state.grant.bindings]


async def removed(world: World, *, by: Person = ERIN, attempt: int = 1) -> list[str]:
    """Someone clicks `Remove access`; what is said to anyone because of it."""
    before = len(world.slack.said)
    await world.click(RemoveAccess(R1, attempt), by=by)
    await world.work_now()
    return [str(each) for each in world.slack.said[before:]]


@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
async def test_who_manages_the_key_takes_back_what_came_with_it_and_nothing_else(owner: Owner) -> None:
    async with a_world() as world:
        await in_use(world, owner)
        assert STOPS in str(await removed(world))

        had = [] if isinstance(owner, NewServiceAccount) else [held(ACCOUNT.id, WRITE)]
        assert world.cloud.bindings.get(account_of(world), []) == had
        assert await states(world) == ["existed" if had else "removed", "removed", "removed"]
        assert isinstance(await world.state(), Confirmed)
        assert len(world.cloud.minted) == 1
        asked = [line for line in await world.audit() if line["action"] == Action.BINDING_REMOVAL_ASKED]
        assert [line["actor"] for line in asked] == [ERIN.slack] * (2 if had else 3)


async def test_a_requester_who_does_not_manage_the_key_removes_nothing() -> None:
    async with a_world() as world:
        await in_use(world)
        assert "Only people who manage this key can remove its access. Nothing changed." in str(
            await removed(world, by=DANA)
        )

        assert await states(world) == ["existed", "given", "given"]
        refused = [line for line in await world.audit() if line["action"] == Action.SHOW_REFUSED]
        assert [line["details"]["tried"] for line in refused] == ["remove-access"]


async def test_a_second_click_removes_nothing_more_also_when_someone_granted_the_same_again() -> None:
    async with a_world() as world:
        await in_use(world)
        await world.click(RemoveAccess(R1, 1), by=ERIN)
        await world.click(RemoveAccess(R1, 1), by=FEMI)
        await world.work_now()
        theirs = [held(ACCOUNT.id, WRITE), held(ACCOUNT.id, READ)]
        world.cloud.bindings[ACCOUNT.id] = list(theirs)

        assert "it was removed already. Nothing changed." in str(await removed(world))
        await world.settle()
        assert world.cloud.bindings[ACCOUNT.id] == theirs
        deleted = [binding for what, binding in world.cloud.binding_history if what == "delete"]
        assert deleted == [held(ACCOUNT.id, READ), held(ACCOUNT.id, GROUP)]


@pytest.mark.parametrize("attempt", [0, 2])
async def test_a_button_of_another_key_removes_nothing(attempt: int) -> None:
    async with a_world() as world:
        await in_use(world)
        assert "This button belongs to an earlier state of the key." in str(await removed(world, attempt=attempt))

        assert await states(world) == ["existed", "given", "given"]


async def test_a_key_without_access_has_none_to_remove() -> None:
    async with a_world() as world:
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN)]
        await world.seed(build.states()["confirmed"])
        world.start()

        assert "Latchkey granted no access with this key" in str(await removed(world))


async def test_access_is_not_removed_before_the_secret_is_viewed() -> None:
    async with a_world() as world:
        await seed(world, ACCOUNT)
        assert "This button belongs to an earlier state of the key." in str(await removed(world))


def played(faults: Mapping[tuple[str, int], Fault], owner: Owner) -> Counter[str]:
    """Access is removed under faults from the click on; long after, all of it is gone and on record.

    Returns how often each of the faults' places was come to from the click on.
    """

    async def play() -> Counter[str]:
        async with a_world(Plan()) as world:
            await in_use(world, owner)
            done = {name: world.plan.calls.count(name) for name in WHERE}
            world.plan.faults = {(name, done[name] + number): fault for (name, number), fault in faults.items()}
            await world.click(RemoveAccess(R1, 1), by=ERIN)
            await world.settle()
            calls = Counter({name: world.plan.calls.count(name) - done[name] for name in WHERE})
            await check_at_rest(world)
            had = [] if isinstance(owner, NewServiceAccount) else [held(ACCOUNT.id, WRITE)]
            state = await world.state()
            assert isinstance(state, Granted)
            _check_gone(state.grant.bindings, list(world.cloud.bindings.get(account_of(world), [])), had)
            lines = [line["action"] for line in await world.audit()]
            assert lines.count(Action.BINDING_DELETE_INTENDED) == lines.count(Action.BINDING_REMOVAL_ASKED)
            return calls

    return asyncio.run(play())


def _check_gone(journal: tuple[GivenBinding, ...], there: Sequence[object], had: Sequence[object]) -> None:
    """All of it or, where the click itself was lost, nothing; never what was there before."""
    ours = {each.state for each in journal if each.state != "existed"}
    assert ours in ({"removed"}, {"given"})
    assert there == had if ours == {"removed"} else len(there) == len(journal)


@pytest.mark.search
@pytest.mark.parametrize("owner", OWNERS, ids=lambda each: each.kind)
def test_a_kill_or_a_lost_answer_at_any_call_leaves_no_access_behind(owner: Owner) -> None:
    usual = played({}, owner)
    assert usual.total() > 2 * len(WHERE)
    for name, calls in usual.items():
        for number in range(min(calls, 3)):
            for fault in set(Fault) - (set() if name in FORGETTABLE else {Fault.FORGOTTEN}):
                played({(name, number): fault}, owner)


@pytest.mark.search
@given(FAULTS, st.sampled_from([NEW, ACCOUNT]))
def test_whatever_fails_the_access_goes_or_stays_as_a_whole(
    faults: Mapping[tuple[str, int], Fault], owner: Owner
) -> None:
    played(faults, owner)
