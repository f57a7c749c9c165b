"""What is written to the log, and that a secret never is, whichever way it comes."""

import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot import logs

SECRETS = {
    "confluent secret": "cflt" + "Mark" * 15,
    "confluent secret after a slash": "KEY/" + "cflt" + "Mark" * 15,
    "old confluent secret": "Mark+/9z" * 8,
    "master key": "lk1_" + "Mark-_9z" * 5 + "abc",
    "bot token": "xoxb-0000000000-Mark9z",
    "rotating token": "xoxe.xoxb-0-Mark9z",
    "app token": "xapp-1-A000-Mark9z",
    "response_url": "https://hooks.slack.com/actions/T01/1/Mark9z",
    "government response_url": "https://hooks.slack-gov.com/actions/T01/1/Mark9z",
    "local response_url": "http://127.0.0.1:8123/hooks/actions/Mark9z",
    "socket address": "wss://wss.slack.com/link/?ticket=Mark9z&app_id=1",
    "basic authorization": "Authorization: Basic Mark9zMark9z==",
    "short authorization": "authorization=Mark9z",
    "quoted authorization": "{'Authorization': 'Bearer Mark9z'}",
    "bearer": "bearer Mark9zMark9zMark9z",
    "redis password": "redis://default:Mark9z@cache:6379/0",
    "redis password only": "rediss://:Mark9z@cache:6379/0",
    "redis password with a slash": "redis://u:Ma/Mark9z@cache:6379/0",
}
READABLE = {
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "key id": "7FJIYKQ4SGQDQ72H",
    "resource": "crn://confluent.cloud/organization=o-1/environment=env-1/cloud-cluster=lkc-1/kafka=lkc-1",
    "address": "http://127.0.0.1:8080/readyz",
    "redis without a password": "redis://cache:6379/0",
    "sentence": "Basic checks passed; the bearer of this card may read it",
}


