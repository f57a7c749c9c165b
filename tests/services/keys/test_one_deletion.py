"""A key that is deleted once is said to be deleted once, whatever becomes of the process that deletes it."""

from collections import Counter
from collections.abc import Mapping

import pytest

from bot.domain.keys import KeyId, RequestId
from bot.domain.kinds import Kind
from bot.services.commands import Approve, Delete, Replace, Rotate, Show
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI, HOUR
from tests.support.faults import Fault, Plan

pytestmark = pytest.mark.search

OLD, MADE = KeyId("KEY0000000000099"), KeyId("KEY0000000000001")
R1 = RequestId("R1")
ENDS = {
    "a rotation's old key": OLD,
    "a life that is over": MADE,
    "a secret that nobody takes": MADE,
    "a replacement": MADE,
    "a request to delete": OLD,
}
"""Every way in which Latchkey deletes a key that it has on record, and which key goes first."""


async def story(end: str, faults: Mapping[int | tuple[str, int], Fault]) -> World:
    """One key comes to this end, and everything comes to rest, long after."""
    async with a_world(Plan(faults)) as world:
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        world.start()
        match end:
            case "a rotation's old key":
                world.cloud.add(build.a_key(OLD, marker="", kind=Kind.KAFKA))
                request = RequestId(await world.click(Rotate(OLD, "orders producer 2", "", "It leaked", 1)))
                await world.work_now()
                await world.click(Approve(request), by=ERIN)
                await world.work_now()
                await world.click(Show(request, 1))
            case "a request to delete":
                old = world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA))
                await world.seed(build.shown(key=old))
                await world.work_now()
                request = RequestId(await world.click(Delete(OLD, "CONFIRM", "It is no longer used")))
                await world.work_now()
                await world.click(Approve(request), by=ERIN)
            case _:
                lifetime = HOUR if end == "a life that is over" else None
                await world.seed(build.approved(terms=build.terms(lifetime=lifetime)))
                await world.work_now()
                if end != "a secret that nobody takes":
                    await world.click(Show(R1, 1))
                    await world.work_now()
                if end == "a replacement":
                    await world.click(Replace(R1, 1))
        await world.settle(2 * DAY)
        assert ENDS[end] not in world.cloud.live(), world.slack.said
        await check_audit(world)
        return world


async def deleted(world: World) -> Counter[str]:
    """How often the audit log says of each key that it was deleted, by Latchkey or otherwise."""
    ends = ("key:deleted", "key:found-gone")
    return Counter(str(dict(line["details"])["key"]) for line in await world.audit() if line["action"] in ends)


@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER, Fault.PAUSE_AFTER])
@pytest.mark.parametrize("end", ENDS)
async def test_a_deletion_has_one_outcome_in_the_audit_log(end: str, fault: Fault) -> None:
    usual = await story(end, {})
    at = usual.plan.calls.index("cloud.delete_key")
    assert (await deleted(usual))[ENDS[end]] == 1

    for call in range(at - 1, at + 8):
        world = await story(end, {call: fault})
        assert (await deleted(world))[ENDS[end]] == 1, (fault, usual.plan.calls[call])


@pytest.mark.parametrize("fault", [Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER, None], ids=str)
async def test_of_two_people_who_delete_a_key_at_once_one_deleted_it(fault: Fault | None) -> None:
    async with a_world(approvals=0) as world:
        old = world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA))
        for person in (ERIN, FEMI):
            world.cloud.bindings[person.principal] = [build.a_binding(person)]
        await world.seed(build.shown(key=old))
        world.start()
        await world.work_now()
        world.plan.faults = {("cloud.delete_key", 0): fault} if fault else {}
        for person in (ERIN, FEMI):
            await world.click(Delete(OLD, "CONFIRM", "It leaked"), by=person)
        await world.settle(2 * DAY)

        assert OLD not in world.cloud.live()
        ends = [line["action"] for line in await world.audit() if line["action"] in {"key:deleted", "key:found-gone"}]
        assert sorted(ends) == ["key:deleted", "key:found-gone"], world.slack.said
        await check_audit(world)
