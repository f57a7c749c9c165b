"""What a rehearsal found: a verdict for each claim in the evidence, and the shapes of values, never the values."""

import builtins
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from bot.domain import errors

Verdict: TypeAlias = Literal["TRUE", "FALSE", "not seen"]
Shape: TypeAlias = str | int | float | bool | None
"""A word from this code, a count or a boolean. Never text from Slack, Confluent or a person."""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of docs/evidence.toml: its ID, the step that settles it, and its claim."""

    entry: str
    step: str
    claim: str


LINES: Final = (
    Line("slack.suggestion-state", "slack.suggestion-state", "A request for options carries an empty or old state."),
    Line("slack.block-id-echo", "slack.suggestion-state", "A request for options names the block as it was sent."),
    Line("slack.untouched-menu", "slack.untouched-menu", "The state leaves out a menu that nobody touched."),
    Line("slack.echo-escaped", "slack.echo", "Slack sends &, < and > back escaped in blocks."),
    Line("slack.metadata-unescaped", "slack.redrawn-input", "Slack sends private_metadata back as it was sent."),
    Line(
        "slack.redrawn-input",
        "slack.redrawn-input",
        "A field that returns under its old block id keeps what was typed.",
    ),
    Line("slack.state-of-the-page-before", "slack.redrawn-input", "A submit can carry the state of the page before."),
    Line("slack.new-ids-are-fresh", "slack.redrawn-input", "A field under a new block id shows its new text."),
    Line("slack.acked-external-id", "slack.late-ack", "Slack adopts the external_id of an answer's page."),
    Line("slack.late-ack", "slack.late-ack", "The page in an answer can land after a later views.update."),
    Line("slack.response-url-answer", "slack.response-url-answer", "A response_url answers success with text or JSON."),
    Line("slack.response-url-html", "slack.response-url-answer", "A proxy answers with a web page in place of Slack."),
    Line("slack.delete-ephemeral", "slack.ephemeral-delete", "delete_original removes an ephemeral message."),
    Line("slack.ephemeral-by-click", "slack.ephemeral-delete", "Only a click in an ephemeral message can delete it."),
    Line("slack.reply-rings", "slack.reply-rings", "Replies in a DM thread notify people who don't follow it."),
    Line("slack.context-mention", "slack.context-mention", "A mention in a context block notifies no one."),
    Line("slack.used-address", "slack.socket-goodbye", "Slack refuses a Socket Mode address used before."),
    Line("slack.grid-user", "slack.users-info", "users.info has another team_id than this workspace's, or none."),
    Line("slack.grid-ids", "slack.users-info", "A Grid member has the same id in clicks and in users.info."),
    Line("slack.email-confirmed", "slack.users-info", "users.info says is_email_confirmed: true."),
    Line("slack.is-member", "slack.channel-info", "conversations.info leaves out is_member, or hides the channel."),
    Line("slack.link-disabled", "slack.socket-goodbye", "Slack says link_disabled where Socket Mode is off."),
    Line("slack.newer-blocks", "slack.newer-blocks", "Every workspace accepts alert and table blocks."),
    Line("slack.org-wide", "slack.auth-test", "auth.test tells whether an installation is org-wide."),
    Line("confluent.own-account", "confluent.own-key", "Latchkey's own key can be read by its id, or in the list."),
    Line("confluent.bindings-below", "confluent.bindings", "A pattern ending in /* lists the place's own bindings."),
    Line("confluent.keys-for-users", "confluent.key-for-user", "Latchkey's key can create keys for other users."),
    Line("confluent.key-reads-back", "confluent.key-for-user", "A new key can be read by id and is in the list."),
    Line("confluent.expires-at", "confluent.expires-at", "Confluent accepts expires_at when a key is created."),
    Line("confluent.expiry-rounded", "confluent.expires-at", "expires_at comes back rounded."),
    Line("confluent.expired-key-is-gone", "confluent.expires-at", "An expired key is not shown, or can be deleted."),
    Line("confluent.gone-is-403", "confluent.key-absent", "Reading a deleted key answers 403."),
    Line(
        "confluent.forbidden-is-not-pending", "confluent.probe", "A lasting 403 means that the owner has no role yet."
    ),
    Line("slack.ends-after-hello", "slack.socket-goodbye", "Slack may end a connection soon after hello."),
    Line(
        "confluent.marked-keys-have-owners", "confluent.key-for-user", "A key with Latchkey's marker names its owner."
    ),
    Line("confluent.cloud-key-without-resource", "confluent.key-for-user", "A Cloud key may name no resource."),
    Line("confluent.zero-expiry", "confluent.expires-at", "A key that doesn't expire may carry a zero value."),
    Line("confluent.ip-filter", "confluent.probe", "An IP filter can reject a good key."),
    Line("confluent.renamed-by-admins", "confluent.probe", "Only admins of an environment can rename it."),
    Line("confluent.cluster-listed-when", "confluent.probe", "A new cluster is listed as soon as it can have a key."),
    Line("around.github-token-hash", "around.github-partner", "GitHub takes token_hash in hexadecimal."),
    Line("around.github-repeats", "around.github-partner", "GitHub repeats a report that wasn't answered with 200."),
    Line("around.github-confluent-keys", "around.github-partner", "GitHub tells companies of their Confluent keys."),
)
NOT_SETTLED: Final[Mapping[str, str]] = {
    "slack.newer-blocks": "not settled by rehearse: it doesn't draw any; the log says where Slack doesn't accept them",
    "slack.link-disabled": "not settled by rehearse: someone would have to turn off Socket Mode meanwhile",
    "slack.ephemeral-by-click": "not settled by rehearse: it never tries to delete a message that no one clicked in",
    "slack.reply-rings": "not settled by rehearse: only a person hears whether Slack notifies",
    "slack.context-mention": "not settled by rehearse: only a person hears whether Slack notifies",
    "slack.used-address": "not settled by rehearse: Latchkey never connects with a used address",
    "slack.org-wide": "not settled by rehearse: it needs an org-wide installation, and Latchkey refuses those",
    "confluent.expired-key-is-gone": "not settled by rehearse: it would have to wait for a key to expire",
    "confluent.forbidden-is-not-pending": "not settled by rehearse: it needs an owner without rights, and many minutes",
    "slack.ends-after-hello": "not settled by rehearse: the app would need ten other connections",
    "confluent.marked-keys-have-owners": "not settled by rehearse: it sees one key, and the claim is about all keys",
    "confluent.cloud-key-without-resource": "not settled by rehearse: it creates no Cloud key",
    "confluent.renamed-by-admins": "not settled by rehearse: it renames nothing",
    "confluent.cluster-listed-when": "not settled by rehearse: it creates no cluster",
    "confluent.ip-filter": "not settled by rehearse: it needs an IP filter",
    "around.github-token-hash": "not settled by rehearse: it takes no reports of GitHub",
    "around.github-repeats": "not settled by rehearse: it takes no reports of GitHub",
    "around.github-confluent-keys": "not settled by rehearse: it takes no reports of GitHub",
}
"""Entries of the evidence that a rehearsal can't settle, and why."""
STEPS: Final = frozenset(line.step for line in LINES if line.entry not in NOT_SETTLED)
_PLACE: Final = ("enterprise", "is_enterprise_install", "team", "team.id", "team.enterprise_id", "team.enterprise_name")
_USER: Final = ("token", "user.id", "user.username", "user.team_id")
_VIEW: Final = (
    "response_urls",
    "view.clear_on_close",
    "view.hash",
    "view.notify_on_close",
    "view.previous_view_id",
    "view.private_metadata",
    "view.state.values",
)
PAYLOADS: Final[Mapping[str, tuple[str, ...]]] = {
    "slash_command": ("api_app_id", "enterprise_id", "enterprise_name", "is_enterprise_install", "team_id"),
    "block_actions": (*_PLACE, *_USER, "response_url", "state", "view.hash"),
    "block_suggestion": (*_PLACE, *_USER, "block_id", "container", "view.hash"),
    "view_submission": (*_PLACE, *_USER, *_VIEW),
    "view_closed": (*_PLACE, *_USER, *_VIEW, "is_cleared"),
}
"""The fields to report of each type of payload: those that Slack may leave out, or that show a Grid."""
ERRORS: Final = frozenset(
    name
    for module in (builtins, errors)
    for name, each in vars(module).items()
    if isinstance(each, type) and issubclass(each, Exception)
)
"""The names of errors that the report may contain."""


