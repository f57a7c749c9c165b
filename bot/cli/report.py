"""`latchkey report`: who has which key, and the outcome of requests. Needs only the store and the master keys.

A report about now is made from the records. One about the past (`--at`) is made from the audit log alone, from its
first line: archive files first, then the store.

Imports are inside the functions, as in `bot.cli.main`.
"""

import dataclasses
import json
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from bot.cli import terminal
from bot.cli.terminal import Team, complete

if TYPE_CHECKING:
    from bot.domain.reports.ledger import Ledger
    from bot.domain.reports.rows import Cell, KeyRow, RequestRow
    from bot.domain.requests import Request
    from bot.services.ports.store import Keeps
    from bot.settings import StoreSettings
    from bot.store import Store

    Row: TypeAlias = KeyRow | RequestRow

What: TypeAlias = Literal["keys", "requests"]
app = typer.Typer(help="Reports for auditors.", no_args_is_help=True)
Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="With --at: the archive files of the audit log, in order."),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="DATE",
        help="A past time in UTC: a date (meaning its end), or a date and time. The report is then from the audit log.",
    ),
]
Format = Annotated[Literal["csv", "json"], typer.Option("--format", help="The format.")]
AT_ONCE = 500
"""Records that are read at once."""


@app.command()
def keys(files: Files = None, *, at: At = None, format_: Format = "csv", team: Team = "") -> None:
    """Print the API keys that Latchkey created and that still exist, with owner, dates and approvers."""
    _print(Report("keys", _moment(at), tuple(files or ()), format_), team)


@app.command()
def requests(files: Files = None, *, at: At = None, format_: Format = "csv", team: Team = "") -> None:
    """Print the requests: who requested what, when and why, who approved or denied it, and the outcome."""
    _print(Report("requests", _moment(at), tuple(files or ()), format_), team)


@dataclass(frozen=True, slots=True)
class Report:
    """The report that the options describe."""

    what: What
    at: datetime | None
    """None means now."""
    files: tuple[Path, ...]
    format: Literal["csv", "json"]


def _print(report: Report, team: str) -> None:
    if report.files and report.at is None:
        raise typer.BadParameter("archive files are only for a report about a past time: add --at")
    left_out = complete(_printed(terminal.store_settings(), team, report))
    if left_out:
        records, are = ("1 record", "isn't") if left_out == 1 else (f"{left_out} records", "aren't")
        typer.echo(f"{records} can't be trusted or read, and {are} in the report: see latchkey doctor.", err=True)
        raise typer.Exit(1)


async def _printed(settings: "StoreSettings", team: str, report: Report) -> int:
    """Print the report. Returns how many records aren't in it."""
    from bot.connections import opened_store
    from bot.diagnosis.records import hold_to_feed

    async with opened_store(settings, team) as store:
        hold_to_feed(settings.latchkey_audit_log, store)
        await store.audit.follow()
        if report.at is not None:
            ledger = await _told(store, report, report.at)
            paper = Paper(report, report.at, "the audit log", ledger.last)
            for row in ledger.key_rows() if report.what == "keys" else ledger.request_rows():
                paper.add(row)
            paper.end()
            return 0
        head = store.audit.head
        paper = Paper(report, datetime.now(UTC), "records", (head.seq, head.hash) if head.seq else None)
        left_out = 0
        async for found in _on_record(store, report.what):
            if found is None:
                left_out += 1
            else:
                paper.add(found)
        paper.end()
        return left_out


@dataclass(slots=True)
class Paper:
    """A report that is written to standard output row by row. A summary goes to standard error at the end."""

    report: Report
    at: datetime
    source: str
    head: tuple[int, str] | None
    """Number and hash of the last audit line that it includes; None if the log is empty."""
    rows: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        from bot.cli.audit_formats import csv_row

        if self.report.format == "csv":
            typer.echo(csv_row(_columns(self.report.what)))
            return
        head = f"{self.head[0]}:{self.head[1]}" if self.head else None
        about = {"report": self.report.what, "at": _iso(self.at), "source": self.source, "head": head}
        typer.echo(json.dumps(about)[:-1] + ', "rows": [', nl=False)

    def add(self, row: "Row") -> None:
        """Print one row."""
        from bot.cli.audit_formats import csv_row, json_row

        cells: list[Cell] = [getattr(row, name) for name in _columns(self.report.what)]
        if self.report.format == "csv":
            typer.echo(csv_row([" ".join(cell) if isinstance(cell, tuple) else cell for cell in cells]))
        else:
            named = dict(zip(_columns(self.report.what), cells, strict=True))
            typer.echo(f"{',' if self.rows else ''}\n{json_row(named)}", nl=False)
        self.rows += 1

    def end(self) -> None:
        """Print the end of the report, and the summary."""
        if self.report.format == "json":
            typer.echo("\n]}")
        noun = self.report.what if self.rows != 1 else self.report.what.removesuffix("s")
        line = f" The last line of the audit log then was {self.head[0]}:{self.head[1]}." if self.head else ""
        typer.echo(f"{self.rows} {noun} at {_iso(self.at)}, from {self.source}.{line}", err=True)


