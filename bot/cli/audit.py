"""`latchkey audit`: verifies, exports and archives the audit log. Needs only the store and the master keys."""

import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli import terminal
from bot.cli.terminal import Team, complete, fail

if TYPE_CHECKING:
    from bot.settings import StoreSettings
    from bot.store.audit.chain import Verification
    from bot.store.sealing import Sealer

app = typer.Typer(help="The audit log.", no_args_is_help=True)
_LAST = 10**15
"""More lines than any log has, and fewer than Redis can count."""


@app.command()
def verify(
    files: Annotated[
        list[typer.FileText] | None,
        typer.Argument(
            metavar="[FILE]...",
            encoding="utf-8",
            errors="replace",
            help="An export, or archives in order; - is stdin.",
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="N:HASH",
            help="A line noted earlier, from Latchkey's log or its metrics, with at least 13 digits of the hash.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="N:HASH", help="The line before the first one, for an export that starts later."),
    ] = None,
    team: Team = "",
) -> None:
    """Verify the hash chain of files, or of the live log and the records that go with it.

    Verifying files needs no settings. If LATCHKEY_MASTER_KEYS is set, it also checks who wrote each line.
    """
    from itertools import chain

    from bot.domain.errors import counted
    from bot.store.audit.chain import Verification, parsed

    sealer = _sealer()
    walk = Verification(sealer, _noted(head, "--head", 13), _noted(since, "--since", 64))
    if not files:
        if since is not None:
            raise typer.BadParameter("it's only for an export", param_hint="--since")
        wrong = complete(_verified(terminal.store_settings(), team, walk))
    else:
        wrong = next(filter(None, map(walk.take, parsed(chain.from_iterable(files)))), None) or walk.end()
    if wrong:
        typer.echo(wrong, err=True)
        raise typer.Exit(1)
    if not files and not walk.lines and not walk.archived:
        fail(f"This store has no audit log of workspace {team}. Check --team and REDIS_URL.")
    macs = "" if sealer else " Who wrote them wasn't checked: LATCHKEY_MASTER_KEYS is not set."
    begins = f" It begins after line {walk.archived}, which was archived." if walk.archived else ""
    last = f" The last one is {walk.last}." if walk.lines or begins else ""
    typer.echo(f"The chain of {counted(walk.lines, 'line')} is intact.{begins}{last}{macs}")


@app.command()
def export(
    since: Annotated[int | None, typer.Option(metavar="N", min=0, max=_LAST, help="Start after line N.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Keep printing new lines until Ctrl-C.")] = False,  # noqa: FBT002 - as typer wants it
    format_: Annotated[
        Literal["jsonl", "ocsf", "csv"],
        typer.Option("--format", help="jsonl is what verify reads. ocsf and csv leave out reasons and addresses."),
    ] = "jsonl",
    team: Team = "",
) -> None:
    """Print the audit log, except for archived lines."""
    complete(_exported(terminal.store_settings(), team, since, format_, follow=follow))


@app.command()
def archive(
    file: Annotated[Path, typer.Argument(help="The file to write. It must not exist yet.")],
    older_than: Annotated[
        str, typer.Option(metavar="90d", help="Move lines older than this: a number of days (d) or weeks (w).")
    ] = "",
    until: Annotated[int | None, typer.Option(metavar="N", min=1, help="Move lines up to line N.")] = None,
    team: Team = "",
) -> None:
    """Move the oldest lines from the store to a file that verify can read.

    Keep the file safe: it is the only copy of these lines, and it isn't encrypted. Bots can keep running, but versions
    without this command refuse to work afterward.
    """
    from datetime import UTC, datetime

    from bot.cli.archive import archived

    if bool(older_than) == (until is not None):
        raise typer.BadParameter("use either --older-than or --until")
    before = datetime.now(UTC) - _age(older_than) if older_than else None
    typer.echo(complete(archived(terminal.store_settings(), team, file, before=before, until=until)))


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,3})([dw])", text)
    if not found:
        raise typer.BadParameter("it must be a number of days or weeks, like 90d or 26w", param_hint="--older-than")
    return timedelta(**{"days" if found[2] == "d" else "weeks": int(found[1])})


async def _exported(settings: "StoreSettings", team: str, since: int | None, format_: str, *, follow: bool) -> None:
    import asyncio
    import signal

    from bot.app import audit_lines
    from bot.cli.audit_formats import FORMATS

    told, begun = FORMATS[format_]
    if begun and not since:
        typer.echo(begun())
    until = asyncio.Event() if follow else None
    if until is not None:
        # Python's own handler would cancel this task, and a cancellation during a time-out of redis-py gets lost.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, until.set)
    async for line in audit_lines(settings, team, since, until=until):
        if since is None and line["seq"] != 1:
            typer.echo(f"Line {line['seq']} is the first one here: earlier lines were archived.", err=True)
        since = 0
        typer.echo(told(line))
        if until is not None and until.is_set():
            return


async def _verified(settings: "StoreSettings", team: str, walk: "Verification") -> str | None:
    from bot.app import audit_begins, audit_lines, records_problem
    from bot.domain.errors import Archived

    while True:
        base, told = await audit_begins(settings, team)
        if wrong := walk.begin(base.end, told.history, told.has):
            return wrong
        with suppress(Archived):  # archived meanwhile: start over, where the log starts now
            async for line in audit_lines(settings, team, base.seq):
                if wrong := walk.take(line):
                    return wrong
            return walk.end() or await records_problem(settings, team)


def _noted(text: str | None, option: str, digits: int) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, found = text.partition(":")
    if not (re.fullmatch(r"[0-9]{1,15}", number) and re.fullmatch(rf"[0-9a-f]{{{digits},64}}", found)):
        least = "the" if digits == 64 else f"{digits} digits or more of the"  # noqa: PLR2004 - the length of a SHA-256
        raise typer.BadParameter(f"it must be a number, a colon and {least} hash", param_hint=option)
    return int(number), found


def _sealer() -> "Sealer | None":
    from bot.settings import SettingsError, master_keys
    from bot.store.sealing import Sealer, parse_master_keys

    try:
        keys = master_keys()
    except SettingsError as error:
        fail(str(error))
    return Sealer(parse_master_keys(keys.get_secret_value())) if keys else None
