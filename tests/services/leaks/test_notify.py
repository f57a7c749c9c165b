"""What is told of a leaked key, to whom, and what people who manage it can do about it at once."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.audit import Action
from bot.domain.catalog import Environment
from bot.domain.errors import CloudRefused
from bot.domain.keys import ApiKey, KeyId, Operation, Person, Principal, Resource
from bot.domain.kinds import Kind
from bot.domain.leaks.report import COUNTS_FOR, Leak
from bot.domain.policy import Match
from bot.domain.requests import Pending, Retired
from bot.services.agenda import Item, ItemKind
from bot.services.commands import Delete, ReportLeak, Rotate
from bot.services.requests.change import CONFIRM
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, ERIN, FEMI, HOUR, OTTO
from tests.support.fakes import FakeCloud
from tests.support.faults import Fault, Plan

KEY = KeyId("ABCD1234EFGH5678")


def a_leak(owner: Principal = ACCOUNT.id, **fields: object) -> ApiKey:
    return build.a_key(KEY, marker="", kind=Kind.KAFKA, owner=owner, **fields)


async def reported(world: World, key: ApiKey, by: Person = OTTO) -> dict[str, str]:
    """Someone reports the key; returns who is told, and why."""
    world.cloud.add(key)
    await world.click(ReportLeak((key.id,)), by)
    await world.work_now()
    return told(world)


def told(world: World) -> dict[str, str]:
    return {place.channel: notice.audience for place, notice in world.slack.leaks}


async def test_the_channel_and_people_who_manage_the_key_are_told_each_once() -> None:
    async with a_world() as world:
        assert await reported(world, a_leak()) == {"C01": "channel", ERIN.slack: "manager", FEMI.slack: "manager"}
        assert len(world.slack.leaks) == 3
        (_, notice), *_ = world.slack.leaks

    assert (notice.leak.by, notice.owner, notice.resource) == (OTTO.slack, ACCOUNT, CLUSTER)
    assert not notice.is_gone


async def test_the_owner_of_a_personal_key_is_told() -> None:
    async with a_world() as world:
        assert (await reported(world, a_leak(DANA.principal)))[DANA.slack] == "owner"


async def test_people_who_own_the_service_account_are_told() -> None:
    async with a_world() as world:
        owns = build.a_binding(DANA, "ResourceOwner", f"{build.HERE}/service-account={ACCOUNT.id}")
        world.cloud.bindings[DANA.principal] = [owns]

        assert (await reported(world, a_leak()))[DANA.slack] == "account-owner"


async def test_the_person_who_requested_the_key_is_told() -> None:
    async with a_world() as world:
        shown = build.shown(key=a_leak(description="orders [lk:R1/1]"))
        await world.seed(shown)

        assert (await reported(world, shown.key))[DANA.slack] == "requester"
        assert world.slack.leaks[0][1].requester == DANA.slack


async def test_the_channel_is_that_of_the_rule_for_deleting_the_key() -> None:
    async with a_world() as world:
        rule = build.a_rule(0, Match(frozenset({Operation.DELETE})), channel="C77")
        world.policy = replace(world.policy, rules=(rule, *world.policy.rules))

        assert "C77" in await reported(world, a_leak())


async def test_a_key_of_latchkeys_own_account_is_told_as_such() -> None:
    async with a_world() as world:
        await reported(world, a_leak(Principal("sa-latchk")))

        assert all(notice.is_ours for _, notice in world.slack.leaks)


async def test_a_key_that_is_deleted_updates_each_message_once() -> None:
    async with a_world() as world:
        await reported(world, a_leak())
        sent = [place for place, _ in world.slack.leaks]
        await world.cloud.delete_key(KEY, ACCOUNT.id, CLUSTER)
        await world.settle(3 * HOUR)
        updates = world.slack.leaks[len(sent) :]

        assert [place for place, _ in updates] == sent
        assert all(notice.is_gone for _, notice in updates)


async def test_a_key_that_still_exists_is_looked_at_until_its_report_counts_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_world() as world:
        await reported(world, a_leak())
        messages = len(world.slack.leaks)
        await world.settle(2 * COUNTS_FOR)

        assert len(world.slack.leaks) == messages
    assert [each.message for each in caplog.records].count("a key that was reported as leaked still exists") == 1


async def test_a_person_whom_slack_does_not_reach_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async with a_world() as world:
        world.slack.unreachable = {ERIN.slack}
        assert set(await reported(world, a_leak())) == {"C01", FEMI.slack}
        await world.settle(3 * HOUR)

    assert [each.message for each in caplog.records].count("couldn't send a message about a leaked key") == 1


async def test_an_item_without_a_report_does_nothing() -> None:
    async with a_world() as world:
        process = world.start()
        world.cloud.add(a_leak())

        assert await process.services.leak_notices.step(Item(ItemKind.LEAK, KEY)) is None
        assert world.slack.leaks == []


class Growing(FakeCloud):
    """A Confluent whose environment Latchkey can't see at first."""

    is_hidden = True

    async def environments(self) -> list[Environment]:
        return [] if self.is_hidden else [Environment("env-dev001", "dev")]


