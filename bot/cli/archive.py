"""Implements `latchkey audit archive`.

Writes lines to a file and the file to disk, then removes them from the store.
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Generator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

if TYPE_CHECKING:
    from bot.domain.audit import Action, Event
    from bot.settings import StoreSettings
    from bot.store import Store
    from bot.store.audit.archive import Move, RedisArchive


async def archived(
    settings: "StoreSettings", team: str, file: Path, *, before: datetime | None, until: int | None
) -> str:
    """Move lines written `before` a time, or up to line `until`, to a file. Returns what to print about it.

    Raises `StartupError` if the file can't be written, and `LatchkeyError` if the store refuses or doesn't answer.
    """
    from bot.connections import opened_store
    from bot.diagnosis.records import hold_to_feed
    from bot.domain.audit import Action
    from bot.domain.errors import counted
    from bot.settings import StartupError

    async with opened_store(settings, team) as store:
        hold_to_feed(settings.latchkey_audit_log, store)
        move = await store.archive.begin()
        try:
            with _part_of(file) as part:
                with part.open("a", encoding="utf-8") as out:
                    await _write(store.archive.lines(move, before=before, until=until), out)
                if not move.number:
                    return "No lines are that old. Nothing was moved."
                _must_be_written(store.archive, move, part)
                await store.audit.append(_line(Action.ARCHIVE_INTENDED, move))
                part.rename(file)
                _to_disk(file.parent)
        except OSError as error:
            raise StartupError(f"{error.filename or file}: {error.strerror}. Nothing was moved.") from None
        await _finish(store.archive, move, file)
        await _tell(store, move)
        left, first = store.audit.head.seq - move.end.seq, move.base.seq + 1
        moved = f"Line {first} was" if first == move.end.seq else f"Lines {first} to {move.end.seq} were"
        return (
            f"{moved} moved to {file}. The last one is {move.end.seq}:{move.end.hash}. "
            f"At least {counted(left, 'line')} {'is' if left == 1 else 'are'} still in the store."
        )


@contextlib.contextmanager
def _part_of(file: Path) -> Generator[Path]:
    """Yield a new file beside `file`, which must not exist. It's deleted unless it was renamed to `file`.

    A part that a killed process left contains no archive: lines leave the store only after the file has its final name.
    Raises `StartupError`.
    """
    from bot.settings import StartupError

    if file.exists():
        raise StartupError(f"{file} already exists, and Latchkey doesn't overwrite it. Nothing was moved.")
    part = file.with_name(f"{file.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        why = "another archive is running, or one was killed before it moved anything"
        raise StartupError(f"{part} exists: {why}. If no archive is running, delete it. Nothing was moved.") from None
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


async def _write(lines: AsyncIterator[Mapping[str, object]], out: TextIO) -> None:
    from bot.cli.audit_formats import jsonl

    async for line in lines:
        out.write(jsonl(line) + "\n")
    out.flush()
    os.fsync(out.fileno())


def _must_be_written(archive: "RedisArchive", move: "Move", part: Path) -> None:
    """Read the file again and verify it, as `audit verify` would. Raises `StartupError`."""
    from bot.settings import StartupError

    with part.open(encoding="utf-8") as read:
        wrong = archive.written(move, map(json.loads, read))
    if wrong:
        raise StartupError(f"{part} wasn't written correctly: {wrong}. Nothing was moved.")


def _to_disk(folder: Path) -> None:
    """Make sure that names in this folder survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _finish(archive: "RedisArchive", move: "Move", file: Path) -> None:
    from bot.domain.errors import LatchkeyError

    try:
        await archive.finish(move)
    except LatchkeyError:
        typer.echo(f"{file} is complete, but its lines may still be in the store: see docs/audit.md.", err=True)
        raise


async def _tell(store: "Store", move: "Move") -> None:
    """Write to the log that the lines were moved.

    If that fails, the base still shows it, and so does the earlier line.
    """
    from bot.domain.audit import Action
    from bot.domain.errors import LatchkeyError

    try:
        await store.audit.append(_line(Action.ARCHIVED, move))
    except LatchkeyError as error:
        typer.echo(f"The lines were moved, but no audit line says so: {error}", err=True)


def _line(action: "Action", move: "Move") -> "Event":
    """The audit event of a move: how many lines, the last of them, and the operating system's user who runs it."""
    import pwd
    from datetime import UTC

    from bot.domain.audit import SYSTEM, Event

    try:
        operator = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, a user may be a number alone
        operator = str(os.getuid())
    details = {"lines": str(move.number), "last": f"{move.end.seq}:{move.end.hash}", "operator": operator}
    return Event(at=datetime.now(UTC), actor=SYSTEM, action=action, details=details)
