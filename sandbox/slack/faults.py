"""What can be made to go wrong on the Slack side, switchable while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal, TypedDict, get_args

from sandbox.gate import Gate
from sandbox.slack.methods import METHODS

Once = Literal["off", "next"]
ResponseUrl = Literal["works", "500", "404", "dropped", "answer lost"]
Answers = Literal[
    "works", "web page", "nothing", "broken JSON", "null", "a list", "a string", "403, web page", "token revoked"
]
"""What the Web API answers in place of its own answer. The call itself has no effect."""
Refused = Literal["none", "direct messages", "channels"]
"""Where `chat.postMessage` is refused with one of `Refusal`."""
Refusal = Literal["messages_tab_disabled", "is_archived", "restricted_action", "is_bot", "channel_not_found"]
Links = Literal[
    "work",
    "too_many_websockets",
    "link_disabled",
    "handshake fails",
    "greeted, then too_many_websockets",
    "greeted, then refresh_requested",
    "greeted, then closed",
]
"""Whether a new Socket Mode connection is greeted, or sent away with this reason, even at once; or not even opened."""
ANY_METHOD = "any"
EVERY = -1
_MOST_SECONDS_SLOW = 30.0


class Switch(TypedDict):
    """One fault as a web page shows it; `choices` are suggestions for a number and all there is for a word.

    `usual` is the value when nothing goes wrong.
    """

    name: str
    label: str
    value: str | float
    usual: str | float
    choices: list[str | float]


_LABELS: dict[str, tuple[str, tuple[str | float, ...]]] = {
    "slow": ("Seconds each Web API call takes", (0, 2, 5, 30)),
    "rate_limited": ("Web API calls to refuse as too many (429); -1: all", (0, 1, 5, EVERY)),
    "failing": ("Web API calls to fail (500); -1: all", (0, 1, 5, EVERY)),
    "answers": ("What the Web API answers", get_args(Answers)),
    "method": ("The Web API method that this is for", (ANY_METHOD, *METHODS)),
    "expired_trigger": ("Opening a modal: expired_trigger_id", get_args(Once)),
    "hash_conflict": ("Updating a modal or Home with a hash: hash_conflict", get_args(Once)),
    "channel_not_found": ("Posting to a channel: channel_not_found", ("off", "on")),
    "messages_refused": ("Posting to these", get_args(Refused)),
    "messages_refused_with": ("Refused with", get_args(Refusal)),
    "response_url": ("Answering a click (response_url)", get_args(ResponseUrl)),
    "links": ("New Socket Mode connections", get_args(Links)),
    "connections": ("Socket Mode connections", ("stay", "drop now")),
}


@dataclass(slots=True)
class Faults:
    """The switches. Set the attributes directly in tests, or by name through `set` from a web page.

    `answer lost` does what a post to a response_url asks and then drops the connection; `dropped` does nothing of it.
    `drop` is called to drop the Socket Mode connections. `hold_before` and `hold_after` hold calls before or after
    their effect, by the name of their Web API method, or `response_url`.
    """

    slow: float = 0
    rate_limited: float = 0
    failing: float = 0
    answers: Answers = "works"
    method: str = ANY_METHOD
    expired_trigger: Once = "off"
    hash_conflict: Once = "off"
    channel_not_found: Literal["off", "on"] = "off"
    messages_refused: Refused = "none"
    messages_refused_with: Refusal = "messages_tab_disabled"
    response_url: ResponseUrl = "works"
    links: Links = "work"
    drop: Callable[[], None] = field(default=lambda: None, repr=False)
    hold_before: dict[str, Gate] = field(default_factory=dict[str, Gate], repr=False)
    hold_after: dict[str, Gate] = field(default_factory=dict[str, Gate], repr=False)

    def describe(self) -> list[Switch]:
        """Every switch with its present value, for a web page."""
        return [
            Switch(
                name=name,
                label=label,
                value=getattr(self, name, "stay"),
                usual=getattr(_FRESH, name, "stay"),
                choices=list(choices),
            )
            for name, (label, choices) in _LABELS.items()
        ]

    def set(self, name: str, value: str | float) -> None:
        """Turn one switch; numbers may come as text. Raises ValueError for a name or a value there is none of."""
        if name not in _LABELS:
            raise ValueError(f"there is no fault named {name!r}")
        choices = _LABELS[name][1]
        if not isinstance(choices[0], str):
            setattr(self, name, _number(name, value))
        elif value not in choices:
            raise ValueError(f"{name}: one of {', '.join(map(str, choices))}, not {value!r}")
        elif name != "connections":
            setattr(self, name, value)
        elif value == "drop now":
            self.drop()

    def reset(self) -> None:
        """Turn everything back to how a workspace starts."""
        for each in fields(self):
            if each.name in _LABELS:
                setattr(self, each.name, each.default)
        self.hold_before.clear()
        self.hold_after.clear()

    def take_rate_limit(self, method: str) -> bool:
        """Whether this call is to be refused with 429; counts it."""
        return self._take("rate_limited", method)

    def take_failure(self, method: str) -> bool:
        """Whether this call is to be answered with 500; counts it."""
        return self._take("failing", method)

    def take_once(self, name: Literal["expired_trigger", "hash_conflict"]) -> bool:
        """Whether this strikes now; it goes off with it."""
        strikes: bool = getattr(self, name) == "next"
        setattr(self, name, "off")
        return strikes

    def _take(self, name: Literal["rate_limited", "failing"], method: str) -> bool:
        left = getattr(self, name)
        if not left or self.method not in (ANY_METHOD, method):
            return False
        if left != EVERY:
            setattr(self, name, left - 1)
        return True


_FRESH = Faults()


def _number(name: str, value: str | float) -> float:
    number = float(value)
    least, most = (0, _MOST_SECONDS_SLOW) if name == "slow" else (EVERY, 1_000_000)
    if not least <= number <= most:
        raise ValueError(f"{name}: between {least} and {most}, not {value}")
    return number
