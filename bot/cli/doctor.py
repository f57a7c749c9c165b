"""`latchkey doctor`.

Its imports are inside the functions, as in `bot.cli.main`.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.terminal import complete

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.diagnosis.findings import Finding

SETTINGS = 2
"""The exit code if the settings are invalid."""


def doctor(*, json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Check settings, Slack, Confluent Cloud, the store and the policy, and suggest fixes.

    Changes nothing. Exit codes: 0 nothing failed (there may be warnings), 1 a check failed, 2 the settings are invalid,
    75 a check couldn't run now; try again later.
    """
    from bot.diagnosis.findings import exit_code

    found, code = _examined()
    _print(found, json=json)
    raise typer.Exit(exit_code(found) if code is None else code)


def _examined() -> "tuple[Sequence[Finding], int | None]":
    from bot import logs
    from bot.diagnosis import process
    from bot.diagnosis.examine import examine
    from bot.diagnosis.findings import failed
    from bot.settings import SettingsError, load

    try:
        settings = load()
    except SettingsError as error:
        odd = [each for each in process.of_settings() if each.state != "ok"]
        return [*odd, *(failed(process.SETTINGS, problem) for problem in error.problems)], SETTINGS
    logs.configure(settings.log_level)
    return complete(examine(settings)), None


def _print(found: "Sequence[Finding]", *, json: bool) -> None:
    from bot.diagnosis.findings import as_json, as_text

    for line in [as_json(found)] if json else as_text(found):
        typer.echo(line)