@dataclass(slots=True)
class Findings:
    """Verdicts by entry, shapes by step, and what Latchkey can't handle."""

    verdicts: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    seen: dict[str, dict[str, Shape]] = field(default_factory=dict[str, dict[str, Shape]])
    unhandled: set[str] = field(default_factory=set[str])
    payloads: dict[str, dict[str, set[str]]] = field(default_factory=dict[str, dict[str, set[str]]])
    """The types that each field had, by the type of payload."""
    failed: list[str] = field(default_factory=list[str])
    """The names of errors that ended a step."""
    is_interrupted: bool = False

    def judge(self, entry: str, claim_holds: bool, *, handled: bool = True) -> None:  # noqa: FBT001 - it is the verdict
        """Record whether an entry's claim holds; `handled` is whether Latchkey works anyway."""
        self.verdicts[entry] = "TRUE" if claim_holds else "FALSE"
        if handled:
            self.unhandled.discard(entry)
        else:
            self.unhandled.add(entry)

    def note(self, step: str, **shapes: Shape) -> None:
        """Record shapes that a step saw."""
        self.seen.setdefault(step, {}).update(shapes)

    def note_payload(self, kind: str, payload: Mapping[str, object], paths: Iterable[str]) -> None:
        """Record the types of these fields of a payload. Fields inside an absent one aren't recorded."""
        fields = self.payloads.setdefault(kind, {})
        for path in paths:
            *parents, name = path.split(".")
            holder: object = payload
            for parent in parents:
                holder = cast("Mapping[str, object]", holder).get(parent) if isinstance(holder, dict) else None
            if isinstance(holder, dict):
                holding = cast("Mapping[str, object]", holder)
                fields.setdefault(path, set()).add(_type(holding[name]) if name in holding else "absent")

    def lines(self) -> list[str]:
        """The verdict on each entry, for the terminal."""
        return [self._line(each) for each in LINES]

    def write(self, file: Path) -> None:
        """Write the report as JSON, readable only by the operator. Raises `OSError`."""
        report = {
            "format": 1,
            "interrupted": self.is_interrupted,
            "verdicts": {each.entry: self.verdicts.get(each.entry, "not seen") for each in LINES},
            "unhandled": sorted(self.unhandled),
            "failed": self.failed,
            "seen": self.seen,
            "payloads": {
                kind: {path: sorted(types) for path, types in fields.items()} for kind, fields in self.payloads.items()
            },
            "not_settled": dict(NOT_SETTLED),
        }
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            os.fchmod(descriptor, 0o600)
            json.dump(report, target, indent=2)
            target.write("\n")

    def _line(self, line: Line) -> str:
        verdict = self.verdicts.get(line.entry, "not seen")
        why = f" ({NOT_SETTLED[line.entry]})" if line.entry in NOT_SETTLED else ""
        trouble = " Latchkey can't handle this: please report it." if line.entry in self.unhandled else ""
        return f"{verdict:8}  {line.entry}: {line.claim}{why}{trouble}"


def shapes(found: Mapping[str, object], names: Iterable[str]) -> dict[str, Shape]:
    """The shapes of the named fields. No other names and no values are included."""
    return {name: _shape(found[name]) if name in found else "absent" for name in names}


def error_name(error: Exception) -> str:
    """The closest class of an error that Python or Latchkey defines."""
    return next(each.__name__ for each in type(error).__mro__ if each.__name__ in ERRORS)


def _shape(value: object) -> str:
    """The type of a value, with a boolean's value and a list's length."""
    match value:
        case bool():
            return f"boolean {str(value).lower()}"
        case list():
            return f"list of {len(value)}"  # pyright: ignore[reportUnknownArgumentType]
        case dict():
            return "object"
        case _:
            return _type(value)


def _type(value: object) -> str:
    """The type of a value, and whether it's empty."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string" if value else "empty string"
        case list():
            return "list" if value else "empty list"
        case _:
            return "object" if _holds(value) else "empty object"


def _holds(value: object) -> bool:
    return any(map(_holds, cast("Mapping[str, object]", value).values())) if isinstance(value, dict) else bool(value)
