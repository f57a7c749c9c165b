"""What can be made to go wrong at the sandbox's Confluent Cloud, switchable while it runs."""

from dataclasses import dataclass, fields
from typing import Literal, TypedDict, get_args

from sandbox.gate import Gate

ErrorShape = Literal["documented", "no code", "gateway", "message", "error_code", "2026", "empty", "gzip"]
Failing = Literal["none", "all", "create", "create, after the effect"]
AnswerLost = Literal[
    "off", "next create", "every create", "next edit", "every edit", "next delete", "every delete", "next account"
]
CreateRefused = Literal["no", "400", "402", "403", "409", "422"]
Paging = Literal["plain", "ends with an empty string", "ends with null", "starts with an empty page"]
UserKeys = Literal["allowed", "refused"]
DataPlane = Literal["up", "forbids", "unreachable"]
Change = Literal["create", "edit", "delete", "account"]

EVERY = -1
_MOST_SECONDS_SLOW = 30.0


class Switch(TypedDict):
    """One fault as a web page shows it; `choices` are suggestions for a number and all there is for a word."""

    name: str
    label: str
    value: str | float
    choices: list[str | float]


@dataclass(frozen=True, slots=True)
class _Words:
    label: str
    choices: tuple[str, ...]

    def parse(self, value: str | float) -> str:
        if value not in self.choices:
            raise ValueError(f"one of {', '.join(self.choices)}, not {value!r}")
        return str(value)


@dataclass(frozen=True, slots=True)
class _Number:
    label: str
    choices: tuple[float, ...]
    low: float
    high: float

    def parse(self, value: str | float) -> float:
        number = float(value)
        if not self.low <= number <= self.high:
            raise ValueError(f"between {self.low} and {self.high}, not {value}")
        return number


_SWITCHES: dict[str, _Words | _Number] = {
    "slow": _Number("Seconds each answer takes", (0, 2, 5, 30), 0, _MOST_SECONDS_SLOW),
    "rate_limited": _Number("Requests to refuse as too many (429); -1: all", (0, 1, 5, EVERY), EVERY, 1_000_000),
    "failing": _Words("Fail (500)", get_args(Failing)),
    "answer_lost": _Words("Lose the answer, after doing what was asked", get_args(AnswerLost)),
    "create_refused": _Words("Refuse to create keys, with status", get_args(CreateRefused)),
    "user_keys": _Words("Keys for the accounts of other users", get_args(UserKeys)),
    "propagation": _Number("Seconds until a new key works on its cluster", (0, 5, 60, 600), 0, 86_400),
    "data_plane": _Words("Clusters", get_args(DataPlane)),
    "error_shape": _Words("Form of error bodies", get_args(ErrorShape)),
    "paging": _Words("Form of list pages", get_args(Paging)),
}


@dataclass(slots=True)
class Faults:
    """The switches. Set the attributes directly in tests, or by name through `set` from a web page.

    `slow` and `propagation` are seconds: the first of real time, the second of the organisation's clock.
    """

    slow: float = 0
    rate_limited: float = 0
    failing: Failing = "none"
    answer_lost: AnswerLost = "off"
    create_refused: CreateRefused = "no"
    user_keys: UserKeys = "allowed"
    propagation: float = 5
    data_plane: DataPlane = "up"
    error_shape: ErrorShape = "documented"
    paging: Paging = "plain"
    hold_before_create: Gate | None = None
    hold_after_create: Gate | None = None

    def describe(self) -> list[Switch]:
        """Every switch with its present value, for a web page."""
        return [
            Switch(name=name, label=switch.label, value=getattr(self, name), choices=list(switch.choices))
            for name, switch in _SWITCHES.items()
        ]

    def set(self, name: str, value: str | float) -> None:
        """Turn one switch; numbers may come as text. Raises ValueError for a name or a value there is none of."""
        if name not in _SWITCHES:
            raise ValueError(f"there is no fault named {name!r}")
        setattr(self, name, _SWITCHES[name].parse(value))

    def reset(self) -> None:
        """Turn everything back to how an organisation starts."""
        for each in fields(self):
            setattr(self, each.name, each.default)

    def take_rate_limit(self) -> bool:
        """Whether the request at hand is to be refused with 429; counts it."""
        if self.rate_limited > 0:
            self.rate_limited -= 1
            return True
        return self.rate_limited == EVERY

    def take_lost_answer(self, change: Change) -> bool:
        """Whether the answer to this change is to be lost; a `next …` switch goes off with it."""
        if self.answer_lost == f"next {change}":
            self.answer_lost = "off"
            return True
        return self.answer_lost == f"every {change}"
