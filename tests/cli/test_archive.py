"""`latchkey audit archive`: whatever happens to it, each line is in the store or, on disk, in a file that is whole."""

import asyncio
import json
import os
import pwd
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from pydantic import SecretStr
from typer.testing import CliRunner

from bot import connections
from bot.app import audit_begins, audit_lines
from bot.cli import archive
from bot.cli.main import app
from bot.connections import opened_store
from bot.diagnosis.store import _audit
from bot.domain.audit import Action, Event
from bot.domain.errors import Archived, Conflict, Tampered, Unavailable
from bot.settings import Settings, StartupError, StoreSettings
from bot.store import Store
from bot.store.audit.archive import RedisArchive
from bot.store.audit.chain import verify_lines
from bot.store.audit.log import RedisAudit
from bot.store.connection import connect
from bot.store.embedded import embedded
from bot.store.sealing import Sealer, new_master_key, parse_master_keys
from tests.store.given import NOW, event
from tests.support.build import TEAM
from tests.test_architecture import ROOT

KEY = new_master_key()
SEALER = Sealer(parse_master_keys(KEY))
SECONDS = 60.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    found = FakeServer()

    def client(_url: str, **_: Any) -> Any:
        return FakeRedis(server=found)

    monkeypatch.setattr(connections, "connect", client)
    return found


def settings(**more: Any) -> StoreSettings:
    return StoreSettings(redis_url=SecretStr("redis://cache:6379/0"), latchkey_master_keys=SecretStr(KEY), **more)


async def write(lines: int = 4) -> None:
    async with opened_store(settings(), TEAM) as store:
        await store.audit.append(*[event()] * lines)


async def move(file: Path, until: int | None = 3, before: datetime | None = None, **more: Any) -> str:
    return await archive.archived(settings(**more), "", file, before=before, until=until)


def lines_in(*files: Path) -> list[Mapping[str, object]]:
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def live() -> list[Mapping[str, object]]:
    return [line async for line in audit_lines(settings())]


# --- the command -----------------------------------------------------------------------------------------------------


async def test_archives_and_the_live_log_are_one_chain(server: FakeServer, tmp_path: Path) -> None:
    await write(5)
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"

    first = await move(one, until=2)
    await move(two, before=NOW + timedelta(days=1), until=None)
    await write(2)

    assert re.fullmatch(
        rf"Lines 1 to 2 were moved to {one}\. The last one is 2:[0-9a-f]{{64}}\. "
        r"At least 5 lines are still in the store\.",
        first,
    )
    assert [line["seq"] for line in lines_in(one, two)] == [1, 2, 3, 4, 5]
    assert verify_lines([*lines_in(one, two), *await live()], SEALER) is None
    assert one.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == ["1.jsonl", "2.jsonl"]


async def test_the_log_says_who_moved_how_many_lines_and_up_to_which_one(
    server: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "latchkey.audit")
    await write(5)

    await move(tmp_path / "1", until=2)
    await move(tmp_path / "2", until=5)

    told = [line for line in await live() if str(line["action"]).startswith("audit:")]
    one, two = (lines_in(tmp_path / name)[-1] for name in ("1", "2"))
    operator = pwd.getpwuid(os.getuid()).pw_name
    assert [(line["actor"], line["action"], line["details"]) for line in told] == [
        ("latchkey", action, {"lines": lines, "last": f"{last['seq']}:{last['hash']}", "operator": operator})
        for lines, last in (("2", one), ("3", two))
        for action in ("audit:archive-intended", "audit:archived")
    ]
    feed: list[Any] = [each for each in caplog.records if each.message == "audit"][-4:]
    assert [(each.action, each.lines, each.last, each.operator) for each in feed] == [
        (line["action"], *(cast("dict[str, str]", line["details"])[name] for name in ("lines", "last", "operator")))
        for line in told
    ]


async def test_an_operator_without_a_name_is_a_number(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write()
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)

    await move(tmp_path / "a", until=2)

    assert cast("dict[str, str]", (await live())[-1]["details"])["operator"] == "4000000000"


