"""What all commands share: reading the settings, running, and ending with an exit code.

Imports are inside the functions, so that `latchkey --help` answers at once.
"""

import errno
import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from bot.settings import CloudSettings, Settings, StoreSettings

T = TypeVar("T")
Team = Annotated[
    str, typer.Option(metavar="ID", help="The Slack workspace, if the store holds more than one or is a cluster.")
]
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def complete(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` and return its result.

    Ends the program with one line on a known error, and with a log line on a bug.
    """
    import asyncio
    import logging

    from bot.domain.errors import KeyRefused, LatchkeyError, Unavailable
    from bot.server import CannotListen
    from bot.settings import StartupError, TryAgain

    try:
        return asyncio.run(work)
    except TryAgain as error:
        fail(str(error), code=os.EX_TEMPFAIL)
    except (StartupError, CannotListen) as error:
        fail(str(error))
    except LatchkeyError as error:
        may_pass = isinstance(error, Unavailable) and not isinstance(error, KeyRefused)
        fail(str(error), code=os.EX_TEMPFAIL if may_pass else 1)
    except Exception as error:
        if (isinstance(error, BrokenPipeError) and _nobody_reads()) or is_full(error):
            raise  # the program ends without a stack trace
        # Python's own traceback would bypass the log's redaction.
        logging.getLogger("bot.terminal").critical("unexpected error", exc_info=True)
        raise typer.Exit(1) from None


def is_full(error: Exception) -> bool:
    """Whether the output can't be written, such as on a full disk. What writes a file says so itself, with its name."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _FULL


def _nobody_reads() -> bool:
    """Whether standard output has no reader left, as in `| head -1`; otherwise a different pipe broke."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


def settings(*, feed: bool = False) -> "Settings":
    """Read the settings and set up logging, with `feed` also the audit feed.

    Ends the program with 2 if they're invalid.
    """
    from bot import logs
    from bot.settings import Settings, SettingsError, load, unknown_variables

    for line in unknown_variables():
        typer.echo(line, err=True)
    try:
        found = load()
    except SettingsError as error:
        fail(str(error))
    try:
        logs.configure(found.log_level, audit=found.latchkey_audit_log if feed else "")
    except OSError as error:
        complaint = f"{found.latchkey_audit_log} can't be opened: {error.strerror}"
        fail(f"LATCHKEY_AUDIT_LOG: {complaint}. {Settings.model_fields['latchkey_audit_log'].description}")
    return found


def store_settings() -> "StoreSettings":
    """Like `settings`, but only for commands that need nothing except the store."""
    from bot import logs
    from bot.settings import SettingsError, load_store

    try:
        found = load_store()
    except SettingsError as error:
        fail(str(error))
    logs.configure(found.log_level)
    return found


def cloud_settings() -> "CloudSettings":
    """Like `settings`, but only for commands that ask Slack and Confluent Cloud.

    Warnings about retries aren't logged: a final failure is reported in one sentence.
    """
    import logging

    from bot import logs
    from bot.settings import SettingsError, load_clouds

    try:
        found = load_clouds()
    except SettingsError as error:
        fail(str(error))
    logs.configure(found.log_level)
    if found.log_level != "DEBUG":
        logging.disable(logging.WARNING)
    return found


def fail(message: str, code: int = 2) -> NoReturn:
    """End the program with one line on standard error. The default code means unusable settings or environment."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
