"""What installing the app added to the workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sandbox.slack.blocks import Json

SCOPES = frozenset(
    {
        "commands",
        "chat:write",
        "im:write",
        "users:read",
        "users:read.email",
        "usergroups:read",
        "channels:read",
        "groups:read",
    }
)


@dataclass(frozen=True, slots=True)
class InstalledApp:
    """What the app's manifest registered in the workspace: its commands, shortcuts and bot scopes."""

    commands: tuple[Json, ...] = (
        {
            "command": "/apikey",
            "description": "Manage Confluent Cloud API keys",
            "usage_hint": "create | list | show | edit | rotate | delete | requests | whoami | help",
        },
    )
    shortcuts: tuple[Json, ...] = (
        {
            "name": "Create an API key",
            "callback_id": "apikey:create",
            "description": "Request a Confluent Cloud API key",
        },
    )
    scopes: frozenset[str] = SCOPES
    message_shortcuts: tuple[Json, ...] = (
        {
            "name": "Report a leaked API key",
            "callback_id": "apikey:leaked",
            "description": "Tell the people who can rotate or delete it",
        },
    )
    """Shortcuts in the menu of every stored message."""

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Read a parsed app manifest, as Slack does at installation."""
        features = manifest.get("features", {})
        commands = tuple(
            {"command": each["command"], "description": each["description"], "usage_hint": each.get("usage_hint", "")}
            for each in features.get("slash_commands", [])
        )
        scopes = frozenset(manifest["oauth_config"]["scopes"]["bot"])
        return cls(commands, _shortcuts(features, "global"), scopes, _shortcuts(features, "message"))


def _shortcuts(features: Mapping[str, Any], kind: str) -> tuple[Json, ...]:
    return tuple(
        {"name": each["name"], "callback_id": each["callback_id"], "description": each["description"]}
        for each in features.get("shortcuts", [])
        if each["type"] == kind
    )