async def test_lines_are_not_moved_where_the_log_does_not_take_the_line_that_announces_it(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write()

    async def away(*_: object) -> None:
        raise Unavailable("The store is away.")

    monkeypatch.setattr(RedisAudit, "append", away)
    with pytest.raises(Unavailable):
        await move(tmp_path / "a")

    assert names_in(tmp_path) == []
    assert len(await live()) == 4


async def test_lines_that_were_moved_stay_moved_where_the_log_does_not_take_the_line_that_says_so(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await write()
    append = RedisAudit.append

    async def away(self: RedisAudit, *events: Event) -> None:
        if events[0].action is Action.ARCHIVED:
            raise Unavailable("The store is away.")
        await append(self, *events)

    monkeypatch.setattr(RedisAudit, "append", away)
    assert "Lines 1 to 3 were moved" in await move(tmp_path / "a")

    assert "no audit line says so" in capsys.readouterr().err
    assert [line["action"] for line in await live()][1:] == ["audit:archive-intended"]


async def test_where_nothing_is_old_enough_there_is_no_file(server: FakeServer, tmp_path: Path) -> None:
    await write()

    assert await move(tmp_path / "a", before=NOW, until=None) == "No lines are that old. Nothing was moved."

    assert names_in(tmp_path) == []
    assert len(await live()) == 4


@pytest.mark.parametrize("there", ["a", "a.part"])
async def test_no_file_is_written_over(server: FakeServer, tmp_path: Path, there: str) -> None:
    await write()
    (tmp_path / there).write_text("precious")

    with pytest.raises(StartupError, match=rf"{there} (already )?exists.* Nothing was moved\."):
        await move(tmp_path / "a")

    assert (names_in(tmp_path), (tmp_path / there).read_text()) == ([there], "precious")
    assert len(await live()) == 4


@pytest.mark.parametrize("at", ["_write", "_must_be_written", "_to_disk"])
async def test_a_disk_that_fails_costs_no_line(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    await write()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, at, full)
    with pytest.raises(StartupError, match=r"No space left on device\. Nothing was moved\."):
        await move(tmp_path / "a")

    actions = [line["action"] for line in await live()]
    assert actions[4:] == (["audit:archive-intended"] if at == "_to_disk" else [])
    assert not (tmp_path / "a.part").exists()
    with pytest.raises(StartupError, match="No such file or directory"):
        await move(tmp_path / "missing" / "a")


async def test_t44_what_is_in_the_file_is_read_again_before_anything_is_moved(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write()

    def torn(line: Mapping[str, object]) -> str:
        return json.dumps({**line, "actor": "U99"} if line["seq"] == 2 else dict(line))

    monkeypatch.setattr("bot.cli.audit_formats.jsonl", torn)
    with pytest.raises(StartupError, match=r"wasn't written correctly: line 2: its content was changed"):
        await move(tmp_path / "a")

    assert names_in(tmp_path) == []
    assert len(await live()) == 4


async def test_t43_what_another_archive_moved_first_stays_in_its_file(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await write()
    finish = RedisArchive.finish

    async def outrun(self: RedisArchive, mine: Any) -> None:
        monkeypatch.setattr(RedisArchive, "finish", finish)
        await move(tmp_path / "theirs", until=2)
        await finish(self, mine)

    monkeypatch.setattr(RedisArchive, "finish", outrun)
    with pytest.raises(Conflict):
        await move(tmp_path / "mine")

    assert "mine is complete, but its lines may still be in the store" in capsys.readouterr().err
    assert verify_lines([*lines_in(tmp_path / "theirs"), *await live()], SEALER) is None


async def test_t42_an_archive_is_held_to_the_last_line_that_was_told(server: FakeServer, tmp_path: Path) -> None:
    await write()
    feed = tmp_path / "feed"
    feed.write_text(json.dumps({"seq": 3, "hash": "0" * 64}))

    with pytest.raises(Tampered, match="lacks line 3 of LATCHKEY_AUDIT_LOG"):
        await move(tmp_path / "a", latchkey_audit_log=str(feed))
    assert len(await live()) == 4


async def test_t48_an_export_says_which_lines_it_does_not_have(server: FakeServer, tmp_path: Path) -> None:
    await write(5)
    until = asyncio.Event()
    following = audit_lines(settings(), "", 0, until=until)
    assert [(await anext(following))["seq"] for _ in range(5)] == [1, 2, 3, 4, 5]
    await move(tmp_path / "a", until=4)

    with pytest.raises(Archived, match="Lines 3 to 4 of the audit log were moved to an archive file"):
        [line async for line in audit_lines(settings(), "", 2)]
    assert [line["seq"] for line in await live()] == [5, 6, 7]
    base, told = await audit_begins(settings())
    assert (base.seq, told.has(4, str(lines_in(tmp_path / "a")[-1]["hash"]))) == (4, True)

    assert (await anext(following))["seq"] == 6, "it had read the others before they were moved"
    until.set()
    assert [line["seq"] async for line in following] == [7]


async def test_doctor_says_which_lines_are_in_files(server: FakeServer, tmp_path: Path) -> None:
    await write()
    await move(tmp_path / "a", until=3)

    async with opened_store(settings(), TEAM) as store:
        finding = await _audit(store, cast("Settings", settings()))
        head = store.audit.head

    assert (finding.state, finding.says) == (
        "ok",
        f"6 lines (1 to 3 in archive files), the last one is 6:{head.hash}",
    )


# --- kill -9 ---------------------------------------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys
from pathlib import Path
from bot.cli import archive, audit_formats
from bot.store.audit.archive import RedisArchive
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
step, jsonl, put = sys.argv.pop(1), audit_formats.jsonl, RedisArchive._put
def half(line): return jsonl(line) if line["seq"] < 3 else die()
async def after(*given): await put(*given); die()
match step:
    case "half": audit_formats.jsonl = half
    case "fsync": os.fsync = die
    case "rename": Path.rename = die
    case "_put": RedisArchive._put = die
    case "answer": RedisArchive._put = after
    case _: setattr(archive, step, die)
from bot.__main__ import main
sys.argv[1:] = ["audit", "archive", sys.argv[1], "--until", "4"]
main()
"""


async def latchkey(folder: Path, *words: str) -> tuple[int | None, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"LATCHKEY_DATA_DIR": str(folder / "data"), "LATCHKEY_MASTER_KEYS": KEY, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=folder, env=kept | own, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, (out + err).decode()


STEPS = {"_write": 0, "half": 0, "fsync": 0, "_must_be_written": 0, "rename": 0, "_to_disk": 1, "_finish": 1, "_put": 1,
         "answer": 2}  # fmt: skip
"""Where it is killed, and what is there then: 0 no file, 1 the file, 2 the lines are moved, too."""


@pytest.mark.parametrize(("step", "done"), STEPS.items(), ids=STEPS)
async def test_t44_killed_at_any_step_each_line_is_in_the_store_or_in_a_whole_file(
    tmp_path: Path, step: str, done: int
) -> None:
    async with embedded(tmp_path / "data") as url, connect(url) as redis:
        store = Store.open(redis, SEALER, TEAM)
        await store.audit.append(*[event()] * 6)
        file, rest = tmp_path / "a.jsonl", tmp_path / "b.jsonl"

        assert (await latchkey(tmp_path, "-c", PROGRAM, step, "a.jsonl"))[0] == -signal.SIGKILL

        assert (file.exists(), (tmp_path / "a.jsonl.part").exists()) == (done > 0, done == 0)
        assert (await store.archive.begin()).base.seq == (4 if done == 2 else 0)
        if file.exists():
            assert [line["seq"] for line in lines_in(file)] == [1, 2, 3, 4]
        await store.audit.append(event())
        again = StoreSettings(latchkey_data_dir=tmp_path / "data", latchkey_master_keys=SecretStr(KEY))
        await archive.archived(again, TEAM, rest, before=None, until=7)
        assert [line["seq"] for line in lines_in(rest)] == list(range(5 if done == 2 else 1, 8))
        assert verify_lines(lines_in(*([file] if done == 2 else []), rest), SEALER) is None


def said(code: int, *words: str, stdin: str = "") -> str:
    result = CliRunner().invoke(app, ["audit", *words], input=stdin)
    assert result.exit_code == code, result.output
    return result.output


def test_the_commands_of_a_whole_life(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/0")
    monkeypatch.setenv("LATCHKEY_MASTER_KEYS", KEY)
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    asyncio.run(write(6))

    assert "either --older-than or --until" in said(2, "archive", str(one))
    assert "days or weeks" in said(2, "archive", str(one), "--older-than", "90")
    assert "Nothing was moved" in said(0, "archive", str(one), "--older-than", "9999w")
    assert "Lines 1 to 3 were moved to " in said(0, "archive", str(one), "--until", "3")
    assert "already exists" in said(2, "archive", str(one), "--until", "4")
    (tmp_path / "first.jsonl").write_text(one.read_text().splitlines()[0])
    assert "The chain of 1 line is intact." in said(0, "verify", str(tmp_path / "first.jsonl"))
    said(0, "archive", str(two), "--until", "5")
    noted = [f"{line['seq']}:{line['hash']}" for line in lines_in(one, two)]

    live_log = said(0, "verify")
    assert "The chain of 5 lines is intact. It begins after line 5, which was archived. The last one is 10:" in live_log
    assert f"The chain of 5 lines is intact. The last one is {noted[4]}." in said(0, "verify", str(one), str(two))
    for known in (noted[2], noted[2][:15], noted[4]):
        said(0, "verify", "--head", known)
    for seq in (3, 5, 6):
        assert f"line {seq}: its hash is not the one that was noted" in said(1, "verify", "--head", f"{seq}:{'0' * 13}")
    assert "lines 11 to 11 are missing" in said(1, "verify", "--head", f"11:{'0' * 13}")
    assert "line 1: its number is not 1" in said(1, "verify", str(two))
    assert "line 1: its number is not 1" in said(1, "verify", str(two), str(one))
    said(0, "verify", str(two), "--since", noted[2])

    exported = CliRunner().invoke(app, ["audit", "export"])
    assert [json.loads(line)["seq"] for line in exported.stdout.splitlines()] == [6, 7, 8, 9, 10]
    assert "Line 6 is the first one here" in exported.stderr
    assert "The chain of 10 lines is intact." in said(0, "verify", str(one), str(two), "-", stdin=exported.stdout)
    assert "Lines 3 to 5 of the audit log were moved" in said(1, "export", "--since", "2")
    assert json.loads(said(0, "export", "--since", "5").splitlines()[0])["seq"] == 6
    said(0, "archive", str(tmp_path / "3.jsonl"), "--older-than", "1d")
    assert "The chain of 6 lines is intact. It begins after line 6, which was archived. The last one is 12:" in said(
        0, "verify"
    )
