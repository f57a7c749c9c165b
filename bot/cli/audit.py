"""`latchkey audit`: the log, to be verified, and for other systems. Needs the store and the master keys alone."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli import terminal
from bot.cli.terminal import complete, fail

if TYPE_CHECKING:
    from bot.settings import StoreSettings
    from bot.store.audit import Verification
    from bot.store.sealing import Sealer

app = typer.Typer(help="The audit log.", no_args_is_help=True)
_Team = Annotated[
    str, typer.Option(metavar="ID", help="The Slack workspace, where the store holds more than one, or is a cluster.")
]


@app.command()
def verify(
    file: Annotated[
        typer.FileText | None, typer.Argument(encoding="utf-8", errors="replace", help="An export; - is stdin.")
    ] = None,
    head: Annotated[
        str,
        typer.Option(
            metavar="N:HASH",
            help="A line noted earlier, from Latchkey's log or its metrics, with at least 13 digits of the hash.",
        ),
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="N:HASH", help="The line before the first one, for an export that begins later.")
    ] = "",
    team: _Team = "",
) -> None:
    """Check the hash chain of an export, or of the live log and the records that go with it.

    With an export nothing else is needed; if LATCHKEY_MASTER_KEYS is set, it also checks who wrote each line.
    """
    from bot.store.audit import Verification

    sealer = _sealer()
    walk = Verification(sealer, _noted(head, "--head", 13), _noted(since, "--since", 64))
    if file is None:
        if since:
            raise typer.BadParameter("it is for an export", param_hint="--since")
        wrong = complete(_verified(terminal.store_settings(), team, walk))
    else:
        wrong = next(filter(None, map(walk.take, _parsed(file))), None) or walk.end()
    if wrong:
        typer.echo(wrong, err=True)
        raise typer.Exit(1)
    macs = "" if sealer else " Who wrote them wasn't checked: LATCHKEY_MASTER_KEYS is not set."
    last = f" The last one is {walk.last}." if walk.lines else ""
    typer.echo(f"The chain of {walk.lines} lines holds.{last}{macs}")


@app.command()
def export(
    since: Annotated[int, typer.Option(metavar="N", min=0, help="Begin after line N.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Keep printing new lines until Ctrl-C.")] = False,  # noqa: FBT002 - as typer wants it
    format_: Annotated[
        Literal["jsonl", "ocsf", "csv"],
        typer.Option("--format", help="jsonl is what verify reads. ocsf and csv leave out reasons and addresses."),
    ] = "jsonl",
    team: _Team = "",
) -> None:
    """Print the audit log, one line each."""
    complete(_exported(terminal.store_settings(), team, since, format_, follow=follow))


async def _exported(settings: "StoreSettings", team: str, since: int, format_: str, *, follow: bool) -> None:
    import asyncio
    import signal

    from bot.app import audit_lines
    from bot.cli.audit_formats import FORMATS

    told, begun = FORMATS[format_]
    if begun and not since:
        typer.echo(begun())
    until = asyncio.Event() if follow else None
    if until is not None:
        # Not Python's own handler, which cancels this task: a cancellation that meets a time-out of redis-py is lost.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, until.set)
    async for line in audit_lines(settings, team, since, until=until):
        typer.echo(told(line))
        if until is not None and until.is_set():
            return


async def _verified(settings: "StoreSettings", team: str, walk: "Verification") -> str | None:
    from bot.app import audit_lines, records_problem

    async for line in audit_lines(settings, team):
        if wrong := walk.take(line):
            return wrong
    return walk.end() or await records_problem(settings, team)


def _noted(text: str, option: str, digits: int) -> tuple[int, str] | None:
    number, _, found = text.partition(":")
    if text and not (number.isdigit() and re.fullmatch(rf"[0-9a-f]{{{digits},64}}", found)):
        least = "the" if digits == 64 else f"{digits} digits or more of the"  # noqa: PLR2004 - the length of a SHA-256
        raise typer.BadParameter(f"it is a number, a colon and {least} hash", param_hint=option)
    return (int(number), found) if text else None


def _sealer() -> "Sealer | None":
    from bot.settings import SettingsError, master_keys
    from bot.store.sealing import Sealer, parse_master_keys

    try:
        keys = master_keys()
    except SettingsError as error:
        fail(str(error))
    return Sealer(parse_master_keys(keys.get_secret_value())) if keys else None


def _parsed(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    """Each line as an object; one that is none as an empty object, which no check lets pass."""
    import json

    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield value if isinstance(value, dict) else {}
