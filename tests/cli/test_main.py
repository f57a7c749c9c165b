"""The command line: what it prints, its exit codes, and that no stack trace and no secret gets out."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot import settings
from bot.cli import main, terminal
from bot.domain.audit import SYSTEM, Action, Event
from bot.domain.errors import KeyRefused, Refused, Unavailable
from bot.domain.keys import RequestId
from bot.server import CannotListen
from bot.settings import Settings, StartupError, TryAgain
from bot.store.audit import chain
from bot.store.audit.base import Base, Summary
from bot.store.sealing import Sealer, new_master_key, parse_master_keys

ROOT = Path(__file__).parents[2]
MASTER_KEY = new_master_key()
ENVIRONMENT = {
    "SLACK_BOT_TOKEN": "xoxb-made-up",
    "SLACK_SIGNING_SECRET": "made-up-signing",
    "CONFLUENT_CLOUD_API_KEY": "AAAABBBBCCCCDDDD",
    "CONFLUENT_CLOUD_API_SECRET": "made-up-secret",
    "LATCHKEY_MASTER_KEYS": MASTER_KEY,
    "LATCHKEY_CHANNEL": "C02ABC",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "DEFAULT_SECRETS_DIR", tmp_path)
    for name in settings.KNOWN:
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stands where `bot.app` is; a test gives it what it needs."""
    module = ModuleType("bot.app")
    monkeypatch.setitem(sys.modules, "bot.app", module)
    return module


def latchkey(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main.app, args, input=stdin)


def spawned(*args: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if name not in settings.KNOWN}
    return subprocess.run(
        [sys.executable, *args], cwd=ROOT, env=base | environ, capture_output=True, text=True, timeout=90, check=False
    )


# --- run ------------------------------------------------------------------------------------------------------------


def test_a_feed_that_cannot_be_opened_ends_the_start_with_one_line(
    application: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LATCHKEY_AUDIT_LOG", str(tmp_path / "missing" / "audit.jsonl"))

    result = latchkey("run")

    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"LATCHKEY_AUDIT_LOG: {tmp_path}/missing/audit.jsonl can't be opened: No such file")
    assert line.endswith("leave it unset for neither.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(application: ModuleType, number: signal.Signals) -> None:
    seen: list[Settings] = []

    async def run(given: Settings, stop: asyncio.Event) -> None:
        seen.append(given)
        assert not stop.is_set()
        signal.raise_signal(number)
        await stop.wait()

    application.run = run  # type: ignore[attr-defined] # a module made for the test
    # In the background of a shell without job control, Ctrl-C is ignored.
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:
        result = latchkey("run")
        assert signal.getsignal(number) is usual
    finally:
        signal.signal(number, before)

    assert (result.exit_code, result.output) == (0, "")
    assert seen[0].latchkey_channel == "C02ABC"


def test_a_second_signal_ends_it_at_once(application: ModuleType) -> None:
    async def run(_given: Settings, stop: asyncio.Event) -> None:
        signal.raise_signal(signal.SIGINT)
        await stop.wait()
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    application.run = run  # type: ignore[attr-defined] # a module made for the test

    assert latchkey("run").exit_code not in {0, 2}


@pytest.mark.parametrize("error", [StartupError("Redis does not answer."), CannotListen("The port is in use.")])
def test_what_will_not_start_is_one_line(application: ModuleType, error: Exception) -> None:
    async def run(_given: Settings, _stop: asyncio.Event) -> None:
        raise error

    application.run = run  # type: ignore[attr-defined] # a module made for the test
    result = latchkey("run")

    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{error}\n")


def test_t16_a_start_that_may_succeed_later_has_a_code_of_its_own(application: ModuleType) -> None:
    async def run(_given: Settings, _stop: asyncio.Event) -> None:
        raise TryAgain("Slack is rate-limiting Latchkey (http_429).")

    application.run = run  # type: ignore[attr-defined] # a module made for the test
    result = latchkey("run")

    assert (result.exit_code, result.stdout, result.stderr) == (75, "", "Slack is rate-limiting Latchkey (http_429).\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unavailable("The store did not answer."), 75), (KeyRefused("Confluent refuses."), 1), (Refused("No."), 1)],
)
def test_a_store_that_goes_away_during_the_start_may_be_back_later(
    application: ModuleType, error: Exception, code: int
) -> None:
    async def run(_given: Settings, _stop: asyncio.Event) -> None:
        raise error

    application.run = run  # type: ignore[attr-defined] # a module made for the test
    result = latchkey("run")

    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"{error}\n")


