"""What someone who can write to Redis, or a fault of a moment, must not bring about."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.catalog import User
from bot.domain.errors import Refused
from bot.domain.keys import Principal, RequestId, ServiceAccount, SlackUserId, normal_email
from bot.domain.policy import RoleMapping
from bot.domain.requests import Request
from bot.services.commands import Approve, Draft
from bot.services.form.validate import text_problems
from bot.services.people.directory import matched
from bot.services.ports.slack import Profile
from bot.services.ports.store import Post
from bot.services.surfaces import Surface
from tests.services.world import World, a_world, check_at_rest
from tests.support import build
from tests.support.fakes import FakeSlack
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
RECORD, LEASES, AGENDA, AUDIT = (f"lk:{{T01}}:{name}" for name in ("request:R1", "leases", "agenda", "audit"))
ROW = "This is a row of the card"


@asynccontextmanager
async def _writer(world: World) -> AsyncGenerator[Any]:
    """Someone else at the same Redis."""
    async with FakeAsyncRedis(server=world.redis) as redis:
        yield redis


async def test_a_record_that_cannot_be_read_for_a_while_keeps_its_deadline() -> None:
    async with a_world() as world, _writer(world) as redis:
        await world.seed(build.approved())
        await world.work_now()
        body = await redis.hget(RECORD, "body")
        await redis.hset(RECORD, "body", b"sealed with another key")
        world.clock.advance(timedelta(days=1, seconds=1))
        await world.work_now()
        assert len(world.cloud.live(R1)) == 1, "the claim is over, and nobody could know"

        await redis.hset(RECORD, "body", body)
        await world.settle()

        await check_at_rest(world)


async def test_an_audit_log_that_is_broken_for_a_while_stops_no_deadline_for_good() -> None:
    async with a_world() as world, _writer(world) as redis:
        await world.seed(build.approved())
        await world.work_now()
        await redis.rpush(AUDIT, b"not ours")
        world.clock.advance(timedelta(days=1, seconds=1))
        await world.work_now()
        assert len(world.cloud.live(R1)) == 1, "no audit, no effect"

        await redis.rpop(AUDIT)
        await world.settle()

        await check_at_rest(world)


async def test_an_agenda_item_that_is_no_text_stops_no_worker() -> None:
    async with a_world() as world, _writer(world) as redis:
        await world.seed(build.approved())
        await redis.zadd(AGENDA, {b"\xff\xfe": 0})

        await world.work_now()

        assert (await world.state()).kind == "ready"


async def test_a_lease_that_is_no_time_stops_no_worker() -> None:
    async with a_world() as world, _writer(world) as redis:
        await world.seed(build.approved())
        await redis.hset(LEASES, "request:R1", "for ever")

        await world.work_now()

        assert (await world.state()).kind == "ready"


class _SilentSlack(FakeSlack):
    """Takes calls, and never answers."""

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        await asyncio.Event().wait()
        raise AssertionError("nobody wakes it")


async def test_a_slack_that_never_answers_keeps_no_key_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.services.worker.DEADLINE", 0.2)
    monkeypatch.setattr("bot.services.worker.SHOWN_WITHIN", 0.02)
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()
        world.clock.advance(timedelta(days=1, seconds=1))
        world.slack = _SilentSlack(world.slack.people)

        for _ in range(3):
            await world.work(world.start())
            world.clock.advance(timedelta(seconds=10))

        assert world.cloud.live(R1) == []


async def test_a_click_that_slack_lets_nobody_answer_is_carried_out_once() -> None:
    plan = Plan({("notifier.say", nth): Fault.REFUSED_BEFORE for nth in range(100)})
    async with a_world(plan) as world:
        await world.seed(build.pending())
        await world.work_now()
        await world.click(Approve(R1), by=build.OTTO)
        for _ in range(30):
            await world.work_now()
            world.clock.advance(timedelta(minutes=1))

        refused = [line for line in await world.audit() if line["action"] == "approval:refused"]

        assert len(refused) == 1


@pytest.mark.parametrize("lookalike", ["gro\u00df@acme.example", "\u212aim@acme.example", "\ufb01n@acme.example"])
def test_an_address_that_only_looks_alike_is_nobody(lookalike: str) -> None:
    users = [
        User(Principal(f"u-{name}"), normal_email(f"{name}@acme.example"), name) for name in ("gross", "kim", "fin")
    ]
    slack = SlackUserId("U0MALLORY")
    mallory = Profile(
        slack,
        build.TEAM,
        "M",
        normal_email(lookalike),
        email_confirmed=True,
        is_bot=False,
        is_guest=False,
        deleted=False,
    )

    with pytest.raises(Refused, match="No Confluent Cloud user"):
        matched(mallory, users, {})


@pytest.mark.parametrize("lacking", [{"email": ""}, {"email_confirmed": False}])
def test_who_has_no_confirmed_address_reads_who_mends_that(lacking: dict[str, Any]) -> None:
    flags: dict[str, Any] = {"email_confirmed": True, "is_bot": False, "is_guest": False, "deleted": False}
    dana = Profile(build.DANA.slack, build.TEAM, "Dana", "dana@acme.example", **flags)
    users = [User(build.DANA.principal, "dana@acme.example", "Dana")]
    with pytest.raises(Refused) as refusal:
        matched(replace(dana, **lacking), users, {})

    assert "ask your Latchkey administrator to add you to the policy file (under `people:`)." in refusal.value.tell
    assert f"`{dana.id}`" in refusal.value.tell
    assert matched(replace(dana, **lacking), users, {dana.id: build.DANA.principal}).principal == build.DANA.principal


def test_an_address_in_capitals_is_the_same_address() -> None:
    assert normal_email(" Kim@ACME.example ") == normal_email("kim@acme.example")


@pytest.mark.parametrize("mark", ["\n", "\r", "\u2028", "\u202e", "\u2067", "\x1b"])
@pytest.mark.parametrize("field", ["name", "description"])
def test_nobody_adds_rows_to_a_card_or_turns_them_round(field: str, mark: str) -> None:
    typed = {"name": "n", "description": "", "reason": f"r{mark}{ROW}"} | {field: f"orders{mark}{ROW}"}

    assert set(text_problems(build.a_draft(**typed))) == {field}


@pytest.mark.parametrize("field", ["name", "description", "account_name", "account_description"])
def test_nobody_marks_a_key_or_an_account_as_that_of_another_request(field: str) -> None:
    """What carries a request's mark may be deleted with what that request left behind."""
    named = Draft(owner="new", account_name="n", name="n", reason="r")

    assert set(text_problems(build.a_draft(named, **{field: "orders [lk:R1/1] "}))) == {field}
    assert text_problems(build.a_draft(named, **{field: "orders [lk:R1/1] and more"})) == {}


