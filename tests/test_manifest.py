"""The manifest is one that Slack takes, in both modes, and asks for no more than it must."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from bot.cli.main import app
from tests.support.contract import loaded, problems

ROOT = Path(__file__).parents[1]
FIELDS = loaded("manifest")
EVENTS = "https://latchkey.example.com/slack/events"


def printed(*args: str) -> Any:
    result = CliRunner().invoke(app, ["manifest", *args])
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout)


def urls(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for inner in value.values():
                yield from urls(inner)
        case list():
            for inner in value:
                yield from urls(inner)
        case str() if value.startswith("http"):
            yield value


@pytest.mark.parametrize("args", [[], ["--http", "https://latchkey.example.com"]])
def test_slack_takes_it(args: list[str]) -> None:
    assert printed()["_metadata"]["major_version"] == 2
    assert problems(FIELDS, printed(*args)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"display_information": {}},
        {"display_information": {"name": "x" * 36}},
        {"settings": {"interactivity": {"is_enabled": "yes"}}},
        {"settings": {"events": {}}},
        {"features": {"slash_commands": []}},
        {"features": {"shortcuts": [{"name": "x", "type": "other", "callback_id": "x", "description": "x"}]}},
        {"features": {"slash_commands": [{"command": "apikey", "description": "x"}]}},
    ],
)
def test_the_check_can_tell(wrong: dict[str, Any]) -> None:
    assert len(problems(FIELDS, printed() | wrong)) == 1


def test_it_prints_the_file_as_it_is() -> None:
    text = CliRunner().invoke(app, ["manifest"]).stdout

    assert text == (ROOT / "app-manifest.yml").read_text("utf-8")


def test_it_asks_for_no_more_than_it_must() -> None:
    assert printed()["oauth_config"] == {
        "scopes": {
            "bot": [
                "commands",
                "chat:write",
                "users:read",
                "users:read.email",
                "usergroups:read",
                "channels:read",
                "groups:read",
            ]
        }
    }


def test_names_that_others_rely_on() -> None:
    features = printed()["features"]

    assert [(command["command"], command["should_escape"]) for command in features["slash_commands"]] == [
        ("/apikey", True)
    ]
    assert [(shortcut["name"], shortcut["callback_id"]) for shortcut in features["shortcuts"]] == [
        ("Create an API key", "apikey:create"),
        ("Report a leaked API key", "apikey:leaked"),
    ]


def test_the_hint_names_every_subcommand_that_is_answered() -> None:
    (command,) = printed()["features"]["slash_commands"]
    hinted = {each.split()[0] for each in command["usage_hint"].strip("[]").split(" | ")}
    listener = (ROOT / "handlers" / "commands.py").read_text("utf-8")
    cases = re.findall(r"^ *case (.+):$", listener, flags=re.MULTILINE)

    assert hinted == {verb for case in cases for verb in re.findall(r'"(\w+)"', case)}


def test_everything_that_slack_sends_has_its_place_in_the_manifest() -> None:
    code = "\n".join(each.read_text("utf-8") for each in (ROOT / "handlers").glob("*.py"))
    events = set(re.findall(r'@app\.event\("(\w+)"\)', code))

    assert events == set(printed()["settings"]["event_subscriptions"]["bot_events"])


def test_socket_mode_has_no_address() -> None:
    manifest = printed()

    assert manifest["settings"]["socket_mode_enabled"] is True
    assert list(urls(manifest)) == []


@pytest.mark.parametrize("base", ["https://latchkey.example.com", "https://latchkey.example.com/", EVENTS])
def test_http_mode_has_every_address(base: str) -> None:
    manifest = printed("--http", base)
    settings = manifest["settings"]

    assert settings["socket_mode_enabled"] is False
    assert settings["event_subscriptions"]["request_url"] == EVENTS
    assert settings["interactivity"] == {
        "is_enabled": True,
        "request_url": EVENTS,
        "message_menu_options_url": EVENTS,
    }
    assert [command["url"] for command in manifest["features"]["slash_commands"]] == [EVENTS]
    assert set(urls(manifest)) == {EVENTS}


@pytest.mark.parametrize("base", ["http://latchkey.example.com", "latchkey.example.com", "https://", "https://a/?b"])
def test_slack_calls_https_only(base: str) -> None:
    result = CliRunner().invoke(app, ["manifest", "--http", base])

    assert result.exit_code == 2
    assert "https://" in result.stderr
