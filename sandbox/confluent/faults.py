"""The faults of the sandbox's Confluent Cloud, which can be switched while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, Self, TypedDict, get_args

from sandbox.cast import BOT_PRINCIPAL, CAST
from sandbox.confluent.model import Quota
from sandbox.gate import Gate

ErrorShape = Literal["documented", "no code", "gateway", "message", "error_code", "2026", "empty", "gzip"]
Change = Literal[
    "create", "edit", "delete", "account", "account edit", "account delete", "role binding", "role binding delete"
]
Failing = Literal[
    "none",
    "all",
    "create",
    "create, after the effect",
    "edit",
    "edit, after the effect",
    "delete",
    "delete, after the effect",
    "account",
    "account, after the effect",
    "account edit",
    "account edit, after the effect",
    "account delete",
    "account delete, after the effect",
    "role binding",
    "role binding, after the effect",
    "role binding delete",
    "role binding delete, after the effect",
]
Lost = Literal[
    "off",
    "next create",
    "every create",
    "next edit",
    "every edit",
    "next delete",
    "every delete",
    "next account",
    "every account",
    "next account edit",
    "every account edit",
    "next account delete",
    "every account delete",
    "next role binding",
    "every role binding",
    "next role binding delete",
    "every role binding delete",
]
CreateRefused = Literal["no", "400", "402", "403", "409", "422"]
Paging = Literal["plain", "ends with an empty string", "ends with null", "starts with an empty page"]
UserKeys = Literal["allowed", "refused"]
Expiry = Literal["honored", "ignored", "refused", "zero"]
"""`zero`: ignored, and every key that doesn't expire has the zero value of a time."""
DataPlane = Literal["up", "reject", "unreachable"]
PageTokens = Literal["last", "expire once", "expire"]
CrnPatterns = Literal["exact, or below", "with all below"]
OptionalFields = Literal["there", "absent", "drawn each time"]
Quotas = Literal["with their use", "without their use", "refused"]
QUOTAS = (
    "iam.max_cluster_api_keys.per_service_account",
    "iam.max_cloud_api_keys.per_service_account",
    "iam.max_cluster_api_keys.per_user",
    "iam.max_cloud_api_keys.per_user",
    "iam.max_cloud_api_keys.per_org",
    "kafka.max_api_keys.per_cluster",
    "iam.max_service_accounts.per_org",
)
AS_IT_IS = "none"
NOBODY = "nobody"
HOLDERS = {"Latchkey": BOT_PRINCIPAL} | {each.name: each.principal for each in CAST if each.principal and each.bindings}
"""The principals with roles, by name."""

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


_GROUPS = {
    "Requests": ("slow", "rate_limited", "failing", "answer_lost", "request_lost"),
    "Keys": ("create_refused", "user_keys", "expires_at", "propagation", "lingering", "data_plane"),
    "Roles and quotas": ("roles_lost", "low_quota", "low_quota_limit", "quotas", "crn_patterns"),
    "Format of responses": ("optional_fields", "error_shape", "paging", "page_tokens"),
}
_SWITCHES: dict[str, _Words | _Number] = {
    "slow": _Number("Delay each response (seconds)", (0, 2, 5, 30), 0, _MOST_SECONDS_SLOW),
    "rate_limited": _Number("Return 429 for the next N requests (-1: all)", (0, 1, 5, EVERY), EVERY, 1_000_000),
    "failing": _Words("Return 500 for", get_args(Failing)),
    "answer_lost": _Words("Drop the response after doing the work", get_args(Lost)),
    "request_lost": _Words("Drop the request before doing the work", get_args(Lost)),
    "create_refused": _Words("Reject creating keys with status", get_args(CreateRefused)),
    "user_keys": _Words("Keys for other people's accounts", get_args(UserKeys)),
    "expires_at": _Words("Expiration that a create sets (expires_at)", get_args(Expiry)),
    "roles_lost": _Words("Remove all roles from", (NOBODY, *HOLDERS)),
    "low_quota": _Words("Lower this quota for everyone", (AS_IT_IS, *QUOTAS)),
    "low_quota_limit": _Number("Limit of the lowered quota", (0, 1, 5, 20), 0, 1_000_000),
    "quotas": _Words("Quota API", get_args(Quotas)),
    "propagation": _Number("Seconds until a new key works on its cluster", (0, 5, 60, 600), 0, 86_400),
    "lingering": _Number("Seconds until a deleted key stops working", (0, 5, 60, 600), 0, 86_400),
    "data_plane": _Words("Clusters", get_args(DataPlane)),
    "crn_patterns": _Words("Role bindings that a list returns", get_args(CrnPatterns)),
    "optional_fields": _Words("Optional response fields", get_args(OptionalFields)),
    "error_shape": _Words("Format of errors", get_args(ErrorShape)),
    "paging": _Words("Format of list pages", get_args(Paging)),
    "page_tokens": _Words("Page tokens", get_args(PageTokens)),
}
_NOT_KNOWN = ("expires_at", "crn_patterns")
"""Behavior that differs between organizations, or that we couldn't find out."""


