"""Logs: one JSON object a line on stderr (or plain text on a terminal), with every secret taken out.

Secrets have no business in a log call. The redaction here is for the day when one gets there all the same: in a
library's message, in a `repr`, in the text of an exception.
"""

import contextlib
import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

CHATTY = frozenset({"aiohttp", "httpcore", "httpx", "slack_bolt", "slack_sdk", "websockets"})
"""Libraries that write headers, bodies and response_urls below WARNING: never heard there, whatever LOG_LEVEL says."""

NO_NEWS = "As you gave `client` as well, `token` will be unused."
"""Bolt's warning at every start where SLACK_BOT_TOKEN is in the environment, as it should be."""

NO_CONNECTION = "Failed to connect"
"""How the SDK's message begins at each try of Socket Mode that leads nowhere, every ten seconds while Slack is away."""

GONE = "[redacted]"

_PATTERNS = (
    # Confluent's secrets: today's form, and the one before July 2025, which is nothing but base64. Sixty-four
    # lower-case hex digits are a digest: the audit log is full of them, and they are worth reading.
    re.compile(r"cflt[A-Za-z0-9+/]{60}"),
    re.compile(r"(?<![A-Za-z0-9+/])(?![0-9a-f]{64}(?![A-Za-z0-9+/]))[A-Za-z0-9+/]{64,}={0,2}"),
    re.compile(r"lk1_[A-Za-z0-9_-]{20,}={0,2}"),
    re.compile(r"x(?:app|ox[a-z](?:\.xox[a-z])?)-[A-Za-z0-9-]+"),
    # Whoever has a response_url may post to that conversation; the ticket of a Socket Mode address opens the socket.
    re.compile(r"(?<=hooks\.slack\.com/)[^\s\"'<>]+|(?<=hooks\.slack-gov\.com/)[^\s\"'<>]+|(?<=/hooks/)[^\s\"'<>]+"),
    re.compile(r"(?<=[?&]ticket=)[^\s\"'&]+"),
    re.compile(r"(?i)(?<=\bauthorization)[\"']?\s*[:=]\s*[\"']?(?:[A-Za-z]+\s+)?[^\s\"',}\]]+"),
    re.compile(r"(?i)\b(?:basic|bearer)\s+[A-Za-z0-9+/=._~-]{16,}"),
    re.compile(r"(?i)(?<=://)[^\s/@\"']*:[^\s@\"']*(?=@)"),
)
_SECRET_NAME = re.compile(r"(?i)secret|passw|token|authorization|cookie|master_?key|response_url")


def redact(text: str) -> str:
    """`text` without anything that looks like a secret."""
    for pattern in _PATTERNS:
        text = pattern.sub(GONE, text)
    return text


def configure(level: str, *, stream: TextIO | None = None) -> None:
    """Send all logs, structlog's and the standard library's, through redaction to `stream` (default: stderr).

    `level` is a name that `logging` knows. May be called again; the last call holds.
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
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


def bolt_logger() -> logging.Logger:
    """The logger for `AsyncApp(logger=…)`: Bolt gives its level to all of Bolt's own loggers, else the root's."""
    logger = logging.getLogger("slack_bolt")
    logger.setLevel(max(logging.WARNING, logging.root.level))
    logger.addFilter(_in_one_line)  # once, however often
    return logger


def _in_one_line(record: logging.LogRecord) -> bool:
    """Take the stack off what the SDK says of each connection that it could not make: the message says why."""
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
    return {redact(str(name)): _clean(value, str(name)) for name, value in event.items()}


def _clean(value: object, name: str = "") -> object:
    """`value` as plain JSON without secrets; `name` is what it is called, which may give it away."""
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
    """Bolt copies the root's level into loggers of its own, so levels alone do not keep a library quiet."""
    loud = record.levelno >= logging.WARNING or record.name.partition(".")[0] not in CHATTY
    return loud and record.msg != NO_NEWS


class _Handler(logging.StreamHandler[TextIO]):
    """The standard library prints the arguments of a record that does not format; this one says only where it was."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Never the arguments; and a stream that is gone is no reason to fail."""
        line = {"level": "error", "event": "a log record could not be written"}
        place = {"logger": record.name, "where": f"{record.filename}:{record.lineno}"}
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(json.dumps(line | place) + "\n")