async def test_people_are_told_once_latchkey_knows_where_the_keys_cluster_is() -> None:
    async with a_world(cloud=Growing) as world:
        assert set(await reported(world, a_leak())) == {"C01"}
        setattr(world.cloud, "is_hidden", False)  # noqa: B010 - a field that FakeCloud lacks
        await world.settle(HOUR)

        assert set(told(world)) == {"C01", ERIN.slack, FEMI.slack}


# --- what can be done about it ---------------------------------------------------------------------------------------


async def delete(world: World, by: Person) -> str:
    """Someone deletes the key; returns what they read."""
    await world.click(Delete(KEY, CONFIRM, "Reported as leaked"), by)
    await world.work_now()
    return world.slack.said[-1][1]


def strict(world: World) -> None:
    """Every deletion needs two approvals."""
    world.policy = build.a_policy(2)


async def test_people_who_manage_a_leaked_key_delete_it_without_an_approval() -> None:
    async with a_world() as world:
        strict(world)
        await reported(world, a_leak())
        said = await delete(world, ERIN)
        await world.settle(HOUR)

        assert "No approval needed" in said
        assert world.cloud.live() == []
        submitted = [line for line in await world.audit() if line["action"] == Action.SUBMITTED]
        assert [line["details"]["leaked"] for line in submitted] == ["yes"]


async def test_the_owner_deletes_a_leaked_personal_key_without_an_approval() -> None:
    async with a_world() as world:
        strict(world)
        await reported(world, a_leak(DANA.principal))
        await delete(world, DANA)
        await world.settle(HOUR)

        assert world.cloud.live() == []


async def test_without_a_report_the_policy_decides() -> None:
    async with a_world() as world:
        strict(world)
        world.cloud.add(a_leak())
        await delete(world, ERIN)
        await world.settle(HOUR)

        assert world.cloud.live() == [KEY]


async def test_once_a_report_counts_no_more_the_policy_decides() -> None:
    async with a_world() as world:
        strict(world)
        await reported(world, a_leak())
        world.clock.advance(COUNTS_FOR)
        await delete(world, ERIN)
        await world.settle(HOUR)

        assert world.cloud.live() == [KEY]


async def test_a_report_gives_no_one_else_a_right() -> None:
    async with a_world() as world:
        strict(world)
        shown = build.shown(key=a_leak(description="orders [lk:R1/1]"))
        await world.seed(shown)
        await reported(world, shown.key)
        said = await delete(world, DANA)  # who requested it, and may only request its deletion
        await world.work_now()

        assert "waiting" in said or "Request sent" in said
        assert world.cloud.live() == [KEY]


async def test_a_rule_that_forbids_forbids_all_the_same() -> None:
    async with a_world() as world:
        rule = build.a_rule(0, Match(frozenset({Operation.DELETE})), forbid="Ask the platform team.")
        world.policy = replace(world.policy, rules=(rule, *world.policy.rules))
        await reported(world, a_leak())

        assert "Ask the platform team." in await delete(world, ERIN)
        assert world.cloud.live() == [KEY]


async def test_a_report_is_no_way_around_the_approval_of_a_new_key() -> None:
    async with a_world() as world:
        await reported(world, a_leak())
        await world.click(Rotate(KEY, "orders", "", "Reported as leaked", 0), ERIN)
        await world.work_now()
        (request,) = [each.value for each in await world.store.requests.of_requester(ERIN.slack, 5)]

        assert isinstance(request, Pending)
        assert request.ask.overlap.total_seconds() == 0


async def test_a_key_that_latchkey_deletes_updates_its_messages_at_once() -> None:
    async with a_world() as world:
        await reported(world, a_leak())
        await delete(world, ERIN)
        await world.work_now()

        assert world.slack.leaks[-1][1].is_gone


async def test_the_page_of_a_leaked_key_says_so() -> None:
    async with a_world() as world:
        await reported(world, a_leak())
        views = world.start().services.key_views
        page = await views.delete_page(KEY, await views.visitor(ERIN.slack))

        assert isinstance(page.view.leak, Leak)
        assert page.terms.approvals == 0