def _columns(what: What) -> tuple[str, ...]:
    from bot.domain.reports.rows import KeyRow, RequestRow

    return tuple(each.name for each in dataclasses.fields(KeyRow if what == "keys" else RequestRow))


async def _on_record(store: "Store", what: What) -> "AsyncIterator[Row | None]":
    """Yield a row for each record as it is now, ordered by ID; None for a record that is left out."""
    from bot.domain.reports.rows import request_row

    page: list[Request] = []
    async for _, stored in store.requests.every():
        if stored is None:
            yield None
        elif what == "requests":
            yield request_row(stored.value)
        else:
            page.append(stored.value)
        if len(page) >= AT_ONCE:
            for row in await _key_rows(store.keeps, page):
                yield row
            page = []
    for row in await _key_rows(store.keeps, page):
        yield row


async def _key_rows(keeps: "Keeps", page: "list[Request]") -> "list[KeyRow]":
    from bot.domain.reports.rows import key_row
    from bot.domain.requests import Keyed

    kept = await keeps.kept([each.key.id for each in page if isinstance(each, Keyed)])
    rows = (key_row(each, kept) for each in page)
    return [row for row in rows if row is not None]


async def _told(store: "Store", report: Report, at: datetime) -> "Ledger":
    """The audit log's content: archive files and the store, verified to be one chain from line 1.

    Raises `StartupError` if lines are missing, `Tampered` if the files belong to another log, and `TryAgain` if an
    archive moves lines meanwhile.
    """
    from bot.domain.errors import Tampered
    from bot.domain.reports.ledger import Ledger
    from bot.settings import StartupError, TryAgain

    ledger = Ledger(at, keys_only=report.what == "keys")
    base = await store.audit.begins()
    seq, hash_ = _of_files(report.files, ledger)
    if seq < base.seq:
        after = f"after line {seq} " if seq else ""
        lines = f"Lines {seq + 1} to {base.seq} of the audit log {after}were moved to archive files."
        raise StartupError(f"{lines} Name these files, in order, after the options.")
    if (seq == base.seq and hash_ != base.hash) or seq > store.audit.head.seq:
        raise Tampered(_ANOTHER)
    last = seq
    async for line in store.audit.proven():
        if line["seq"] == seq and line["hash"] != hash_:
            raise Tampered(_ANOTHER)
        if line["seq"] == last + 1:  # the store may still have lines of the files, after a restored backup
            ledger.take(line)
            last += 1
    if last != store.audit.head.seq:
        raise TryAgain("Lines were moved to an archive file in the meantime. Run it again, with that file.")
    return ledger


_ANOTHER = "The last line of the files isn't in this audit log."


def _of_files(files: Iterable[Path], ledger: "Ledger") -> tuple[int, str]:
    """Read the files' lines, which must be one chain from line 1. Returns number and hash of the last line.

    This checks only the chain; the store then proves the line that it ends with. Raises `Tampered` and `StartupError`.
    """
    from bot.domain.errors import Tampered
    from bot.settings import StartupError
    from bot.store.audit.chain import START, Chain, Head, parsed

    chain = Chain(Head())
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in parsed(lines):
                    if wrong := chain.next(line):
                        raise Tampered(f"{file}: line {chain.seq}: {wrong}")
                    ledger.take(line)
        except OSError as error:
            raise StartupError(f"{file} can't be read: {error.strerror}.") from None
    return chain.seq, chain.hash if chain.seq else START


def _moment(text: str | None) -> datetime | None:
    """The time that the option means, in UTC: a date means its end. None means now."""
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("use a date such as 2026-09-30, or a date and time", param_hint="--at") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > now:
        raise typer.BadParameter("it must not be in the future", param_hint="--at")
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}|\d{8}", text):
        return min(datetime.combine(at.date(), time.max, UTC), now)
    return at.astimezone(UTC)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
