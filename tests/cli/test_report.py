"""`latchkey report`, as people and scripts run it; what it says of any story is in `test_report_machine.py`."""

import asyncio
import csv
import io
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from bot import connections
from bot.cli import archive
from bot.cli.main import app
from bot.connections import opened_store
from bot.domain.audit import Action, Event
from bot.domain.keys import RequestId
from bot.domain.reports.rows import KeyRow, RequestRow
from bot.domain.requests import Request
from bot.domain.review import Attestation
from bot.services.ports.store import Change
from bot.services.requests.transitions import summary
from bot.settings import StoreSettings
from bot.store import Store
from bot.store.audit.log import RedisAudit
from bot.store.connection import connect
from bot.store.embedded import embedded
from bot.store.sealing import Sealer, new_master_key, parse_master_keys
from tests.support import build
from tests.support.build import DAY, ERIN, NOW, TEAM
from tests.test_architecture import ROOT

KEY = new_master_key()
EVIL = '=HYPERLINK("https://evil.example")'
THEN = ("--at", "2026-03-04")


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    found = FakeServer()

    def client(_url: str, **_: Any) -> Any:
        return FakeRedis(server=found)

    monkeypatch.setattr(connections, "connect", client)
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/0")
    monkeypatch.setenv("LATCHKEY_MASTER_KEYS", KEY)
    return found


def settings() -> StoreSettings:
    return StoreSettings(redis_url=SecretStr("redis://cache:6379/0"), latchkey_master_keys=SecretStr(KEY))


def asked(request: Request) -> tuple[Event, ...]:
    ask = request.ask
    said = {**summary(ask), "rule": request.terms.rule, "missing": "1"}
    return (Event(NOW, ask.requester.slack, Action.SUBMITTED, ask.id, said),)


async def put(store: Store, request: Request, *events: Event) -> None:
    await store.requests.commit(Change(None, request, None, (*asked(request), *events)))


async def written(*requests: Request) -> None:
    async with opened_store(settings(), TEAM) as store:
        for each in requests:
            await put(store, each)


def pending(number: int = 1, **fields: Any) -> Request:
    return build.pending(ask=build.an_ask(id=RequestId(f"R{number}"), **fields))


def report(*words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words])


def rows(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline="")))


# --- what is printed -------------------------------------------------------------------------------------------------


def test_requests_as_csv_and_as_json() -> None:
    asyncio.run(written(pending(2), pending(1, reason="two\nlines")))

    found = report("requests")
    assert [(row["request"], row["outcome"], row["reason"]) for row in rows(found)] == [
        ("R1", "pending", "two\nlines"),
        ("R2", "pending", build.an_ask().reason),
    ]
    assert "2 requests at 20" in found.stderr
    content = json.loads(report("requests", "--format", "json").stdout)
    assert (content["report"], content["source"]) == ("requests", "records")
    assert content["head"].startswith("2:")
    assert [row["request"] for row in content["rows"]] == ["R1", "R2"]
    assert (content["rows"][0]["approved_by"], content["rows"][0]["key"]) == ([], None)
    assert list(content["rows"][0]) == list(rows(found)[0])


def test_keys_with_the_last_answer_to_the_review() -> None:
    async def begun() -> None:
        async with opened_store(settings(), TEAM) as store:
            await put(store, build.shown())
            now = datetime.now(UTC)
            await store.keeps.keep(Attestation(build.a_key().id, ERIN.slack, "it is used", now, now + DAY))

    asyncio.run(begun())
    (row,) = rows(report("keys"))
    assert (row["key"], row["state"], row["reviewed_by"]) == ("KEY0000000000001", "in_use", ERIN.slack)
    assert row["approved_by"] == ERIN.slack
    (row,) = json.loads(report("keys", "--format", "json").stdout)["rows"]
    assert row["approved_by"] == [ERIN.slack]


def test_an_empty_report_is_one_as_well() -> None:
    async def begun() -> None:
        async with opened_store(settings(), TEAM) as store:
            await store.audit.append(Event(NOW, ERIN.slack, Action.REFUSED, RequestId("R1"), {"reason": "no"}))

    asyncio.run(begun())
    for words in (("keys",), ("keys", *THEN), ("keys", "--at", "2020-01-01")):
        assert rows(report(*words)) == []
        content = json.loads(report(*words, "--format", "json").stdout)
        assert content["rows"] == []
        assert (content["head"] is None) == ("2020-01-01" in words)
    assert "0 keys at 2020-01-01T23:59:59Z, from the audit log.\n" in report("keys", "--at", "2020-01-01").stderr


