"""A recording: what one rehearsal saw of a Slack and a Confluent Cloud, and which habits of the sandbox it settles.

`tools/recording.py` makes it from a report. Habits that a recording doesn't settle are drawn from the seed.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, get_args

from sandbox.confluent.faults import Expiry
from sandbox.report import foreign_payloads, foreign_seen, foreign_verdicts
from sandbox.slack.manners import DRAWN, Manners
from sandbox.slack.optional import ABSENT_OR_EMPTY, OPTIONAL

FORMAT: Final = 1
LONGEST: Final = 200
"""The most characters of the text about what was recorded."""
HEADER: Final = """\
# What one run of `latchkey rehearse` saw, made by tools/recording.py of its report. Types, counts and words of ours,
# nothing personal. `make sandbox ARGS="--like {file}"` behaves the same.
"""
Shape = str | int | float | bool
_NOT_SEEN = "not seen"

HABITS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "slack.late-ack": ("acks", {"TRUE": "always late", "FALSE": "at once"}),
    "slack.acked-external-id": ("acked_external_id", {"TRUE": "adopted", "FALSE": "ignored"}),
    "slack.redrawn-input": ("input", {"TRUE": "sticks", "FALSE": "as shown"}),
    "slack.untouched-menu": ("untouched_menu", {"TRUE": "absent", "FALSE": "in the state"}),
    "slack.echo-escaped": ("echo", {"TRUE": "escaped", "FALSE": "as sent"}),
    "slack.metadata-unescaped": ("metadata", {"TRUE": "as sent", "FALSE": "escaped"}),
}
"""The habit of Slack that each entry settles, and its value by the verdict."""
SWITCHES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "confluent.bindings-below": ("crn_patterns", {"TRUE": "with all below", "FALSE": "exact, or below"}),
    "confluent.keys-for-users": ("user_keys", {"TRUE": "allowed", "FALSE": "refused"}),
}
"""The same for Confluent Cloud's switches."""
BY_SHAPE: Final = frozenset(
    {
        "slack.suggestion-state",
        "slack.response-url-answer",
        "slack.is-member",
        "confluent.expires-at",
        "confluent.zero-expiry",
    }
)
"""Entries that need more than their verdict to settle a habit."""
FIXED: Final[Mapping[str, str]] = {
    "slack.block-id-echo": "TRUE",
    "slack.state-of-the-page-before": "FALSE",
    "slack.new-ids-are-fresh": "TRUE",
    "slack.response-url-html": "FALSE",
    "slack.delete-ephemeral": "TRUE",
    "confluent.own-account": "TRUE",
    "confluent.key-reads-back": "TRUE",
    "confluent.expiry-rounded": "FALSE",
    "confluent.gone-is-403": "TRUE",
}
"""What the sandbox always does."""
OF_THE_PERSON: Final = frozenset({"slack.grid-user", "slack.grid-ids", "slack.email-confirmed"})
"""What depends on who rehearses; in the sandbox, on whose client you use."""


