"""`latchkey policy`: checks the policy file. Exit codes: 0 valid, 1 the file is wrong, 2 it can't be checked.

Problems of the file are on standard output, one in each line. Why it can't be checked is on standard error.

Imports are inside the functions, as in `bot.cli.main`.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli import terminal
from bot.cli.explain import AsJson, explain, snapshot, who_can_approve
from bot.cli.terminal import complete, fail
from bot.cli.trials.cases import check_cases
from bot.cli.trials.difference import diff

if TYPE_CHECKING:
    from bot.policyfile import Finding, PolicyFile
    from bot.settings import CloudSettings

app = typer.Typer(help="The policy file.", no_args_is_help=True)
app.command()(explain)
app.command()(who_can_approve)
app.command()(snapshot)
app.command("test")(check_cases)
app.command()(diff)


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="A policy file, - for standard input; LATCHKEY_POLICY if omitted.")
    ] = None,
    *,
    online: Annotated[
        bool, typer.Option("--online", help="Also look up its IDs in Slack and Confluent Cloud.")
    ] = False,
    break_glass: Annotated[bool, typer.Option("--break-glass", help="Also warn if no rule has break_glass.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a policy file for errors and warnings.

    Exits with 0 if there are only warnings, with 1 if the file is wrong, and with 2 if it can't be checked.
    """
    from datetime import UTC, datetime

    from bot.policyfile import PolicyError, without_break_glass
    from bot.policyfile import check as examine

    try:
        read = _read(file)
    except PolicyError as error:
        _say({"valid": False, "problems": list(error.problems)} if as_json else str(error))
        raise typer.Exit(1) from None
    findings = [*examine(read, datetime.now(UTC).date()), *(without_break_glass(read) if break_glass else [])]
    if online:
        findings = sorted([*findings, *_online(read)], key=lambda each: each.line)
    lines = [each.written(read.name) for each in findings]
    is_valid = all(each.is_warning for each in findings)
    if as_json:
        digest = {"digest": read.policy.digest, "rules": read.rules}
        _say({"valid": is_valid, "problems": lines, **digest})
    elif is_valid:
        looked = "; its IDs exist in Slack and Confluent Cloud" if online else ""
        rules = "1 rule" if read.rules == 1 else f"{read.rules} rules"
        lines.append(f"{read.name}: valid ({rules} of its own, digest {read.policy.digest}){looked}.")
    if not as_json:
        _say("\n".join(lines))
    if not is_valid:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    from bot.policyfile import schema as made

    _say(made())


def _say(what: object) -> None:
    """Print text unchanged, and anything else as JSON."""
    import json

    typer.echo(what if isinstance(what, str) else json.dumps(what, indent=2, ensure_ascii=False))


def _read(file: Path | None) -> "PolicyFile":
    """The policy file to check. Ends the program if it can't be read; raises `PolicyError` if it's wrong."""
    from bot.policyfile import PolicyError, parse
    from bot.policyfile.reading import content
    from bot.policyfile.tree import MOST_BYTES
    from bot.settings import policy_settings

    path, channel = policy_settings()
    path = file or path
    if path is None:
        fail("No policy file given. Name one, or set LATCHKEY_POLICY.")
    if path == Path("-"):
        return parse(sys.stdin.buffer.read(MOST_BYTES + 1), default_channel=channel, name="standard input")
    try:
        data = content(path)
    except PolicyError as error:
        fail(str(error))
    return parse(data, default_channel=channel, name=str(path))


def _online(file: "PolicyFile") -> "list[Finding]":
    return complete(_looked_up(terminal.cloud_settings(), file))


async def _looked_up(settings: "CloudSettings", file: "PolicyFile") -> "list[Finding]":
    from html import unescape

    from bot.cli.staffing import check_people
    from bot.connections import opened_clouds
    from bot.diagnosis.policy_ids import look_up
    from bot.domain.errors import LatchkeyError
    from bot.settings import StartupError
    from bot.slack.api.people import SlackPeople
    from bot.store.moments import utc_now

    try:
        async with opened_clouds(settings) as clouds:
            found = await look_up(clouds.slack, clouds.workspace, clouds.cloud, file)
            people, tenant = SlackPeople(clouds.slack), clouds.workspace.tenant
            return [*found, *await check_people(clouds.cloud, people, tenant, file, utc_now())]
    except LatchkeyError as error:
        raise StartupError(f"Not everything could be looked up. {unescape(error.tell)}") from None