# --- a rule that deletes at once -------------------------------------------------------------------------------------


def deletes_at_once(world: World, **fields: Any) -> None:
    """The rule for deletions lets Latchkey delete what leaked."""
    rule = build.a_rule(1, Match(frozenset({Operation.DELETE})), leaked="delete", **fields)
    world.policy = replace(world.policy, rules=(rule, *world.policy.rules))


async def lines_of(world: World) -> list[tuple[str, str]]:
    """What the audit log says of deletions, and by whom."""
    about = {Action.DELETE_INTENDED, Action.DELETED, Action.RETIRED}
    return [(line["action"], line["actor"]) for line in await world.audit() if line["action"] in about]


async def test_a_rule_lets_latchkey_delete_a_leaked_key_at_once() -> None:
    async with a_world() as world:
        deletes_at_once(world)
        shown = build.shown(key=a_leak(description="orders [lk:R1/1]"))
        await world.seed(shown)
        await reported(world, shown.key)
        await world.settle(HOUR)

        assert world.cloud.live() == []
        assert all(notice.is_gone for _, notice in world.slack.leaks)
        assert DANA.slack in told(world)
        by = ["key:delete-intended", "key:deleted", "key:retired"]
        assert await lines_of(world) == [(each, "latchkey") for each in by]
        state = await world.state()
        assert isinstance(state, Retired)
        assert "reported as leaked" in state.why


async def test_it_deletes_no_key_of_latchkeys_own_account_and_none_that_a_rule_protects() -> None:
    async with a_world() as world:
        deletes_at_once(world)
        await reported(world, a_leak(Principal("sa-latchk")))
        await world.settle(HOUR)
        assert world.cloud.live() == [KEY]

    async with a_world() as world:
        deletes_at_once(world, forbid="Ask the platform team.")
        await reported(world, a_leak())
        await world.settle(HOUR)
        assert world.cloud.live() == [KEY]


async def test_it_deletes_no_key_while_its_environment_is_unknown_for_that_may_have_a_rule_of_its_own() -> None:
    async with a_world(Plan({("cloud.resources", number): Fault.ERROR_BEFORE for number in range(200)})) as world:
        deletes_at_once(world)
        await reported(world, a_leak())
        await world.settle(HOUR / 12)
        assert world.cloud.live() == [KEY]

        world.plan.faults = {}
        await world.settle(3 * HOUR)
        assert world.cloud.live() == []


class Refusing(FakeCloud):
    """A Confluent that lets Latchkey delete nothing."""

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        raise CloudRefused(status=403, detail="not authorized", reference="R-9")


async def test_where_confluent_refuses_people_are_told_all_the_same() -> None:
    async with a_world(cloud=Refusing) as world:
        deletes_at_once(world)
        assert set(await reported(world, a_leak())) == {"C01", ERIN.slack, FEMI.slack}
        assert not any(notice.is_gone for _, notice in world.slack.leaks)


CALLS = ["audit.append", "cache.put", "cache.change", "cloud.delete_key", "cloud.key"]
# A line that is on its way while its writer stands still is out of its hands.
PAUSES = [(call, each) for call in CALLS for each in (Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER)]
PAUSES.remove(("audit.append", Fault.PAUSE_BEFORE))


async def deletions(call: str, fault: Fault) -> AsyncGenerator[World]:
    """A leaked key that a rule deletes, with this fault at one of the first eight such calls, long after."""
    for number in range(8):
        async with a_world(Plan({(call, number): fault})) as world:
            deletes_at_once(world)
            world.cloud.add(a_leak())
            await world.click(ReportLeak((KEY,)), OTTO)
            await world.settle(2 * HOUR)
            assert world.cloud.live() == []
            assert (await lines_of(world)).count(("key:deleted", "latchkey")) <= 1, number
            yield world


@pytest.mark.search
@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
@pytest.mark.parametrize("call", CALLS)
async def test_whatever_happens_the_key_is_deleted_with_its_intent_before_and_its_outcome_after(
    call: str, fault: Fault
) -> None:
    async for world in deletions(call, fault):
        await check_audit(world)
        assert set(told(world)) == {"C01", ERIN.slack, FEMI.slack}


@pytest.mark.search
@pytest.mark.parametrize(("call", "fault"), PAUSES)
async def test_a_deletion_that_another_process_took_over_is_said_once(call: str, fault: Fault) -> None:
    async for world in deletions(call, fault):
        said = [each for each, _ in await lines_of(world)]
        assert said[:1] == ["key:delete-intended"]