def test_a_bug_is_logged_without_its_secrets(application: ModuleType) -> None:
    async def run(_given: Settings, _stop: asyncio.Event) -> None:
        raise LookupError("redis://u:sesame@cache")

    application.run = run  # type: ignore[attr-defined] # a module made for the test
    result = latchkey("run")

    assert result.exit_code == 1
    assert "LookupError" in json.loads(result.stderr)["exception"]
    assert "sesame" not in result.output


def test_settings_that_will_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATCHKEY_CHANNEL")
    monkeypatch.setenv("LATCHKEY_CHANEL", "C02ABC")
    monkeypatch.setenv("PORT", "many")

    result = latchkey("run")

    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["LATCHKEY_CHANEL", "LATCHKEY_CHANNEL", "PORT"]


# --- keygen, audit ------------------------------------------------------------------------------------------


def test_keygen_prints_a_fresh_master_key() -> None:
    first, second = latchkey("keygen").stdout, latchkey("keygen").stdout

    assert first != second
    assert len(parse_master_keys(first.strip())[0]) == 32


def log_lines() -> list[dict[str, Any]]:
    return chain_of(*[(Action.EXPIRED, None, None, None)] * 3)


def chain_of(*events: tuple[Action, str | None, int | None, int | None]) -> list[dict[str, Any]]:
    """Lines as Latchkey writes them: what happened to which request, and the revisions before and after it."""
    sealer, prev, lines = Sealer(parse_master_keys(MASTER_KEY)), "0" * 64, list[dict[str, Any]]()
    for seq, (action, request, was, rev) in enumerate(events, 1):
        event = Event(datetime(2026, 11, 23, tzinfo=UTC), SYSTEM, action, RequestId(request) if request else None)
        lines.append(dict(chain.line_of(seq, prev, chain.Entry(event, was, rev), sealer)))
        prev = str(lines[-1]["hash"])
    return lines


