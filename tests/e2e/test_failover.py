"""A master that is lost or replaced while Latchkey works, with real sentinels or a cluster: nothing lost or doubled."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.domain.keys import TeamId
from bot.store.keyspace import Keyspace
from sandbox.cast import TEAM
from sandbox.gate import Gate
from sandbox.serving import free_port
from sandbox.stage import BotProcess
from tests.support.clusters import FAILED_OVER_MS, cluster
from tests.support.play import Play
from tests.support.processes import (
    SECONDS,
    Tls,
    actions,
    audit_of,
    creates,
    crew,
    in_time,
    reached,
    readiness,
    take_secret,
    until,
)
from tests.support.sentinels import is_worked_on, staying_master, watched

KEYS = Keyspace(TeamId(TEAM))


async def audited(it: Play, url: str) -> Sequence[Mapping[str, Any]]:
    """The audit log once it says that the secret was shown, which it does after Dana has seen it."""
    async with asyncio.timeout(SECONDS):
        while actions(lines := await audit_of(it.stage, REDIS_URL=url))[-1] != "secret:shown":  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
    return lines


def one_key_came_of_it(it: Play, bot: BotProcess, lines: Sequence[Mapping[str, Any]]) -> None:
    """One approval, one key, one secret that was shown, in Confluent as in the audit log; and no stack trace."""
    (key,) = it.our_keys()
    assert [line["details"]["key"] for line in lines if line["action"] == "key:created"] == [key]
    assert actions(lines).count("request:approved") == 1
    assert actions(lines)[-1] == "secret:shown"
    assert "Traceback" not in bot.log.read_text()


@pytest.mark.parametrize("answered", ["before", "after"])
async def test_r1_a_master_killed_right_after_the_intent_costs_nothing(
    tmp_path: Path, server_program: Path, answered: str
) -> None:
    # The server in our wheel speaks no TLS.
    tls = Tls.made(tmp_path) if (server_program.name, answered) == ("redis-server", "after") else None
    async with (
        crew(tmp_path) as (it, bots),
        watched(tmp_path / "redis", server_program, tls) as redis,
    ):
        bot = await bots.start(REDIS_URL=redis.url, LATCHKEY_REDIS_REPLICAS="1")
        gate = it.stage.faults.hold_before_create = Gate()
        await it.ask()
        await it.approve()
        await reached(gate)  # the intent was acknowledged
        it.stage.faults.hold_before_create = None
        await redis.servers[0].kill()
        if answered == "before":
            gate.opened.set()
            await until(it.our_keys, "the key whose record cannot be written")
        promoted = await redis.promoted(redis.servers[0])
        assert actions(await audit_of(it.stage, REDIS_URL=promoted.url))[-1] == "key:create-intended"
        gate.opened.set()

        # Alone, it has nobody to copy to, so nothing more is done until there is a replica again.
        await redis.servers[0].start()
        await in_time(it, it.dana, "is ready.")
        await take_secret(it)
        lines = await audited(it, promoted.url)

    one_key_came_of_it(it, bot, lines)


async def test_r1_in_a_planned_failover_nothing_is_done_that_the_new_master_forgets(
    tmp_path: Path, server_program: Path
) -> None:
    async with crew(tmp_path) as (it, bots), watched(tmp_path / "redis", server_program) as redis:
        port = free_port()
        bot = await bots.start(REDIS_URL=redis.url, LATCHKEY_REDIS_REPLICAS="1", PORT=str(port))
        await it.ask()
        former = redis.servers[0]

        async with staying_master(former):  # and takes writes
            await redis.ask(redis.ports[0], "SENTINEL", "failover", "main")
            promoted = await redis.promoted(former)
            await is_worked_on(promoted)  # a click of this very second may be lost with the former master
            ready = await readiness(port, lambda answer: answer.json()["checks"]["replicas"] != "ok")
            await it.approve()
            await it.erin.see("Latchkey's store has too few replicas right now")
            assert it.our_keys() == []

        await in_time(it, it.dana, "is ready.")
        await take_secret(it)
        lines = await audited(it, promoted.url)

    assert (ready.status_code, ready.json()["checks"]["replicas"][:15]) == (200, "0 of 1 replicas")
    assert (creates(it.stage), len(it.our_keys()), actions(lines)[-1]) == (1, 1, "secret:shown")
    assert "too few replicas" in bot.log.read_text()
    assert "Traceback" not in bot.log.read_text()


async def test_a_master_of_a_cluster_killed_right_after_the_intent_costs_nothing(
    tmp_path: Path, server_program: Path
) -> None:
    async with (
        crew(tmp_path) as (it, bots),
        cluster(tmp_path / "redis", KEYS.probe, server_program, timeout_ms=FAILED_OVER_MS) as redis,
    ):
        home, (replica,) = redis.home_of(KEYS.probe), redis.replicas
        bot = await bots.start(REDIS_URL=redis.url, LATCHKEY_REDIS_REPLICAS="1")
        gate = it.stage.faults.hold_before_create = Gate()
        await it.ask()
        await it.approve()
        await reached(gate)  # the intent was acknowledged
        it.stage.faults.hold_before_create = None
        await home.kill()
        gate.opened.set()
        await redis.promoted(replica, KEYS.probe)

        await home.start()  # and is its replica now: alone, the new master has nobody to copy to
        await in_time(it, it.dana, "is ready.")
        await take_secret(it)
        lines = await audited(it, redis.url)

    one_key_came_of_it(it, bot, lines)
