"""Slack's manners: surprising habits of the real Slack, each of which can be switched.

All randomness comes from one seed, with a separate stream for each habit, so that a run can be repeated.
"""

import asyncio
import copy
import os
import random
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias, TypedDict

from sandbox.slack.blocks import Json, Values, interactive
from sandbox.slack.optional import thinned

DRAWN: Final = "drawn each time"
ONCE: Final = "drawn once"
LONGEST_ACK = 3.0
"""The most seconds until an ack is applied."""


class _Habit(TypedDict):
    label: str
    choices: tuple[str, ...]
    unkind: str


def _habit(label: str, kind: str, *unkind: str, usual: str = "") -> _Habit:
    """A habit: its choices, the kind one first, and the one that the unkind Slack has (by default the last)."""
    return {"label": label, "choices": (kind, *unkind), "unkind": usual or unkind[-1]}


HABITS: Final[Mapping[str, _Habit]] = {
    "suggestion_state": _habit("Form state in a block_suggestion", "whole", "empty", "stale", DRAWN),
    "acks": _habit("When the answer to a submit is applied", "at once", "late", "always late", usual="late"),
    # A real Slack either does it or doesn't. We don't know which, but nothing suggests that it varies.
    "acked_external_id": _habit("external_id of a view in an ack", "adopted", "ignored", ONCE),
    "input": _habit("Input in a view redrawn with the same IDs", "as shown", "sticks"),
    "untouched_menu": _habit("Untouched menu in an actions block", "in the state", "absent"),
    "echo": _habit("What Slack echoes back", "as sent", "escaped"),
    "metadata": _habit("private_metadata echoed back", "as sent", "escaped", usual="as sent"),
    "optional_fields": _habit("Optional payload fields", "there", "absent", DRAWN),
    "team": _habit("team in an interaction", "there", "null", DRAWN),
    "response_url": _habit("Response of a response_url", "ok", "JSON", DRAWN),
    # The real one has been seen to answer `thread_not_found`, and also ok for a reply that nobody sees, or everyone.
    "lost_thread": _habit("Reply to a deleted message", "refused", "posted unseen", "posted in the channel", ONCE),
    "is_member": _habit("is_member in conversations.info", "there", "absent", DRAWN),
}


@dataclass(slots=True)
class Ack:
    """When one answer to a submission is applied: after this many updates of its view, or this many seconds."""

    updates: int = 0
    seconds: float = 0.0
    _applied: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def wait(self) -> None:
        """Wait until it's to be applied."""
        if self.seconds <= 0:
            return
        try:
            async with asyncio.timeout(self.seconds):
                await self._applied.wait()
        except TimeoutError:
            return

    def note_update(self) -> None:
        """Note that the bot updated the view meanwhile."""
        self.updates -= 1
        if self.updates == 0:
            self._applied.set()


AFTER_NEXT_UPDATE: Final = (1, 30.0)
"""For `next_acks`: applied once the bot has updated the view itself, which has to happen."""
Plan: TypeAlias = tuple[int, float]
ALWAYS_LATE: Final[Plan] = (1, 1.0)
"""Applied right after the bot has updated the view itself, or a second later."""