def before_revisions(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same chain as Latchkey wrote it before lines named revisions."""
    sealer, prev, old = Sealer(parse_master_keys(MASTER_KEY)), "0" * 64, list[dict[str, Any]]()
    for line in lines:
        kept = {name: value for name, value in line.items() if name not in {"was", "rev"}} | {"prev": prev}
        prev = chain.hash_of(prev, kept)
        old.append({**kept, "hash": prev, "mac": sealer.mac(prev.encode())})
    return old


def as_text(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def live_log(application: ModuleType) -> list[dict[str, Any]]:
    lines = log_lines()

    async def audit_lines(
        _given: Settings, team: str, after: int | None = None, *, until: asyncio.Event | None = None
    ) -> AsyncIterator[Mapping[str, object]]:
        assert (team, until) == ("T0TYPO" if not lines else "", None)
        for line in lines[after or 0 :]:
            yield line

    async def audit_begins(_given: Settings, _team: str) -> tuple[Base, Summary]:
        return Base(), Summary()

    async def records_problem(_given: Settings, _team: str) -> str | None:
        return None

    application.audit_begins = audit_begins  # type: ignore[attr-defined] # a module made for the test
    application.audit_lines = audit_lines  # type: ignore[attr-defined] # a module made for the test
    application.records_problem = records_problem  # type: ignore[attr-defined] # a module made for the test
    return lines


def holds(lines: list[dict[str, Any]]) -> str:
    return f"The chain of {len(lines)} lines is intact. The last one is {len(lines)}:{lines[-1]['hash']}.\n"


def test_export_is_what_verify_takes(live_log: list[dict[str, Any]], tmp_path: Path) -> None:
    exported = latchkey("audit", "export")
    file = tmp_path / "audit.jsonl"
    file.write_text(exported.stdout, "utf-8")

    assert exported.stdout == as_text(live_log)
    assert latchkey("audit", "verify", str(file)).stdout == holds(live_log)
    assert latchkey("audit", "verify", "-", stdin=exported.stdout).exit_code == 0


def test_a_part_of_an_export_is_verified_from_the_line_before_it(live_log: list[dict[str, Any]]) -> None:
    part = latchkey("audit", "export", "--since", "1").stdout
    before = f"1:{live_log[0]['hash']}"

    assert part == as_text(live_log[1:])
    whole = latchkey("audit", "verify", "-", "--since", before, stdin=part)
    assert (whole.exit_code, whole.stdout) == (0, holds(live_log).replace("3 lines", "2 lines"))
    assert latchkey("audit", "verify", "-", stdin=part).stderr == "line 1: its number is not 1\n"
    other = latchkey("audit", "verify", "-", "--since", f"1:{'0' * 64}", stdin=part)
    assert (other.exit_code, other.stderr) == (1, "line 2: it does not follow the line before it\n")
    assert latchkey("audit", "verify", "-", "--since", "1:abc", stdin=part).exit_code == 2
    assert latchkey("audit", "verify", "--since", before).exit_code == 2


def test_csv_begins_with_its_columns_and_goes_on_without_them(live_log: list[dict[str, Any]]) -> None:
    whole = latchkey("audit", "export", "--format", "csv").stdout.splitlines()
    part = latchkey("audit", "export", "--format", "csv", "--since", "2").stdout.splitlines()

    assert whole[0].startswith("seq,at,actor,action,request,was,rev,operation,")
    assert part == whole[3:]
    assert len(whole) == len(live_log) + 1


def test_audit_commands_need_the_master_keys_and_nothing_of_slack_and_confluent(
    live_log: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT.keys() - {"LATCHKEY_MASTER_KEYS"}:
        monkeypatch.delenv(name)

    assert latchkey("audit", "export").exit_code == latchkey("audit", "verify").exit_code == 0
    monkeypatch.delenv("LATCHKEY_MASTER_KEYS")
    assert latchkey("audit", "export").stderr.startswith("LATCHKEY_MASTER_KEYS is not set.")
    assert live_log


def test_verify_without_a_file_reads_the_live_log(live_log: list[dict[str, Any]]) -> None:
    assert latchkey("audit", "verify").stdout == holds(live_log)

    live_log[1]["actor"] = "U0EVIL"
    result = latchkey("audit", "verify")
    assert (result.exit_code, result.stderr) == (1, "line 2: its content was changed\n")


def test_t4_verify_without_a_file_says_which_records_the_log_contradicts(
    application: ModuleType, live_log: list[dict[str, Any]]
) -> None:
    async def records_problem(_given: Settings, _team: str) -> str | None:
        return "1 record contradicts the audit log"

    application.records_problem = records_problem  # type: ignore[attr-defined] # a module made for the test
    result = latchkey("audit", "verify")

    assert live_log
    assert (result.exit_code, result.stderr) == (1, "1 record contradicts the audit log\n")


def test_t4_a_head_that_was_noted_shows_what_is_missing() -> None:
    lines = log_lines()

    def verified(head: str, *kept: dict[str, Any]) -> tuple[int, str]:
        result = latchkey("audit", "verify", "-", "--head", head, stdin=as_text(list(kept)))
        return result.exit_code, result.stderr

    assert verified(f"3:{lines[2]['hash']}", *lines) == verified(f"2:{lines[1]['hash']}", *lines) == (0, "")
    assert verified(f"3:{lines[2]['hash']}", lines[0]) == (1, "the log ends with line 1: lines 2 to 3 are missing\n")
    assert verified(f"3:{lines[2]['hash']}") == (1, "the log ends with line 0: lines 1 to 3 are missing\n")
    code, said = verified(f"2:{lines[2]['hash']}", *lines)
    assert (code, said.startswith("line 2: its hash is not the one that was noted")) == (1, True)
    assert verified("sesame", *lines)[0] == 2


S, R1 = Action.SUBMITTED, "R1"
T1 = (S, R1, 0, 1), (Action.DENIED, R1, 1, 2), (Action.APPROVED, R1, 1, 2), (Action.CREATED, R1, 2, 3)
T2 = (S, R1, 0, 1), (Action.CREATED, R1, 1, 2), (Action.CONFIRMED, R1, 2, 3), (Action.UNCLAIMED, R1, 2, 3)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (T1, "line 3: revision 1 is older than revision 2"),
        (T2, "line 4: revision 2 is older than revision 3"),
        (((S, R1, 0, 1), (S, R1, 0, 1)), "line 2: revision 0 is older than revision 1"),
        (((Action.APPROVED, R1, 1, 2),), "line 1: the audit log has no line about it"),
        (((S, R1, 0, 1), (Action.DENIED, R1, 1, 2), (Action.CREATED, R1, 2, 3)), "line 3: key:created after"),
        (((S, R1, 0, 1), (Action.FAILED, R1, 1, 2), (Action.APPROVED, R1, 2, 3)), "line 3: request:approved after"),
        (((S, R1, 0, 1), (Action.CREATED, R1, 10**9, 2 * 10**9)), "line 2: revision 1000000000 is newer than"),
    ],
)
def test_t1_verify_refuses_a_chain_that_contradicts_itself(events: Any, says: str) -> None:
    result = latchkey("audit", "verify", "-", stdin=as_text(chain_of(*events)))

    assert result.exit_code == 1
    assert result.stderr.startswith(says)


def test_t1_verify_takes_older_lines_without_revisions_and_refuses_what_cannot_follow() -> None:
    whole = [(S, R1, 0, 1), (Action.APPROVED, R1, 1, 2), (Action.CREATED, R1, 2, 3), (Action.SHOW_REFUSED, R1, 3, 3)]
    mixed = before_revisions(chain_of(*whole))

    assert latchkey("audit", "verify", "-", stdin=as_text(mixed)).stdout == holds(mixed)
    refused = latchkey("audit", "verify", "-", stdin=as_text(before_revisions(chain_of(*T1))))
    assert refused.stderr == "line 3: request:approved after request:denied\n"


def test_verify_offline_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)

    result = latchkey("audit", "verify", "-", stdin=as_text(log_lines()))

    assert result.exit_code == 0
    assert "LATCHKEY_MASTER_KEYS is not set" in result.stdout


def test_verify_checks_who_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_MASTER_KEYS", new_master_key())

    result = latchkey("audit", "verify", "-", stdin=as_text(log_lines()))

    assert result.exit_code == 1
    assert result.stderr.startswith("line 1: the master key")


@pytest.mark.parametrize("text", ["", "\n", "[]\n", "{\n", '{"seq": 1}\n', "[" * 100_000 + "\n"])
def test_verify_of_what_is_no_log(text: str) -> None:
    result = latchkey("audit", "verify", "-", stdin=as_text(log_lines()) + text)

    assert result.exit_code == (1 if text else 0)
    assert result.stderr == ("line 4: it does not have the fields of an audit line\n" if text else "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("verify", "--head", ""), "13 digits or more"),
        (("verify", "--head", "\u0661:" + "a" * 13), "13 digits or more"),
        (("verify", "--since", "", "-"), "a colon and the hash"),
        (("export", "--since", "9" * 20), "less than or equal to"),
    ],
)
def test_an_empty_option_or_a_number_too_large_checks_nothing_less(words: tuple[str, ...], says: str) -> None:
    result = latchkey("audit", *words, stdin="")

    assert result.exit_code == 2
    assert says in result.stderr


def test_verify_finds_no_log_of_a_workspace_that_the_store_does_not_have(live_log: list[dict[str, Any]]) -> None:
    live_log.clear()

    result = latchkey("audit", "verify", "--team", "T0TYPO")

    assert result.exit_code == 2
    assert result.stderr == "This store has no audit log of workspace T0TYPO. Check --team and REDIS_URL.\n"


def test_verify_with_bad_master_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_MASTER_KEYS", "sesame")

    result = latchkey("audit", "verify", "-", stdin="")

    assert result.exit_code == 2
    assert result.stderr.startswith("LATCHKEY_MASTER_KEYS is malformed")


# --- as a program ---------------------------------------------------------------------------------------------------


def test_the_program_says_what_is_wrong_and_nothing_more() -> None:
    done = spawned("-m", "bot", "run", environ={"SLACK_BOT_TOKEN": "xoxp-sesame"})

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0].startswith("SLACK_BOT_TOKEN must begin with xoxb-.")
    assert "Traceback" not in done.stderr
    assert "sesame" not in done.stderr


@pytest.mark.parametrize("streams", [">/dev/full", "<&-"])
def test_output_on_a_full_disk_and_closed_streams_leave_no_stack_trace(streams: str) -> None:
    for command in ("policy schema", "policy check -"):  # more than a buffer takes, and less
        line = f"exec {sys.executable} -m bot {command} {streams}"
        done = subprocess.run(
            ["sh", "-c", line], cwd=ROOT, env={"PATH": "/bin"}, capture_output=True, text=True, timeout=90, check=False
        )

        assert "Traceback" not in done.stderr
        if "full" in streams:
            assert (done.returncode, done.stderr) == (2, "The output can't be written: No space left on device.\n")
        else:
            assert done.returncode == ("check" in command), done.stderr  # nothing is no policy file


def test_a_full_disk_ends_a_command_that_prints_as_it_goes() -> None:
    async def prints() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        terminal.complete(prints())


def test_help_loads_nothing_heavy() -> None:
    show = "import sys, atexit; atexit.register(lambda: print(*sys.modules)); from bot.__main__ import main; main()"
    dumps = "import resource, atexit; atexit.register(lambda: print(resource.getrlimit(resource.RLIMIT_CORE))); "

    done = spawned("-c", dumps + show, "--help", environ={})

    usage, loaded, cores = done.stdout.rsplit("\n", 3)[:3]
    assert cores == "(0, 0)", "a core dump would hold secrets"
    assert done.returncode == 0
    assert "Usage: latchkey" in usage
    heavy = {"asyncio", "cryptography", "httpx", "pydantic", "redis", "rich", "slack_bolt", "starlette", "structlog"}
    assert heavy & set(loaded.split()) == set()