@pytest.mark.parametrize("then", [(), THEN])
@pytest.mark.parametrize(
    "text", [EVIL, "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1", "\u00a0=1", '";=1"']
)
def test_no_cell_is_a_formula_to_a_spreadsheet(text: str, then: tuple[str, ...]) -> None:
    asyncio.run(written(pending(reason=text, name=text)))

    (row,) = rows(report("requests", *then))

    assert [row["reason"], row["name"]] == [text if text.startswith('"') else f"'{text}"] * 2
    (row,) = json.loads(report("requests", *then, "--format", "json").stdout)["rows"]
    assert row["reason"] == text, "JSON has it as it was typed"


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\x7f", "\u202e", "\u2066"])
def test_what_people_typed_is_no_command_to_a_terminal(sign: str) -> None:
    asyncio.run(written(pending(reason=f"a{sign}]0;b\nc")))

    as_csv, as_json = report("requests"), report("requests", "--format", "json")

    assert sign not in as_csv.stdout + as_json.stdout
    assert rows(as_csv)[0]["reason"] == "a\ufffd]0;b\nc"
    assert json.loads(as_json.stdout)["rows"][0]["reason"] == f"a{sign}]0;b\nc"


# --- as it was -------------------------------------------------------------------------------------------------------


def test_a_date_is_its_end_and_a_time_is_itself() -> None:
    asyncio.run(written(pending()))

    for at, number in (
        ("2026-03-03", 0),
        ("2026-03-04", 1),
        ("2026-03-04T05:06:06", 0),
        ("2026-03-04T05:06:07Z", 1),
        ("2026-03-04T07:06:06+02:00", 0),
        ("2026-03-04T07:06:07+02:00", 1),
    ):
        assert len(rows(report("requests", "--at", at))) == number, at
    today = datetime.now(UTC).date().isoformat()
    assert len(rows(report("requests", "--at", today))) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--at", "yesterday"], "use a date"),
        (["--at", ""], "use a date"),
        (["--at", (datetime.now(UTC) + 2 * DAY).date().isoformat()], "in the future"),
        (["a.jsonl"], "add --at"),
        ([*THEN, "missing.jsonl"], "missing.jsonl can't be read: No such file or directory."),
        (["--format", "xlsx"], "xlsx"),
    ],
)
def test_what_cannot_be_meant_is_said(words: list[str], says: str) -> None:
    asyncio.run(written(pending()))

    found = report("requests", *words)

    assert found.exit_code == 2
    assert says in " ".join(found.output.replace("│", " ").split())


def test_archived_lines_are_read_from_their_files(tmp_path: Path) -> None:
    async def moved(*files: Path) -> None:
        for number, file in enumerate(files, 1):
            await archive.archived(settings(), TEAM, file, before=None, until=number)

    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    asyncio.run(written(pending(1), pending(2), pending(3)))
    whole = report("requests", *THEN).stdout
    asyncio.run(moved(one, two))

    assert report("requests", *THEN, str(one), str(two)).stdout == whole
    assert len(rows(report("requests"))) == 3, "records need no line of old"
    for files, lines in (([], "Lines 1 to 2 of the audit log were moved"), ([one], "Lines 2 to 2 of the audit log")):
        found = report("requests", *THEN, *map(str, files))
        assert (found.exit_code, found.stdout) == (2, "")
        assert lines in found.stderr
    found = report("requests", *THEN, str(two), str(one))
    assert (found.exit_code, found.stdout) == (1, "")
    assert f"{two}: line 1: its number is not 1" in found.stderr


def test_a_file_whose_lines_the_store_has_again_is_no_trouble(tmp_path: Path) -> None:
    asyncio.run(written(pending(1), pending(2)))
    copy = tmp_path / "copy.jsonl"
    copy.write_text(CliRunner().invoke(app, ["audit", "export"]).stdout)
    asyncio.run(written(pending(3)))

    assert report("requests", *THEN, str(copy)).stdout == report("requests", *THEN).stdout


