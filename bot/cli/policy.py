"""`latchkey policy`: look at the policy file. Exit codes: 0 all is well, 1 something was found, 2 it cannot be read.

What a command needs is imported inside it, as in `bot.cli.main`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli import terminal
from bot.cli.explain import explain, snapshot, who_can_approve
from bot.cli.terminal import complete, fail

if TYPE_CHECKING:
    from bot.policyfile import Finding, PolicyFile
    from bot.settings import Settings

app = typer.Typer(help="The policy file.", no_args_is_help=True)
app.command()(explain)
app.command()(who_can_approve)
app.command()(snapshot)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="A policy file; LATCHKEY_POLICY if omitted.")] = None,
    *,
    online: Annotated[
        bool, typer.Option("--online", help="Also look up its IDs in Slack and Confluent Cloud.")
    ] = False,
) -> None:
    """Check a policy file for errors and warnings.

    Exits with 0 if there are only warnings.
    """
    from bot.policyfile import check as examine

    read = _read(file)
    findings = examine(read)
    if online:
        findings = sorted([*findings, *complete(_looked_up(terminal.settings(), read))], key=lambda each: each.line)
    for each in findings:
        typer.echo(each.written(read.name))
    if any(not each.is_warning for each in findings):
        raise typer.Exit(1)
    looked = "; its IDs exist in Slack and Confluent Cloud" if online else ""
    rules = "1 rule" if read.rules == 1 else f"{read.rules} rules"
    typer.echo(f"{read.name}: valid ({rules} of its own, digest {read.policy.digest}){looked}.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    import json

    from bot.policyfile import schema as made

    typer.echo(json.dumps(made(), indent=2, ensure_ascii=False))


def _read(file: Path | None) -> "PolicyFile":
    """The policy file that is meant. Ends the program where there is none, or it does not read well."""
    from bot.policyfile import PolicyError, read
    from bot.settings import policy_settings

    path, channel = policy_settings()
    path = file or path
    if path is None:
        fail("No policy file given. Name one, or set LATCHKEY_POLICY.")
    try:
        return read(path, default_channel=channel)
    except PolicyError as error:
        fail(str(error))


async def _looked_up(settings: "Settings", file: "PolicyFile") -> "list[Finding]":
    from bot.cli.staffing import check_people
    from bot.connections import connected
    from bot.diagnosis.policy_ids import look_up
    from bot.domain.errors import LatchkeyError
    from bot.settings import StartupError
    from bot.slack.api.people import SlackPeople
    from bot.store.moments import utc_now

    try:
        async with connected(settings, utc_now) as world:
            found = await look_up(world.slack, world.workspace, world.cloud, file)
            people, tenant = SlackPeople(world.slack), world.workspace.tenant
            return [*found, *await check_people(world.cloud, people, tenant, file, utc_now())]
    except LatchkeyError as error:
        raise StartupError(f"Not everything could be looked up: {error}") from None
