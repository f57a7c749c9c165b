"""The name of the store leads to another server, while connections to the former one live on."""

from pathlib import Path

from sandbox.serving import free_port
from tests.support.processes import audit_of, creates, crew, moving_name, own_redis, readiness, take_secret


async def test_r3_a_name_that_moves_to_the_promoted_replica_costs_nobody_a_click(tmp_path: Path) -> None:
    async with (
        crew(tmp_path) as (it, bots),
        own_redis(it.stage) as former,
        own_redis(it.stage, "promoted") as promoted,
        moving_name(former) as name,
    ):
        port = free_port()
        bot = await bots.start(REDIS_URL=name.url, PORT=str(port))
        await it.ask()

        await name.fail_over(promoted)

        await it.approve()
        await it.dana.see("is ready.")
        await take_secret(it)
        ready = await readiness(port, lambda answer: answer.is_success)
        lines = await audit_of(it.stage, REDIS_URL=promoted.url)

    assert "Latchkey's store didn't answer" not in str(it.erin.ephemerals) + str(it.dana.ephemerals)
    assert (ready.status_code, ready.json()["checks"]["store"], ready.json()["checks"]["disk"]) == (200, "ok", "ok")
    assert creates(it.stage) == 1
    assert "Traceback" not in bot.log.read_text()
    assert [line["action"] for line in lines][-1] == "secret:shown"


async def test_r3_a_store_that_became_a_replica_is_not_ready_and_says_why(tmp_path: Path) -> None:
    async with (
        crew(tmp_path) as (it, bots),
        own_redis(it.stage) as redis,
        own_redis(it.stage, "promoted") as promoted,
        moving_name(redis) as name,
    ):
        port = free_port()
        await bots.start(REDIS_URL=redis.url, PORT=str(port))  # not the name: this one leads to the former master
        await name.fail_over(promoted)

        ready = await readiness(port, lambda answer: answer.json()["checks"]["store"] != "ok")

    assert not ready.is_success
    assert ready.json()["checks"]["store"] == "REDIS_URL points to a replica, which accepts no writes."