class NotARecording(ValueError):
    """The file isn't a recording. The text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Verdicts by entry, shapes by step, and types by payload and field, as in the report."""

    against: str
    verdicts: Mapping[str, str]
    seen: Mapping[str, Mapping[str, Shape]]
    payloads: Mapping[str, Mapping[str, list[str]]]

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a recording. Raises `NotARecording`."""
        try:
            found = tomllib.loads(file.read_text("utf-8"))
        except OSError as error:
            raise NotARecording(f"{file} can't be read: {error.strerror}.") from None
        except ValueError:
            raise NotARecording(f"{file} isn't TOML. tools/recording.py makes a recording from a report.") from None
        if found.keys() != {"format", "against", "verdicts", "seen", "payloads"}:
            raise NotARecording(f"{file} isn't a recording. tools/recording.py makes one from a report.")
        if found["format"] != FORMAT or not isinstance(found["against"], str):
            raise NotARecording(f"{file} is from another version of the sandbox. Make it again from its report.")
        parts = found["verdicts"], found["seen"], found["payloads"]
        wrong = foreign_verdicts(parts[0]) + foreign_seen(parts[1]) + foreign_payloads(parts[2])
        if wrong:
            raise NotARecording(f"{file} has something that doesn't belong in a recording, in {wrong[0]}.")
        return cls(found["against"], *parts)

    def text(self, file: Path) -> str:
        """The content of the file, in TOML. `file` is the path to name in it."""
        lines = [HEADER.format(file=file), f"format = {FORMAT}", f"against = {json.dumps(self.against)}"]
        verdicts = {name: verdict for name, verdict in self.verdicts.items() if verdict != _NOT_SEEN}
        lines += _table("verdicts", verdicts)
        lines += ["\n[seen]"] if not self.seen else []
        lines += [line for step, shapes in self.seen.items() for line in _table(f"seen.{json.dumps(step)}", shapes)]
        lines += ["\n[payloads]"] if not self.payloads else []
        lines += [line for kind, fields in self.payloads.items() for line in _table(f"payloads.{kind}", fields)]
        return "\n".join(lines) + "\n"

    def habits(self) -> dict[str, str]:
        """The habits of Slack that this settles, with their values."""
        found = self._by_verdict(HABITS) | {
            "suggestion_state": self._suggestion_state(),
            "response_url": self._answers(),
            "is_member": self._is_member(),
            "team": self._team(),
        }
        return {name: value for name, value in found.items() if value}

    def switches(self) -> dict[str, str]:
        """The switches of Confluent Cloud that this settles, with their values."""
        noted = self.seen.get("confluent.expires-at", {}).get("answer")
        answer = str(noted) if noted in get_args(Expiry) else ""
        has_zero = self.seen.get("confluent.own-key", {}).get("expires_at") == "zero value"
        found = self._by_verdict(SWITCHES) | {"expires_at": "zero" if has_zero and answer == "ignored" else answer}
        return {name: value for name, value in found.items() if value}

    def left_out(self) -> dict[tuple[str, str], bool]:
        """By type of payload and field, whether Slack always leaves it out (True) or never does (False)."""
        found: dict[tuple[str, str], bool] = {}
        for kind, fields in self.payloads.items():
            for path, types in fields.items():
                only_empty = path in ABSENT_OR_EMPTY.get(kind, ())
                if path not in OPTIONAL.get(kind, ()) and not only_empty:
                    continue
                told = {each == "absent" for each in types if not only_empty or each.startswith(("absent", "empty"))}
                if len(told) == 1:
                    found[kind, path] = told.pop()
        return found

    def not_played(self) -> list[str]:
        """What was seen and the sandbox can't do, one line each."""
        other = [
            f"{entry} is {self.verdicts[entry]}"
            for entry, always in FIXED.items()
            if self.verdicts.get(entry, _NOT_SEEN) not in {always, _NOT_SEEN}
        ]
        plays_zero = self.switches().get("expires_at") == "zero"
        if self.verdicts.get("confluent.zero-expiry") == "TRUE" and not plays_zero:
            other.append("confluent.zero-expiry is TRUE")
        return other

    def settle(self, manners: Manners) -> None:
        """Set the habits of Slack that this settles."""
        for name, value in self.habits().items():
            manners.set(name, value)
        manners.left_out = self.left_out()

    def _by_verdict(self, table: Mapping[str, tuple[str, Mapping[str, str]]]) -> dict[str, str]:
        return {name: values.get(self.verdicts.get(entry, ""), "") for entry, (name, values) in table.items()}

    def _suggestion_state(self) -> str:
        state = str(self.seen.get("slack.suggestion-state", {}).get("state", ""))
        return {"whole": "whole", "empty": "empty", "stale": "stale", "not always the same": DRAWN}.get(state, "")

    def _answers(self) -> str:
        noted = self.seen.get("slack.response-url-answer", {})
        words = {"ok": "ok", "JSON ok true": "JSON"}
        return _one_or_drawn(words.get(str(shape)) for name, shape in noted.items() if name.endswith(".body"))

    def _is_member(self) -> str:
        words = {"absent": "absent", "boolean true": "there", "boolean false": "there"}
        noted = self.seen.get("slack.channel-info", {})
        return _one_or_drawn(words.get(str(shape)) for name, shape in noted.items() if name.endswith(".is_member"))

    def _team(self) -> str:
        types = {each for fields in self.payloads.values() for each in fields.get("team", ())}
        return _one_or_drawn({"object": "there", "null": "null", "absent": "null"}.get(each) for each in types)


def _one_or_drawn(values: Iterable[str | None]) -> str:
    """The only value, or `DRAWN` if there are several; "" if the sandbox has no word for one of them."""
    found = set(values)
    if None in found or not found:
        return ""
    return str(found.pop()) if len(found) == 1 else DRAWN


def _table(name: str, lines: Mapping[str, object]) -> list[str]:
    # JSON's strings, numbers, booleans and lists are also valid TOML.
    return [f"\n[{name}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in lines.items())]
