"""The faults of the sandbox's Slack, which can be switched while it runs."""

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
"""What the Web API returns instead of its own response. The call itself has no effect."""
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
"""What happens to a new Socket Mode connection: it's accepted, refused with this reason, perhaps after a greeting, or
its handshake fails."""
ANY_METHOD = "any"
EVERY = -1
_MOST_SECONDS_SLOW = 30.0


class Switch(TypedDict):
    """One fault as a web page shows it. `choices` are suggestions for a number, and all values of a word.

    `usual` is the value if nothing is wrong.
    """

    name: str
    group: str
    label: str
    value: str | float
    usual: str | float
    choices: list[str | float]


_GROUPS = {
    "Web API": ("slow", "rate_limited", "failing", "answers", "method"),
    "Messages and modals": (
        "expired_trigger",
        "hash_conflict",
        "channel_not_found",
        "messages_refused",
        "messages_refused_with",
        "response_url",
    ),
    "Socket Mode": ("links", "connections"),
}
_LABELS: dict[str, tuple[str, tuple[str | float, ...]]] = {
    "slow": ("Delay each Web API call (seconds)", (0, 2, 5, 30)),
    "rate_limited": ("Return 429 for the next N Web API calls (-1: all)", (0, 1, 5, EVERY)),
    "failing": ("Return 500 for the next N Web API calls (-1: all)", (0, 1, 5, EVERY)),
    "answers": ("Web API response", get_args(Answers)),
    "method": ("Only for this method", (ANY_METHOD, *METHODS)),
    "expired_trigger": ("Opening a modal fails with expired_trigger_id", get_args(Once)),
    "hash_conflict": ("Updating a view fails with hash_conflict", get_args(Once)),
    "channel_not_found": ("Posting to a channel fails with channel_not_found", ("off", "on")),
    "messages_refused": ("Reject posts to", get_args(Refused)),
    "messages_refused_with": ("Error code of rejected posts", get_args(Refusal)),
    "response_url": ("Answers to a click (response_url)", get_args(ResponseUrl)),
    "links": ("New Socket Mode connections", get_args(Links)),
    "connections": ("Current Socket Mode connections", ("stay", "drop now")),
}


@dataclass(slots=True)
class Faults:
    """The switches. Tests set the attributes directly; a web page sets them by name, with `set`.

    `answer lost` carries out a post to a response_url and then drops the connection; `dropped` doesn't carry it out.
    `drop` is called to drop the Socket Mode connections. `hold_before` and `hold_after` have gates that hold calls
    before or after their effect, by Web API method or `response_url`.
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
        """Every switch and its current value, for a web page."""
        return [
            Switch(
                name=name,
                group=next(group for group, names in _GROUPS.items() if name in names),
                label=label,
                value=getattr(self, name, "stay"),
                usual=getattr(_FRESH, name, "stay"),
                choices=list(choices),
            )
            for name, (label, choices) in _LABELS.items()
        ]

    def set(self, name: str, value: str | float) -> None:
        """Set one switch. Numbers may be text. Raises ValueError for an unknown name or value."""
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
        """Set every switch back to the workspace's initial value."""
        for each in fields(self):
            if each.name in _LABELS:
                setattr(self, each.name, each.default)
        self.hold_before.clear()
        self.hold_after.clear()

    def take_rate_limit(self, method: str) -> bool:
        """Whether to refuse this call with 429. Counts it."""
        return self._take("rate_limited", method)

    def take_failure(self, method: str) -> bool:
        """Whether to answer this call with 500. Counts it."""
        return self._take("failing", method)

    def take_once(self, name: Literal["expired_trigger", "hash_conflict"]) -> bool:
        """Whether this fault applies now. Resets it."""
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