@dataclass(slots=True)
class Faults:
    """The switches. Tests set the attributes directly; a web page sets them by name, with `set`.

    `slow`, `propagation` and `lingering` are in seconds: `slow` in real time, the others by the organization's clock.
    `failing` names the change before or after which an error is returned; `request_lost` and `answer_lost` those before
    or after which the connection ends. `hold_before` and `hold_after` have gates that hold changes of a kind.
    """

    slow: float = 0
    rate_limited: float = 0
    failing: Failing = "none"
    answer_lost: Lost = "off"
    request_lost: Lost = "off"
    create_refused: CreateRefused = "no"
    user_keys: UserKeys = "allowed"
    expires_at: Expiry = "ignored"
    roles_lost: str = NOBODY
    low_quota: str = AS_IT_IS
    low_quota_limit: float = 1
    quotas: Quotas = "with their use"
    propagation: float = 5
    lingering: float = 0
    data_plane: DataPlane = "up"
    crn_patterns: CrnPatterns = "exact, or below"
    optional_fields: OptionalFields = "there"
    error_shape: ErrorShape = "documented"
    paging: Paging = "plain"
    page_tokens: PageTokens = "last"
    hold_before: dict[Change, Gate] = field(default_factory=dict[Change, Gate])
    hold_after: dict[Change, Gate] = field(default_factory=dict[Change, Gate])
    drawn: dict[str, str] = field(default_factory=dict[str, str], compare=False)
    _numbers: Random = field(default_factory=lambda: Random(0), repr=False, compare=False)  # noqa: S311 - no secret

    @classmethod
    def draw(cls, numbers: Random) -> Self:
        """A random possible organization: behavior that we couldn't find out is drawn, and recorded in `drawn`."""
        faults = cls(_numbers=numbers)
        faults.drawn = {name: numbers.choice([str(each) for each in _SWITCHES[name].choices]) for name in _NOT_KNOWN}
        faults.drawn["optional_fields"] = "drawn each time"
        faults.reset()
        return faults

    def settle(self, known: Mapping[str, str]) -> None:
        """Set the behavior that is known about this organization. Raises ValueError for an unknown name or value."""
        for name, value in known.items():
            self.set(name, value)
        self.drawn |= known
        self.reset()

    @property
    def hold_before_create(self) -> Gate | None:
        """The gate that holds creates of keys before their effect."""
        return self.hold_before.get("create")

    @hold_before_create.setter
    def hold_before_create(self, gate: Gate | None) -> None:
        _put(self.hold_before, gate)

    @property
    def hold_after_create(self) -> Gate | None:
        """The gate that holds creates of keys after their effect."""
        return self.hold_after.get("create")

    @hold_after_create.setter
    def hold_after_create(self, gate: Gate | None) -> None:
        _put(self.hold_after, gate)

    def describe(self) -> list[Switch]:
        """Every switch and its current value, for a web page."""
        return [
            Switch(
                name=name,
                group=next(group for group, names in _GROUPS.items() if name in names),
                label=switch.label,
                value=getattr(self, name),
                usual=self._usual(name),
                choices=list(switch.choices),
            )
            for name, switch in _SWITCHES.items()
        ]

    def set(self, name: str, value: str | float) -> None:
        """Set one switch. Numbers may be text. Raises ValueError for an unknown name or value."""
        if name not in _SWITCHES:
            raise ValueError(f"there is no fault named {name!r}")
        setattr(self, name, _SWITCHES[name].parse(value))

    def reset(self) -> None:
        """Set every switch back to the organization's initial value."""
        for name in _SWITCHES:
            setattr(self, name, self._usual(name))
        self.hold_before.clear()
        self.hold_after.clear()

    def _usual(self, name: str) -> str | float:
        fresh: str | float = getattr(_FRESH, name)
        return self.drawn.get(name, fresh)

    def leaves_out(self) -> bool:
        """Whether to leave out an optional field this time."""
        return self.optional_fields == "absent" or self._numbers.random() < 0.5  # noqa: PLR2004 - as often as not

    @property
    def without_roles(self) -> str:
        """The principal whose role bindings are ignored; "" for no one."""
        return HOLDERS.get(self.roles_lost, "")

    def take_rate_limit(self) -> bool:
        """Whether to refuse this request with 429. Counts it."""
        if self.rate_limited > 0:
            self.rate_limited -= 1
            return True
        return self.rate_limited == EVERY

    def take_lost_answer(self, change: Change) -> bool:
        """Whether to drop the response to this change. Resets a `next …` switch."""
        lost, self.answer_lost = self.answer_lost, _after(self.answer_lost, change)
        return lost in (f"next {change}", f"every {change}")

    def take_lost_request(self, change: Change) -> bool:
        """Whether to drop this change before anything is done. Resets a `next …` switch."""
        lost, self.request_lost = self.request_lost, _after(self.request_lost, change)
        return lost in (f"next {change}", f"every {change}")

    def take_expired_token(self) -> bool:
        """Whether this page token has expired. Resets `expire once`."""
        expired = self.page_tokens != "last"
        if self.page_tokens == "expire once":
            self.page_tokens = "last"
        return expired

    def limit_for(self, quota: Quota, holder: str) -> int:
        """How many of a quota's things this holder can have; the organization is ""."""
        return int(self.low_quota_limit) if quota.code == self.low_quota else quota.limit_for(holder)


def _after(lost: Lost, change: Change) -> Lost:
    return "off" if lost == f"next {change}" else lost


def _put(gates: dict[Change, Gate], gate: Gate | None) -> None:
    if gate is None:
        gates.pop("create", None)
    else:
        gates["create"] = gate


_FRESH = Faults()
