"""What the operator is told when the store holds what the audit log contradicts, and when it refuses to work."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.store.connection import Commands, connect
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.serving import free_port
from tests.support.play import Play, play
from tests.support.processes import crew, latchkey, own_redis, readiness, take_secret, until

AUDIT, HEAD = "lk:{T0ACME}:audit", "lk:{T0ACME}:audit-head"
ADMINISTRATOR = "Ask your Latchkey administrator to look into it."


@asynccontextmanager
async def written_to(it: Play) -> AsyncGenerator[Commands]:
    """Someone else at the store."""
    async with connect(f"unix://{it.stage.folder / 'data' / 'valkey.sock'}") as store:
        yield store


@asynccontextmanager
async def health(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[httpx.AsyncClient]:
    (port,) = (vars(record)["port"] for record in caplog.records if record.message == "ready")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def troubles(caplog: pytest.LogCaptureFixture, message: str) -> list[str]:
    return [vars(record)["why"] for record in caplog.records if record.message == message]


async def tried(it: Play, times: int) -> None:
    """Erin selects Approve, and reads each time that an operator has to act."""
    for _ in range(times):
        it.erin.reload()
        await it.erin.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.erin.see(ADMINISTRATOR)


async def test_r2_an_audit_log_that_is_shorter_than_it_was_is_told_everywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path) as it, health(caplog) as http, written_to(it) as store:
        await it.ask("first")
        head = await store.get(HEAD)
        await it.ask("second")
        assert (await http.get("/readyz")).json()["checks"]["audit"] == "ok"
        assert "latchkey_audit_trusted 1.0" in (await http.get("/metrics")).text

        await store.rpop(AUDIT)
        await store.set(HEAD, head)
        await tried(it, 3)
        ready, metrics = await http.get("/readyz"), (await http.get("/metrics")).text

    assert ready.status_code == 503
    assert "says 1 line, but there were 2: an older copy" in ready.json()["checks"]["audit"]
    assert "docs/audit.md" in ready.json()["checks"]["audit"]
    assert "latchkey_audit_trusted 0.0" in metrics
    (why,) = troubles(caplog, "stored data can't be trusted")
    assert "an older copy" in why
    assert any("an older copy" in why for why in troubles(caplog, "click refused"))
    assert it.our_keys() == []


async def test_t2_a_record_put_back_is_told_to_the_operator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path) as it, health(caplog) as http, written_to(it) as store:
        await it.ask()
        await it.approve()
        await it.dana.see("Show secret")
        (record,) = [key async for key in store.scan_iter("lk:*:request:*")]
        before = await store.hgetall(record)
        await take_secret(it)

        await store.hset(record, mapping=before)
        await it.dana.click("I saved it")
        await it.dana.see(ADMINISTRATOR)
        ready, metrics = await http.get("/readyz"), (await http.get("/metrics")).text
        doctor = await latchkey("doctor", **it.stage.environment())
        verify = await latchkey("audit", "verify", **it.stage.environment())
        await store.delete(record)
        repaired = (await http.get("/readyz")).json()["checks"]["records"]
        counted = (await http.get("/metrics")).text

    assert (repaired, "latchkey_records_contradicted 0.0" in counted) == ("ok", True)
    assert ready.status_code == 200, "a warning: other requests go on"
    says = "1 record contradicts the audit log, and Latchkey leaves it alone: request "
    assert ready.json()["checks"]["records"].startswith(says)
    assert "latchkey_records_contradicted 1.0" in metrics
    assert len(troubles(caplog, "left a record alone because it contradicts the audit log")) == 1
    assert (doctor.code, verify.code) == (1, 1)
    assert f"records: failed: {says}" in doctor.out
    assert says in verify.err
    assert len(it.our_keys()) == 1


async def test_t4_the_log_of_the_process_and_its_metrics_hold_the_head(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path) as it, health(caplog) as http, written_to(it) as store:
        await it.ask(reason="for Ada, ada@acme.example")
        await it.approve()
        await it.dana.see("Show secret")
        lines = await it.audit()
        metrics = (await http.get("/metrics")).text
        alone = {name: it.stage.environment()[name] for name in ("LATCHKEY_DATA_DIR", "LATCHKEY_MASTER_KEYS")}
        exported = await latchkey("audit", "export", "--since", "1", "--format", "ocsf", **alone)
        told = [vars(record) for record in caplog.records if record.name == "latchkey.audit"]
        last = lines[-1]
        noted = f"{last['seq']}:{last['hash']}"
        whole = await latchkey("audit", "verify", "--head", noted, **alone)
        short = await latchkey("audit", "verify", "--head", noted[: noted.index(":") + 14], **it.stage.environment())
        await store.delete(AUDIT, HEAD)
        gone = await latchkey("audit", "verify", "--head", noted, **it.stage.environment())
        unnoted = await latchkey("audit", "verify", **it.stage.environment())
        doctor = await latchkey("doctor", **it.stage.environment())

    assert [json.loads(line)["metadata"]["sequence"] for line in exported.out.splitlines()] == [
        line["seq"] for line in lines[1:]
    ]
    names = ("seq", "hash", "action", "actor", "request")
    assert [tuple(each[name] for name in names) for each in told] == [
        tuple(line[name] for name in names) for line in lines
    ]
    assert told[-1]["key"] == it.our_keys()[0]
    assert "ada@acme.example" not in str(told), "reasons stay in the audit log"
    head, fingerprint = (
        re.findall(rf"^{name} (\S+)$", metrics, re.MULTILINE)
        for name in ("latchkey_audit_head", "latchkey_audit_head_fingerprint")
    )
    assert [float(each) for each in head] == [last["seq"]]
    assert [f"{int(float(each)):013x}" for each in fingerprint] == [str(last["hash"])[:13]]
    assert (whole.code, short.code, gone.code, unnoted.code) == (0, 0, 1, 1)
    assert f"the log ends with line 0: lines 1 to {last['seq']} are missing" in gone.err
    assert "the audit log has no line about it" in unnoted.err
    assert "the audit log has no line about it" in doctor.out


async def test_t34_an_audit_log_that_lacks_its_end_does_not_verify_beside_newer_records(tmp_path: Path) -> None:
    async with play(tmp_path) as it, written_to(it) as store:
        await it.ask()
        length, head = await store.llen(AUDIT), await store.get(HEAD)
        await it.approve()
        await take_secret(it)

        await store.ltrim(AUDIT, 0, length - 1)
        await store.set(HEAD, head)
        verify = await latchkey("audit", "verify", **it.stage.environment())

    assert (verify.code, length) == (1, 1)
    assert "is newer than the audit log, which lacks the line written with it" in verify.err


async def test_a_look_at_the_health_costs_the_store_no_statistics(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path) as it, health(caplog) as http, written_to(it) as store:
        before = (await store.info("commandstats"))["cmdstat_info"]["calls"]
        ready = await http.get("/readyz")
        after = (await store.info("commandstats"))["cmdstat_info"]["calls"]

    assert ready.json()["checks"]["store"] == "ok"
    assert after - before == 1, "our own"


async def test_t11_a_store_that_is_full_is_one_line_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path) as it, written_to(it) as store:
        await it.ask()
        await store.config_set("maxmemory", "1")
        await tried(it, 3)
        said: list[Any] = troubles(caplog, "the store refused a command")
        await store.config_set("maxmemory", "0")
        it.erin.reload()
        await it.approve()
        await it.dana.see("Show secret")

    assert len(said) == 1
    assert "maxmemory" in said[0]


async def test_t37_a_whole_older_copy_that_is_there_at_the_start_deletes_no_key_in_use(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as redis, connect(redis.url) as client:
        store: Commands = client
        port, feed = free_port(), tmp_path / "audit.jsonl"
        settings = {"REDIS_URL": redis.url, "PORT": str(port), "LATCHKEY_AUDIT_LOG": str(feed)}
        bot = await bots.start(**settings)
        await it.ask()
        await it.approve()
        await it.dana.see("Show secret")
        dumps = {key: await store.dump(key) async for key in store.scan_iter("lk:*")}
        older = {key: dump for key, dump in dumps.items() if dump}  # some expire between the two looks
        await take_secret(it)
        await bot.kill()

        await store.flushall()
        for key, value in older.items():
            await store.restore(key, 0, value)
        again = await bots.start(**settings)
        await until(lambda: '"event": "ready"' in again.log.read_text(), "the process that begins")
        it.advance(hours=25)
        audit = (await readiness(port, lambda answer: "an older copy" in answer.text)).json()["checks"]["audit"]
        await until(lambda: "stored data can't be trusted" in again.log.read_text(), "a step that is refused")

        doctor = await latchkey("doctor", **it.stage.environment() | settings)
        assert "of LATCHKEY_AUDIT_LOG: an older copy" in audit
        assert any(
            line.startswith("audit log: failed: ") and "an older copy" in line for line in doctor.out.splitlines()
        )
        assert len(it.our_keys()) == 1