class Kept:
    """Has a repr, as the classes of libraries do."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return f"Kept({self._text!r})"


def fail(text: str) -> None:
    raise ValueError("outer") from LookupError(text)


def raise_and_log(text: str) -> None:
    try:
        fail(text)
    except ValueError:
        logging.getLogger("bot.test").exception("failed")


def raise_and_log_by_structlog(text: str) -> None:
    try:
        fail(text)
    except ValueError:
        structlog.stdlib.get_logger("bot.test").exception("failed")


def bind(text: str) -> None:
    with structlog.contextvars.bound_contextvars(bound=text):
        logging.getLogger("bot.test").debug("bound")


PATHS: dict[str, Callable[[str], None]] = {
    "message": lambda text: logging.getLogger("bot.test").debug(text),
    "argument": lambda text: logging.getLogger("bot.test").debug("got %s", text),
    "argument with repr": lambda text: logging.getLogger("bot.test").debug("got %r", Kept(text)),
    "mapping argument": lambda text: logging.getLogger("bot.test").debug("got %(it)s", {"it": text}),
    "bytes": lambda text: logging.getLogger("bot.test").debug("got %s", text.encode()),
    "extra": lambda text: logging.getLogger("bot.test").debug("got", extra={"it": {"deep": [text]}}),
    "stdlib exception": raise_and_log,
    "structlog event": lambda text: structlog.stdlib.get_logger("bot.test").debug(text),
    "structlog argument": lambda text: structlog.stdlib.get_logger("bot.test").debug("got %s", text),
    "structlog keyword": lambda text: structlog.stdlib.get_logger("bot.test").debug("got", it=text),
    "structlog nested": lambda text: structlog.stdlib.get_logger("bot.test").debug("got", it={"a": [{"b": (text,)}]}),
    "structlog name": lambda text: structlog.stdlib.get_logger("bot.test").debug("got", it={text: 1}),
    "structlog object": lambda text: structlog.stdlib.get_logger("bot.test").debug(
        "got", it=Kept(text), b=text.encode()
    ),
    "structlog exception": raise_and_log_by_structlog,
    "correlation": bind,
    "warning": lambda text: warnings.warn(text, stacklevel=1),
    "record that does not format": lambda text: logging.getLogger("bot.test").debug("%d", text),
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
@pytest.mark.filterwarnings("default")
def test_no_secret_reaches_the_log(path: Callable[[str], None], stream: type[io.StringIO]) -> None:
    out = stream()
    logs.configure("DEBUG", stream=out)

    for secret in SECRETS.values():
        written = len(out.getvalue())
        path(f"before {secret}\nafter")
        path(secret)
        assert "Mark" not in out.getvalue()[written:], secret
        assert written < len(out.getvalue())


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert logs.redact(f"before {text} after") == f"before {text} after"


def test_a_telling_name_is_enough() -> None:
    out = io.StringIO()
    logs.configure("DEBUG", stream=out)

    structlog.stdlib.get_logger("bot.test").info("got", api_secret="short", headers={"Cookie": ["a"]}, secret="")

    assert last(out) | {"timestamp": ""} == {
        "api_secret": logs.GONE,
        "headers": {"Cookie": [logs.GONE]},
        "secret": "",
        "event": "got",
        "logger": "bot.test",
        "level": "info",
        "timestamp": "",
    }


def test_a_line_is_json_and_carries_what_was_bound() -> None:
    out = io.StringIO()
    logs.configure("INFO", stream=out)

    with structlog.contextvars.bound_contextvars(request="R1"):
        logging.getLogger("bot.test").info("approved by %s", "U1")
    logging.getLogger("bot.test").debug("not heard")

    assert {"event": "approved by U1", "request": "R1", "level": "info"}.items() <= last(out).items()
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize("name", [*sorted(logs.CHATTY), "httpcore.http11", "slack_sdk.web.async_client"])
def test_chatty_libraries_are_heard_from_warning_on_only(name: str) -> None:
    out = io.StringIO()
    logs.configure("DEBUG", stream=out)
    logger = logging.getLogger(name)

    logger.info("hidden")
    assert out.getvalue() == ""

    logger.warning("heard")
    assert last(out)["event"] == "heard"


def test_a_level_above_warning_holds_for_libraries_too() -> None:
    logs.configure("ERROR", stream=io.StringIO())

    assert logging.getLogger("httpx").level == logging.ERROR
    assert logs.bolt_logger().level == logging.ERROR


@pytest.mark.parametrize("given", [True, False])
def test_bolt_stays_quiet_at_debug(*, given: bool) -> None:
    out = io.StringIO()
    logs.configure("DEBUG", stream=out)

    app = AsyncApp(
        client=AsyncWebClient(token="xoxb-0"), signing_secret="made-up", logger=logs.bolt_logger() if given else None
    )
    app.logger.debug("a whole body")
    logging.getLogger("slack_bolt.AsyncRequestVerification").info("another")

    assert out.getvalue() == ""


def test_a_connection_that_the_sdk_could_not_make_is_one_line_without_a_stack_trace() -> None:
    stream = io.StringIO()
    logs.configure("INFO", stream=stream)
    for text in ("Failed to connect (error: no such host); Retrying...", "Something else"):
        try:
            fail("no such host")
        except ValueError:
            logs.bolt_logger().exception(text)

    connection, other = map(json.loads, stream.getvalue().splitlines())
    assert "no such host" in connection["event"]
    assert "exception" not in connection
    assert "Traceback" in other["exception"]


def test_a_stream_that_is_gone_does_not_fail_the_caller() -> None:
    out = io.StringIO()
    logs.configure("INFO", stream=out)
    out.close()

    logging.getLogger("bot.test").info("into the void")


# ------------------------------------------------------------------------------------------------------- the audit feed


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Path]:
    """A file that the audit feed goes to, while nothing but warnings is heard of anything else."""
    path = tmp_path / "audit.jsonl"
    logs.configure("WARNING", stream=io.StringIO(), audit=str(path))
    yield path
    logs.configure("INFO", stream=io.StringIO())


def fed(path: Path) -> list[int]:
    """The numbers of the lines in a feed, each of which must be whole."""
    return [json.loads(line)["seq"] for line in path.read_text("utf-8").splitlines()]


def tell(*numbers: int) -> None:
    for number in numbers:
        logs.AUDIT.info("audit", extra={"seq": number, "hash": "ab" * 32})


def test_the_feed_has_every_audit_line_whatever_the_level_and_appends(feed: Path) -> None:
    heard = io.StringIO()
    tell(1)
    logs.configure("WARNING", stream=heard, audit=str(feed))

    tell(2)
    logging.getLogger("latchkey").info("something else")

    assert fed(feed) == [1, 2]
    assert heard.getvalue() == ""
    line = json.loads(feed.read_text().splitlines()[0])
    assert line | {"timestamp": ""} == {
        "event": "audit",
        "level": "info",
        "logger": "latchkey.audit",
        "timestamp": "",
        "seq": 1,
        "hash": "ab" * 32,
    }


def test_without_a_feed_the_level_holds_for_audit_lines_too(feed: Path) -> None:
    heard = io.StringIO()
    logs.configure("WARNING", stream=heard)

    tell(1)

    assert (heard.getvalue(), fed(feed)) == ("", [])


def test_a_renamed_or_removed_feed_begins_anew(feed: Path) -> None:
    tell(1)
    feed.rename(feed.with_suffix(".1"))
    tell(2)
    feed.unlink()
    tell(3)

    assert fed(feed.with_suffix(".1")) == [1]
    assert fed(feed) == [3]


def test_a_hangup_lets_go_of_a_renamed_feed_before_the_next_line(feed: Path) -> None:
    tell(1)
    feed.rename(feed.with_suffix(".1"))

    logs.reopen()

    assert fed(feed) == []


def test_a_feed_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        logs.configure("INFO", stream=io.StringIO(), audit=str(tmp_path / "missing" / "audit.jsonl"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
def test_a_full_disk_is_said_once_a_minute_and_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.StringIO()
    logs.configure("INFO", stream=heard, audit="/dev/full")

    tell(1, 2, 3)

    said = [json.loads(line) for line in heard.getvalue().splitlines()]
    assert [each["event"] for each in said].count("audit") == 3
    (complaint,) = [each for each in said if each["event"] != "audit"]
    assert (complaint["file"], complaint["why"], complaint["level"]) == (
        "/dev/full",
        "No space left on device",
        "error",
    )

    monkeypatch.setattr(logs, "FULL_AGAIN", 0.0)
    tell(4)

    assert "No space left" in heard.getvalue().splitlines()[-1] + heard.getvalue().splitlines()[-2]
    assert (
        logs.feed_problem()
        == "/dev/full can't be written (No space left on device): lines are missing from the audit feed"
    )
    logs.configure("INFO", stream=io.StringIO())
    assert logs.feed_problem() is None


def test_a_line_that_was_cut_spoils_no_other(feed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data, write=os.write: write(fd, data[: len(data) // 2]))
        tell(1)
    assert "only part of the line could be written" in (logs.feed_problem() or "")
    tell(2)
    assert logs.feed_problem() is None

    cut, whole = feed.read_text().splitlines()
    assert json.loads(whole)["seq"] == 2
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(cut)


def test_the_last_line_of_a_feed_is_found_again_also_after_it_was_rotated(feed: Path) -> None:
    assert logs.last_told(str(feed)) is None
    tell(2)
    tell(1)  # by a process that was slower
    with feed.open("ab") as file:
        file.write(b'null\n7\n{"seq": "9", "hash": "h9"}\n{"seq": 9}\n\xff\n{"seq": 9, "hash": "h')

    assert logs.last_told(str(feed)) == (2, "ab" * 32)
    feed.rename(f"{feed}.1")
    assert logs.last_told(str(feed)) == (2, "ab" * 32)
    tell(3)
    assert logs.last_told(str(feed)) == (3, "ab" * 32)
    assert logs.last_told(logs.STDOUT) is logs.last_told("") is None


def test_a_folder_that_is_gone_fails_nobody(feed: Path) -> None:
    tell(1)
    feed.unlink()
    feed.parent.rmdir()

    tell(2)
    logs.reopen()
    feed.parent.mkdir()
    tell(3)

    assert fed(feed) == [3]


PROGRAM = """
import logging
from bot import logs
logs.configure("INFO", audit="stdout")
logs.AUDIT.info("audit", extra={"seq": 1, "key": "\\x1b[31mred\\x1b[0m"})
logging.getLogger("latchkey").warning("\\x1b[31mred\\x1b[0m")
logging.getLogger("uvicorn.error").warning("red", extra={"color_message": "\\x1b[31mred\\x1b[0m"})
"""


def at_a_terminal() -> tuple[str, str]:
    """What the program writes to two terminals: stdout and stderr."""
    (out, its_out), (err, its_err) = pty.openpty(), pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=its_out, stderr=its_err, check=True, timeout=60)
    return os.read(out, 65536).decode(), os.read(err, 65536).decode()


def test_json_holds_no_escape_codes_in_a_pipe_nor_at_a_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    out, err = at_a_terminal()

    for text in (done.stdout, done.stderr, out):
        assert "\x1b" not in text
        assert re.search(r"\\u00(1b|9b)", text) is None, "written out, `jq -r` makes them codes again"
        assert all(json.loads(line) for line in text.splitlines())
        assert "color_message" not in text, "uvicorn says everything twice"
    assert '"key": "red"' in done.stdout
    assert "\x1b" in err, "people at a terminal see colors"
    assert "\x1b[31mred" not in err, "but only ours"