def test_text_from_right_to_left_and_joined_emoji_are_fine_in_one_line() -> None:
    hebrew, coder = "\u05e9\u05dc\u05d5\u05dd", "\U0001f469\u200d\U0001f4bb"

    assert text_problems(Draft(name=f"{hebrew} {coder}", description=f" \u200f{hebrew}\u200f \n", reason="r")) == {}


async def test_a_decision_about_many_people_reads_the_users_once_and_each_group_once() -> None:
    groups = tuple(RoleMapping(f"S0{number}", "EnvironmentAdmin", "environment=env-dev001") for number in range(7))
    plan = Plan()
    async with a_world(plan, approvals=2) as world:
        world.policy = replace(world.policy, mappings=groups)
        await world.seed(build.pending(terms=build.terms(approvals=2), approvals=(build.an_approval(build.ERIN),)))
        await world.work_now()
        await world.click(Approve(R1), by=build.FEMI)
        await world.work_now()

        assert (await world.state()).kind == "ready"
        decisions = 2  # by the click, and again before the effect
        assert plan.calls.count("cloud.users") == decisions
        assert plan.calls.count("people.members") == decisions * len(groups)


async def test_no_approval_gives_a_key_of_the_account_of_latchkey_itself() -> None:
    async with a_world() as world:
        own = ServiceAccount(Principal("sa-latchk"), "latchkey-bot")
        await world.seed(build.approved(ask=build.an_ask(owner=own)))
        await world.settle()

        assert (await world.state()).kind == "failed"
        assert world.effects == []


@pytest.mark.parametrize("attempt", [0, 1, 2, 999])
async def test_t32_a_sweep_for_what_nobody_gave_up_writes_nothing(attempt: int) -> None:
    async with a_world() as world, _writer(world) as redis:
        await world.seed(build.pending())
        await world.seed(build.approved(ask=build.an_ask(id=RequestId("R2"))))
        await world.work_now()
        before = await world.audit()
        await redis.zadd(AGENDA, {f"sweep:R1/{attempt}": 0, f"sweep:R2/{attempt}": 0})

        await world.work_now()

        assert await world.audit() == before
        assert len(world.cloud.live(RequestId("R2"))) == 1
