"""The command line.

Exit codes: 0 success, 1 a check failed, 2 the settings or the environment are unusable, 75 try again later.

Imports are inside the commands, so that `latchkey --help` answers at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli import audit, policy, report, terminal
from bot.cli.doctor import doctor
from bot.cli.terminal import Team, complete

if TYPE_CHECKING:
    from bot.settings import Settings

app = typer.Typer(
    help="Latchkey: Confluent Cloud API keys, requested and approved in Slack.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables
    rich_markup_mode=None,  # loading rich would take longer than everything else in `--help`
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 -- as typer calls it
    if wanted:
        from bot import installed

        typer.echo(f"latchkey {installed.version()}")
        raise typer.Exit


@app.callback()
def latchkey(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Latchkey: Confluent Cloud API keys, requested and approved in Slack."""


app.add_typer(audit.app, name="audit")
app.add_typer(policy.app, name="policy")
app.add_typer(report.app, name="report")
app.command()(doctor)


@app.command()
def run() -> None:
    """Run the bot until SIGTERM or SIGINT (Ctrl-C).

    It finishes what it's doing. A second signal stops it immediately.
    """
    complete(_until_stopped(terminal.settings(feed=True)))


@app.command()
def rehearse(
    confluent: Annotated[
        str,
        typer.Option(metavar="ENV/CLUSTER", help="Also create and delete one personal API key, after asking you."),
    ] = "",
    report: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the report.")] = Path("rehearsal.json"),
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="How long each step waits for you.")] = 300,
) -> None:
    """Check step by step how your Slack and Confluent Cloud behave.

    Run it instead of the bot. It cleans up after itself.
    """
    raise typer.Exit(complete(_rehearsed(terminal.settings(), report, confluent, wait)))


@app.command()
def keygen() -> None:
    """Print a fresh master key for LATCHKEY_MASTER_KEYS."""
    from bot.store.sealing import new_master_key

    typer.echo(new_master_key())


@app.command()
def reseal(team: Team = "") -> None:
    """Reseal all stored data with the first of LATCHKEY_MASTER_KEYS, so that the others can be removed.

    Bots can keep running. If it's interrupted, run it again.
    """
    settings = terminal.store_settings()
    from bot.app import reseal as seal_again

    raise typer.Exit(complete(seal_again(settings, team)))


@app.command()
def manifest(
    http: Annotated[
        str | None,
        typer.Option(metavar="URL", help="For HTTP mode: the URL where Slack can reach this bot, https://HOST[/PATH]."),
    ] = None,
) -> None:
    """Print the manifest of the Slack app.

    It's for Socket Mode, unless --http is given.
    """
    here = Path(__file__).parents[1]
    places = (here / "app-manifest.yml", here.parent / "app-manifest.yml")  # in a wheel, or in a checkout
    text = next(place for place in places if place.is_file()).read_text("utf-8")
    typer.echo(text if http is None else _for_http(text, http), nl=False)


async def _until_stopped(settings: "Settings") -> None:
    import asyncio
    import gc
    import signal

    from bot.app import run as run_app

    gc.collect()
    gc.freeze()  # modules stay in memory; collecting them again would delay every click by 0.1 s
    stop, loop, signals = asyncio.Event(), asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)

    def ask_to_stop() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, ask_to_stop)
    await run_app(settings, stop)


async def _rehearsed(settings: "Settings", report: Path, confluent: str, wait: float) -> int:
    from bot.rehearsal.console import Terminal
    from bot.rehearsal.run import Plan, rehearse

    return await rehearse(settings, Plan(report, confluent, wait), Terminal())  # `Terminal` needs the running loop


def _for_http(text: str, base: str) -> str:
    from urllib.parse import urlsplit

    import yaml

    parts = urlsplit(base)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise typer.BadParameter("Slack needs an address that begins with https://", param_hint="--http")
    url = base.rstrip("/").removesuffix("/slack/events") + "/slack/events"
    content = yaml.safe_load(text)
    for command in content["features"]["slash_commands"]:
        command["url"] = url
    settings = content["settings"]
    settings["socket_mode_enabled"] = False
    settings["event_subscriptions"]["request_url"] = url
    # Without the last one, searchable menus stay empty and Slack shows no error.
    settings["interactivity"] |= {"request_url": url, "message_menu_options_url": url}
    dumped: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return dumped