def test_nothing_is_said_by_a_file_of_another_log(server: FakeServer, tmp_path: Path) -> None:
    asyncio.run(written(pending(8), pending(9)))
    other, longer, broken = tmp_path / "other", tmp_path / "longer", tmp_path / "broken"
    exported = CliRunner().invoke(app, ["audit", "export"]).stdout
    longer.write_text(exported)
    other.write_text(exported.splitlines()[0] + "\n")
    broken.write_text(exported.replace("sa-abc001", "sa-evil", 1))
    server.dbs.clear()
    asyncio.run(written(pending(1)))

    for file, says in (
        (other, "isn't in this audit log"),
        (longer, "isn't in this audit log"),
        (broken, "line 1: its content was changed"),
    ):
        found = report("requests", *THEN, str(file))
        assert (found.exit_code, found.stdout) == (1, "")
        assert says in found.stderr


def test_lines_that_are_moved_meanwhile_are_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(written(pending(1), pending(2)))
    begins = RedisAudit.begins

    async def and_then_moved(self: RedisAudit) -> Any:
        found = await begins(self)
        monkeypatch.setattr(RedisAudit, "begins", begins)
        await archive.archived(settings(), TEAM, tmp_path / "1.jsonl", before=None, until=2)
        return found

    monkeypatch.setattr(RedisAudit, "begins", and_then_moved)
    found = report("requests", *THEN)

    assert (found.exit_code, found.stdout) == (os.EX_TEMPFAIL, "")
    assert "Run it again, with that file." in found.stderr


# --- what is not to be trusted ---------------------------------------------------------------------------------------


def test_a_record_that_was_put_back_is_left_out_and_the_report_says_so(server: FakeServer) -> None:
    async def tampered() -> None:
        await written(pending(1), pending(2))
        async with FakeRedis(server=server) as redis:
            key = f"lk:{{{TEAM}}}:request:R2"
            await redis.hset(key, "body", b"\x01nonsense")

    asyncio.run(tampered())
    found = report("requests")

    assert found.exit_code == 1
    assert [row["request"] for row in csv.DictReader(io.StringIO(found.stdout))] == ["R1"]
    assert "1 record can't be trusted or read, and isn't in the report" in found.stderr
    assert len(rows(report("requests", *THEN))) == 2, "the log has it all"


@pytest.mark.parametrize("then", [(), THEN])
def test_a_log_that_was_cut_gives_no_report(server: FakeServer, then: tuple[str, ...]) -> None:
    async def cut() -> None:
        await written(pending(1), pending(2))
        async with FakeRedis(server=server) as redis:
            await redis.rpop(f"lk:{{{TEAM}}}:audit")

    asyncio.run(cut())
    found = report("requests", *then)

    assert (found.exit_code, found.stdout) == (1, "")
    assert "says 2 lines, but the log has 1" in found.stderr


def test_a_log_without_the_line_that_was_told_last_gives_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(written(pending()))
    feed = tmp_path / "feed"
    feed.write_text(json.dumps({"seq": 2, "hash": "0" * 64}))
    monkeypatch.setenv("LATCHKEY_AUDIT_LOG", str(feed))

    assert report("requests").exit_code == 1


# --- the command alone -----------------------------------------------------------------------------------------------


async def test_it_needs_the_store_and_the_master_key_alone(tmp_path: Path) -> None:
    sealer = Sealer(parse_master_keys(KEY))
    async with embedded(tmp_path) as url, connect(url) as redis:
        await put(Store.open(redis, sealer, TEAM), build.shown())
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {"LATCHKEY_DATA_DIR": str(tmp_path), "LATCHKEY_MASTER_KEYS": KEY, "PYTHONPATH": str(ROOT)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "report", "keys", env=kept | own, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()

    assert process.returncode == 0, err
    (row,) = csv.DictReader(io.StringIO(out.decode()))
    assert row["key"] == "KEY0000000000001"


def test_the_page_names_every_column() -> None:
    page = (ROOT / "docs" / "reports.md").read_text()

    names = [each.name for each in (*fields(KeyRow), *fields(RequestRow))]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_keys_are_looked_up_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cli.report.AT_ONCE", 2)
    ids = [f"R{number}" for number in range(5)]
    asyncio.run(written(*[build.shown(ask=build.an_ask(id=RequestId(each))) for each in ids]))

    assert [row["request"] for row in rows(report("keys"))] == ids