class Manners:
    """The habits of one Slack; by default, the kind ones. `next_acks` says when the next acks are applied.

    `left_out` says for single optional fields, by type of payload and path, whether they're always or never left out,
    until the habit `optional_fields` is set.
    """

    def __init__(self, seed: int = 0, stream: str = "", **habits: str) -> None:
        self.seed, self.stream, self.is_unkind = seed, stream, False
        self.next_acks: list[Plan] = []
        self.left_out: Mapping[tuple[str, str], bool] = {}
        self._habits = {name: habit["choices"][0] for name, habit in HABITS.items()}
        self._random: dict[str, random.Random] = {}
        for name, value in habits.items():
            self.set(name, value)

    @classmethod
    def unkind(cls, seed: int, stream: str = "") -> Self:
        """The habits that the real Slack has, or may have."""
        manners = cls(seed, stream, **{name: habit["unkind"] for name, habit in HABITS.items()})
        manners.is_unkind = True
        return manners

    @classmethod
    def from_environment(cls, stream: str = "") -> Self:
        """The habits from SANDBOX_MANNERS (`unkind` by default), SANDBOX_SEED and SANDBOX_STREAM."""
        seed = int(os.environ.get("SANDBOX_SEED") or new_seed())
        make = cls.unkind if os.environ.get("SANDBOX_MANNERS", "unkind") == "unkind" else cls
        return make(seed, os.environ.get("SANDBOX_STREAM") or stream)

    def value(self, name: str) -> str:
        """The value of a habit."""
        return self._habits[name]

    def set(self, name: str, value: str) -> None:
        """Set one habit. Raises ValueError for an unknown name or value."""
        if name not in HABITS:
            raise ValueError(f"there is no habit named {name!r}")
        if value not in HABITS[name]["choices"]:
            raise ValueError(f"{name}: one of {', '.join(HABITS[name]['choices'])}, not {value!r}")
        self._habits[name] = value
        if name == "optional_fields":
            self.left_out = {}

    def set_all(self, manners: str) -> None:
        """Set all habits to `kind` or `unkind`. Raises ValueError for another word."""
        if manners not in ("kind", "unkind"):
            raise ValueError(f"kind or unkind, not {manners!r}")
        for name, habit in HABITS.items():
            self.set(name, habit["unkind"] if manners == "unkind" else habit["choices"][0])

    def describe(self) -> list[Json]:
        """Every habit with its current value and its choices, for a web page."""
        return [
            {
                "name": name,
                "label": habit["label"],
                "value": self._habits[name],
                "choices": list(habit["choices"]),
            }
            for name, habit in HABITS.items()
        ]

    def draw(self, name: str) -> str:
        """What this habit does this time."""
        value = self._habits[name]
        if value not in (DRAWN, ONCE):
            return value
        choices = [each for each in HABITS[name]["choices"] if each != value]
        if value == ONCE:
            return self._new_stream(name).choice(choices)
        return self.stream_of(name).choice(choices[1:] if len(choices) > 2 else choices)  # noqa: PLR2004 - the kind one is left out of three

    def stream_of(self, name: str) -> random.Random:
        """The random numbers for one habit."""
        return self._random.setdefault(name, self._new_stream(name))

    def _new_stream(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{self.stream}/{name}")  # noqa: S311 - no secret

    def ack(self) -> Ack:
        """When the next answer to a submission is applied: usually soon, one in ten after up to three seconds."""
        if self.next_acks:
            return Ack(*self.next_acks.pop(0))
        if self._habits["acks"] == "at once":
            return Ack()
        if self._habits["acks"] == "always late":
            return Ack(*ALWAYS_LATE)
        numbers = self.stream_of("acks")
        if numbers.random() < 0.1:  # noqa: PLR2004 - one in ten
            return Ack(numbers.choice((1, 2)), numbers.uniform(0, LONGEST_ACK))
        return Ack(1, numbers.choice((0, numbers.uniform(0, 0.4))))

    # What the bot is sent

    def sent_view(self, view: Json, touched: Values) -> Json:
        """A view as the bot gets it back."""
        sent = copy.deepcopy(view)
        if self.draw("untouched_menu") == "absent":
            sent["state"] = {"values": _without_untouched(view, touched)}
        return self.echoed_view(sent)

    def echoed_view(self, view: Json) -> Json:
        """A view as in an event or a response of the Web API."""
        sent = dict(view)
        if self.echoes:
            sent |= {name: echoed(sent[name]) for name in ("blocks", "title", "close", "submit") if sent.get(name)}
            if "state" in sent:
                sent["state"] = {"values": {block: echoed(each) for block, each in sent["state"]["values"].items()}}
        if self.draw("metadata") == "escaped":
            sent["private_metadata"] = escaped(sent["private_metadata"])
        return sent

    def sent_blocks(self, part: Json) -> Json:
        """A message or an action as the bot gets it back."""
        if not self.echoes:
            return part
        text = {"text": _escaped_mrkdwn(part["text"])} if isinstance(part.get("text"), str) else {}
        return {name: echoed(each) if name in _ECHOED else each for name, each in part.items()} | text

    @property
    def echoes(self) -> bool:
        """Whether texts come back escaped."""
        return self._habits["echo"] == "escaped"

    def sent_payload(self, payload: Json) -> Json:
        """A payload as the bot gets it, without some of the fields that recorded payloads may lack."""
        kept = thinned(payload, self._leaves_out)
        if kept.get("team") and self.draw("team") == "null":
            kept["team"] = None
        return kept

    def _leaves_out(self, kind: str, path: str) -> bool:
        drawn = self.draw("optional_fields") == "absent"
        return self.left_out.get((kind, path), drawn)


_ECHOED = ("blocks", "text", "selected_option", "selected_options", "placeholder")


def new_seed() -> int:
    """A new seed, short enough to type."""
    return secrets.randbelow(1_000_000)


def escaped(text: str) -> str:
    """Text as Slack sends it back. What is already escaped isn't escaped again."""
    text = re.sub(r"&(?!amp;|lt;|gt;)", "&amp;", text)
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _escaped_mrkdwn(text: str) -> str:
    pieces = re.split(r"(<[@#!][^<>\n]*>|<(?:https?|mailto):[^<>\n]*>|^>)", text, flags=re.MULTILINE)
    return "".join(each if index % 2 else escaped(each) for index, each in enumerate(pieces))


def echoed(part: object) -> object:
    """Blocks, or a part of them, as Slack sends them back: with escaped texts, and with `emoji` and `verbatim`."""
    if isinstance(part, list):
        return [echoed(each) for each in part]
    if not isinstance(part, dict):
        return part
    kind, text = part.get("type"), part.get("text")
    if kind == "plain_text" and isinstance(text, str):
        return {"emoji": True, **part, "text": escaped(text)}
    if kind == "mrkdwn" and isinstance(text, str):
        return {"verbatim": False, **part, "text": _escaped_mrkdwn(text)}
    typed = {"initial_value": escaped(part["initial_value"])} if part.get("initial_value") else {}
    return {name: echoed(each) for name, each in part.items()} | typed


def _without_untouched(view: Json, touched: Values) -> Values:
    kept: Values = copy.deepcopy(view["state"]["values"])
    for block, element in interactive(view["blocks"]):
        block_id, action_id = block["block_id"], element["action_id"]
        if block["type"] == "input" or action_id in touched.get(block_id, {}):
            continue
        kept.get(block_id, {}).pop(action_id, None)
    return {block_id: fields for block_id, fields in kept.items() if fields}
