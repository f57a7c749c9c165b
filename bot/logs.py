"""Logs: one JSON object per line on stderr (plain text on a terminal), with all secrets redacted.

Every new line of the audit log also goes to a feed of its own, if the settings ask for one: as JSON, at any log level.

No log call should contain a secret. The redaction here is for the day when one does anyway: in a library's message, in
a `repr`, or in the text of an exception.
"""

import contextlib
import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

CHATTY = frozenset({"aiohttp", "httpcore", "httpx", "slack_bolt", "slack_sdk", "websockets"})
"""Libraries that log headers, bodies and response_urls below WARNING. Those are dropped, whatever LOG_LEVEL says."""

NO_NEWS = "As you gave `client` as well, `token` will be unused."
"""Bolt warns about this at every start with SLACK_BOT_TOKEN in the environment, where it should be."""

NO_CONNECTION = "Failed to connect"
"""How the SDK's message about a failed Socket Mode connection begins. It comes every 10 seconds while Slack is down."""

COLORED = "color_message"
"""The extra field in which Uvicorn repeats its message with escape codes for terminals."""

GONE = "[redacted]"
AUDIT = logging.getLogger("latchkey.audit")
"""Logs each audit line; see docs/audit.md."""
STDOUT = "stdout"
FULL_AGAIN = 60.0
"""Seconds between log lines that say that the feed can't be written."""
_TAIL = 256 * 1024
"""How many bytes at the end of a feed are searched for its last line."""

_PATTERNS = (
    # Confluent's secrets: today's form, and the one before July 2025, which is nothing but base64. Sixty-four
    # lower-case hex digits are a digest: the audit log is full of them, and they are worth reading.
    re.compile(r"cflt[A-Za-z0-9+/]{60}"),
    re.compile(r"(?<![A-Za-z0-9+/])(?![0-9a-f]{64}(?![A-Za-z0-9+/]))[A-Za-z0-9+/]{64,}={0,2}"),
    re.compile(r"lk1_[A-Za-z0-9_-]{20,}={0,2}"),
    re.compile(r"x(?:app|ox[a-z](?:\.xox[a-z])?)-[A-Za-z0-9-]+"),
    # Anyone who has a response_url may post to that conversation; the ticket of a Socket Mode address opens the socket.
    re.compile(r"(?<=hooks\.slack\.com/)[^\s\"'<>]+|(?<=hooks\.slack-gov\.com/)[^\s\"'<>]+|(?<=/hooks/)[^\s\"'<>]+"),
    re.compile(r"(?<=[?&]ticket=)[^\s\"'&]+"),
    re.compile(r"(?i)(?<=\bauthorization)[\"']?\s*[:=]\s*[\"']?(?:[A-Za-z]+\s+)?[^\s\"',}\]]+"),
    re.compile(r"(?i)\b(?:basic|bearer)\s+[A-Za-z0-9+/=._~-]{16,}"),
    re.compile(r"(?i)(?<=://)[^\s/@\"']*:[^\s@\"']*(?=@)"),
)
_CODES = re.compile(r"[\x1b\x9b](?:\[?[0-?]*[ -/]*[@-~])?")
"""What a terminal treats as a command. JSON would only escape it, and `jq -r` would restore it."""
_SECRET_NAME = re.compile(r"(?i)secret|passw|token|authorization|cookie|master_?key|response_url")


def redact(text: str) -> str:
    """`text` without anything that looks like a secret, and without escape codes."""
    text = _CODES.sub("", text)
    for pattern in _PATTERNS:
        text = pattern.sub(GONE, text)
    return text


def configure(level: str, *, stream: TextIO | None = None, audit: str = "") -> None:
    """Send all logs, structlog's and the standard library's, through redaction to `stream` (default: stderr).

    `level` is a name that `logging` knows. `audit` is where the audit feed goes: `stdout`, a file, or "" for nowhere.
    Calling it again replaces the earlier configuration. Raises OSError if the file can't be opened.
    """
    target = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = _Handler(target)
    handler.addFilter(_is_worth_hearing)
    handler.setFormatter(_formatter(shared, pretty=target.isatty()))
    handler.setLevel(level)
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    _feed(shared, audit)
    logging.captureWarnings(capture=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


def reopen() -> None:
    """Reopen the audit feed's file, which may have been renamed. Called on SIGHUP."""
    for handler in AUDIT.handlers:
        if isinstance(handler, AppendingHandler):
            handler.reopen()


def feed_problem() -> str | None:
    """Why the newest line of the audit feed couldn't be written; None if it could."""
    handlers = (each for each in AUDIT.handlers if isinstance(each, AppendingHandler))
    return next((each.problem for each in handlers), None)


def last_told(audit: str) -> tuple[int, str] | None:
    """Number and hash of the last line in the audit feed's file, or in the previous file; None if there is none.

    Skips incomplete lines and lines by other programs. Raises OSError if a file can't be read.
    """
    if audit in {"", STDOUT}:
        return None
    for path in (Path(audit), Path(f"{audit}.1")):  # the name that logrotate gives
        if path.is_file() and (told := max(filter(None, map(_told, _tail(path))), default=None)):
            return told
    return None


def _tail(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().splitlines()


def _told(line: bytes) -> tuple[int, str] | None:
    try:
        said = json.loads(line)
        seq, found = said["seq"], said["hash"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (seq, found) if isinstance(seq, int) and isinstance(found, str) else None


def _feed(shared: list[Processor], audit: str) -> None:
    for former in AUDIT.handlers:
        former.close()
    AUDIT.handlers, AUDIT.level = [], logging.NOTSET
    if audit:
        feed = _Handler(sys.stdout) if audit == STDOUT else AppendingHandler(Path(audit))
        feed.setFormatter(_formatter(shared, pretty=False))
        AUDIT.addHandler(feed)
        AUDIT.setLevel(logging.INFO)  # however little is to be heard of anything else


def bolt_logger() -> logging.Logger:
    """The logger for `AsyncApp(logger=…)`. Bolt copies its level to all of Bolt's loggers, or else the root's level."""
    logger = logging.getLogger("slack_bolt")
    logger.setLevel(max(logging.WARNING, logging.root.level))
    logger.addFilter(_in_one_line)  # once, however often
    return logger


def _in_one_line(record: logging.LogRecord) -> bool:
    """Remove the traceback from the SDK's message about a failed connection: the message says why."""
    if record.getMessage().startswith(NO_CONNECTION):
        record.exc_info = record.exc_text = None
    return True


def _formatter(shared: list[Processor], *, pretty: bool) -> logging.Formatter:
    # Tracebacks become text before redaction, and never through rich, which would print local variables.
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer()
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.StackInfoRenderer(),
            _without_secrets,
            renderer,
        ],
    )


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop(COLORED, None)
    return {redact(str(name)): _clean(value, str(name)) for name, value in event.items()}


def _clean(value: object, name: str = "") -> object:
    """`value` as plain JSON without secrets. `name` is its field name, which may show that it's a secret."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            items: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            return {redact(str(key)): _clean(item, str(key)) for key, item in items.items()}
        case list() | tuple() | set() | frozenset():
            members: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            return [_clean(item, name) for item in members]
        case str():
            return GONE if value and _SECRET_NAME.search(name) else redact(value)
        case bytes():
            return _clean(value.decode(errors="replace"), name)
        case _:
            return _clean(repr(value), name)


def _is_worth_hearing(record: logging.LogRecord) -> bool:
    """Whether to keep a record.

    Bolt copies the root's level to its own loggers, so levels alone don't silence a library.
    """
    loud = record.levelno >= logging.WARNING or record.name.partition(".")[0] not in CHATTY
    return loud and record.msg != NO_NEWS


class _Handler(logging.StreamHandler[TextIO]):
    """If a record can't be formatted, the standard library prints its arguments. This class prints only its place."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Print no arguments, and ignore a closed stream."""
        line = {"level": "error", "event": "couldn't write a log record"}
        place = {"logger": record.name, "where": f"{record.filename}:{record.lineno}"}
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(json.dumps(line | place) + "\n")


class AppendingHandler(logging.Handler):
    """Appends to a file, each line in one write, so that processes can share it. Reopens it after it was renamed.

    It never raises: the audit log is in the store, and an effect must not fail because a disk is full.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError if the file can't be opened."""
        super().__init__()
        self._path, self._fd, self._is_torn, self._told_at = path, -1, False, float("-inf")
        self.problem: str | None = None
        self._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Append the line. Failures are logged, at most once a minute, and the line is dropped."""
        try:
            line = self.format(record).encode() + b"\n"
            if self._was_moved():
                self._open()
            self._write(line)
            self.problem = None
        except Exception as error:  # noqa: BLE001 - nothing that goes wrong here may reach who writes an audit line
            self._complain(error)

    def reopen(self) -> None:
        """Reopen the file. A failure is reported with the next line."""
        with self.lock or contextlib.nullcontext(), contextlib.suppress(OSError):
            self._open()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()

    def _open(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._is_torn = fd, False

    def _was_moved(self) -> bool:
        if self._fd < 0:
            return True
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        here = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _write(self, line: bytes) -> None:
        whole = b"\n" + line if self._is_torn else line
        written = os.write(self._fd, whole)
        self._is_torn = written < len(whole)
        if self._is_torn:
            raise OSError(None, "only part of the line could be written")

    def _complain(self, error: Exception) -> None:
        why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        self.problem = f"{self._path} can't be written ({why}): lines are missing from the audit feed"
        if time.monotonic() - self._told_at < FULL_AGAIN:
            return
        self._told_at = time.monotonic()
        says = "couldn't write to the audit feed; its lines are only in the audit log"
        logging.getLogger("latchkey").error(says, extra={"file": str(self._path), "why": why})
