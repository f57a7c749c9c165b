"""The formats of single values in a policy file: durations, IDs, scopes, booleans."""

import re
from datetime import date, timedelta
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, SchemaError, SchemaValidator, core_schema

from bot.domain.access import ROLES_ON
from bot.domain.approvals import LONGEST_GLASS, NOBODY
from bot.domain.kinds import CLOUDS, Kind, KindRow, Shape
from bot.domain.requests import MOST_OVERLAP
from bot.domain.roles import ACCOUNT_ADMIN, TABLES

T = TypeVar("T")

LONGEST = timedelta(days=365)
_MOST = 500
MOST_TOLD = 20
"""How many people, groups and channels can be named to be notified."""
MOST_OFFERS = 100
"""How many options a Slack menu can have."""
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = r"^[0-9]{1,6}[mhdw]$"
_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_SWITCHES = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
"""As in YAML 1.1. In quotes, and in editors that read YAML 1.2, they are text."""
_ID = "[A-Za-z0-9-]+"
_PLACED = tuple(kind.row for kind in Kind if not kind.row.is_wide)
_REGION = f"({'|'.join(CLOUDS)})\\.[a-z0-9-]+"
_CLUSTER = f"({'|'.join(row.prefix.removesuffix('-') for row in _PLACED if row.prefix)})-{_ID}"
_TEAM_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
_TEAM = f"team:{_TEAM_NAME}"
_PLACE = rf"env-{_ID}|(?![Ee][Nn][Vv]-|team:|({_CLUSTER})$)\S([^\x00-\x1f\x7f]{{0,98}}\S)?"
"""A pattern for an environment: its ID, or a name that doesn't look like an ID and may have wildcards."""
_ELEMENTS = {
    "env-": "environment",
    **{row.prefix: row.element for row in _PLACED if row.prefix},
    **{f"{cloud}.": row.element for row in _PLACED if row.is_regional for cloud in CLOUDS},
    "sa-": "service-account",
}


def _below(row: KindRow) -> str:
    """A pattern for the path of a resource of this kind, below its environment."""
    match row.shape:
        case Shape.REGION:
            return f"{row.element}={_REGION}"
        case Shape.KSQL:
            return f"{_below(Kind.KAFKA.row)}/{row.element}=([A-Za-z0-9_.-]|%20)+"
        case _:
            return f"{row.element}={row.prefix}{_ID}"


_PATHS = (
    f"environment=env-{_ID}",
    *(f"environment=env-{_ID}/{_below(row)}" for row in _PLACED),
    f"service-account=sa-{_ID}",
)


def _span(value: object) -> timedelta:
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
        raise ValueError(f"{shown(value)} isn't a duration: write minutes, hours, days or weeks like 30m, 24h, 90d, 2w")
    return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})


def _duration(value: object) -> timedelta:
    found = _span(value)
    if not timedelta(0) < found <= LONGEST:
        raise ValueError(f"{value} is {'nothing' if not found else 'too long'}: more than 0, at most {LONGEST.days}d")
    return found


def _glass_lifetime(value: object) -> timedelta:
    found = _duration(value)
    if found > LONGEST_GLASS:
        raise ValueError(f"{value} is too long: at most 24h")
    return found


def _overlap(value: object) -> timedelta:
    found = timedelta(0) if value == "0s" else _span(value)
    if found > MOST_OVERLAP:
        raise ValueError(f"{value} is too long: at most {MOST_OVERLAP.days}d, and 0d for no overlap")
    return found


def _lifetime(value: object) -> timedelta | Literal["unlimited"]:
    return "unlimited" if value == "unlimited" else _duration(value)


def _notify(value: object, ids: ValidatorFunctionWrapHandler) -> tuple[str, ...]:
    if value == "closest":
        return ()
    return NOBODY if value in ("none", []) else ids(value)


def ticket_pattern(pattern: str) -> SchemaValidator:
    """A validator of whether a whole text matches, in time linear in its length.

    Raises ValueError for an invalid pattern.

    Rust's regex engine never backtracks, and limits the memory of a pattern.
    """
    try:
        _matcher(pattern)  # check it alone first: `a)|(b` would become valid in parentheses
        found = _matcher(rf"\A(?:{pattern})\z")
    except SchemaError:
        raise ValueError(
            f"{shown(pattern)} isn't a regular expression that Latchkey can use: look-around and backreferences "
            "aren't supported"
        ) from None
    if found.isinstance_python(""):
        raise ValueError(f"{shown(pattern)} matches an empty ticket: require at least one character")
    return found


def _matcher(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _ticket_pattern(value: str) -> str:
    ticket_pattern(value)
    return value


def _up_to(number: int) -> str:
    """A pattern for the integers from 1 to this one."""
    digits = str(number)
    parts = [f"[1-9][0-9]{{0,{len(digits) - 2}}}"] if len(digits) > 1 else []
    for place, digit in enumerate(digits):
        lowest, rest = int(place == 0), len(digits) - place - 1
        if int(digit) > lowest:
            parts.append(f"{digits[:place]}[{lowest}-{int(digit) - 1}][0-9]{{{rest}}}")
    return "|".join([*parts, digits])


def _spans(longest: timedelta) -> str:
    """A pattern for durations up to this one."""
    units = {letter: int(longest / timedelta(**{name: 1})) for letter, name in _UNITS.items()}
    return "|".join(f"({_up_to(most)}){letter}" for letter, most in units.items())


def _of(pattern: str, words: str = "") -> WithJsonSchema:
    """For the JSON Schema: these durations, with leading zeros up to six digits, or one of these words."""
    return WithJsonSchema({"type": "string", "pattern": f"^({words}(?=[0-9]{{1,6}}[mhdw]$)0*({pattern}))$"})


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    found = _SWITCHES.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{shown(value)} isn't on or off")
    return found


def _scope(value: str) -> str:
    """The path below the organization, as in CRNs. Raises ValueError."""
    if value == "":
        return ""
    if value.startswith("crn:"):
        raise ValueError("is a whole CRN: leave out everything up to and including `organization=…/`")
    parts = [part if "=" in part else _element(part) for part in value.split("/")]
    path = "/".join(parts)
    if not any(re.fullmatch(each, path) for each in _PATHS):
        raise ValueError(
            f"{shown(value)} isn't a place: write env-1, env-1/lkc-1, env-1/lsrc-1, env-1/aws.us-east-1, "
            "env-1/lkc-1/ksql=NAME or sa-1, or leave it out for the whole organization"
        )
    return path


def _environment(value: str) -> str:
    if re.fullmatch(_PLACE, value):
        return value
    hint = "write an ID such as env-1, or a name, in which * can stand for any text"
    if value[:4].lower() == "env-":
        hint = "an ID is in lower case and has no wildcards; for every environment, write *"
    elif re.fullmatch(_CLUSTER, value):
        hint = "it's the ID of a cluster, so use `cluster`"
    raise ValueError(f"{shown(value)} isn't an environment: {hint}")


def _environment_or_team(value: str) -> str:
    return value if re.fullmatch(_TEAM, value) else _environment(value)


def _element(part: str) -> str:
    name = next((name for prefix, name in _ELEMENTS.items() if part.startswith(prefix)), "?")
    return f"{name}={part}"


def _tidy(value: object) -> object:
    """Text on one line. Other values are unchanged, and pydantic refuses them."""
    return " ".join(value.split()) if isinstance(value, str) else value


def _whether(value: object) -> object:
    """A part of the file that can be switched: on gives its defaults, off gives None."""
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in _SWITCHES):
        return {} if _switch(value) else None
    return value


def _or_none(value: object, entries: ValidatorFunctionWrapHandler) -> object:
    """A list that can be switched off."""
    is_off = value is False or (isinstance(value, str) and _SWITCHES.get(value.lower()) is False)
    return () if is_off else entries(value)


def _day(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(_DAY, value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"{shown(value)} isn't a day: write it like 2026-12-31")


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]


def _table(value: object) -> object:
    return "2026" if value == 2026 and not isinstance(value, bool) else value  # noqa: PLR2004 -- without its quotes


class _OrWord:
    """For the JSON Schema: a list, or one of these words instead."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"enum": [*self.words]}]}


class _OneOrMany:
    """For the JSON Schema: a single item can be written without brackets."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(core)
        return {"anyOf": [many["items"], {**many, "minItems": 1, "maxItems": _MOST}]}


class _ListOrOff:
    """For the JSON Schema: a list, or off instead."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"const": False}, {"type": "string", "pattern": f"^({_OFF})$"}]}


class _OrOff:
    """For the JSON Schema: a part of the file, or a boolean instead."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        part, _null = handler(core)["anyOf"]
        return {"anyOf": [part, *_SWITCH]}


def shown(value: object) -> str:
    """A value for a message: at most 60 characters, on one line."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}…"  # noqa: PLR2004 -- about what fits


_OFF = "|".join("".join(f"[{c.upper()}{c}]" for c in word) for word, is_on in _SWITCHES.items() if not is_on)
_ANY_CASE = "|".join("".join(f"[{c.upper()}{c}]" for c in word) for word in _SWITCHES)
_SWITCH: list[dict[str, object]] = [{"type": "boolean"}, {"type": "string", "pattern": f"^({_ANY_CASE})$"}]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(_duration), _of(_spans(LONGEST))]
Overlap: TypeAlias = Annotated[
    timedelta, BeforeValidator(_overlap), _of(f"0[mhdw]|{_spans(MOST_OVERLAP)}", words="0s|")
]
Lifetime: TypeAlias = Annotated[
    timedelta | Literal["unlimited"], BeforeValidator(_lifetime), _of(_spans(LONGEST), words="unlimited|")
]
OrOffMany: TypeAlias = Annotated[
    tuple[T, ...], Field(min_length=1, max_length=MOST_OFFERS), WrapValidator(_or_none), _ListOrOff()
]
"""A list; () if it's switched off."""
OrOff: TypeAlias = Annotated[T | None, BeforeValidator(_whether), _OrOff()]
Switch: TypeAlias = Annotated[bool, BeforeValidator(_switch), WithJsonSchema({"anyOf": _SWITCH})]
TableName: TypeAlias = Annotated[
    Literal["documented", "2026"],
    BeforeValidator(_table),
    WithJsonSchema({"enum": ["documented", "2026", 2026]}),
]
OneOrMany: TypeAlias = Annotated[
    tuple[T, ...], BeforeValidator(_listed), Field(min_length=1, max_length=_MOST), _OneOrMany()
]
Sentence: TypeAlias = Annotated[str, Field(min_length=1, max_length=300), BeforeValidator(_tidy)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=80), BeforeValidator(_tidy)]
OfferName: TypeAlias = Annotated[str, Field(min_length=1, max_length=75), BeforeValidator(_tidy)]
Channel: TypeAlias = Annotated[str, Field(pattern=r"^[CG][A-Z0-9]+$")]
SlackUser: TypeAlias = Annotated[str, Field(pattern=r"^[UW][A-Z0-9]+$")]
SlackGroup: TypeAlias = Annotated[str, Field(pattern=r"^S[A-Z0-9]+$")]
Told: TypeAlias = Annotated[str, Field(pattern=f"^({_TEAM}|[SUW][A-Z0-9]+)$")]
Notify: TypeAlias = Annotated[
    tuple[Told, ...], Field(max_length=MOST_TOLD), WrapValidator(_notify), _OrWord("closest", "none")
]
"""The IDs and teams that are named; () for the people closest to the resource, `NOBODY` for no one."""
TicketPattern: TypeAlias = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_ticket_pattern)]
_IN_URL = r"[^\s<>|\"{}\\^`]"
TicketExample: TypeAlias = Annotated[str, Field(min_length=1, max_length=64)]
TicketUrl: TypeAlias = Annotated[
    str, Field(max_length=300, pattern=rf"^https?://[^\s/<>|\"{{}}\\^`]+/{_IN_URL}*\{{ticket\}}{_IN_URL}*$")
]
TeamName: TypeAlias = Annotated[str, Field(pattern=f"^{_TEAM_NAME}$")]
Member: TypeAlias = Annotated[str, Field(pattern=r"^[SUW][A-Z0-9]+$")]
PartyWord: TypeAlias = Annotated[str, Field(pattern=f"^({_TEAM}|[SUW][A-Z0-9]+)$")]
"""A Slack person, a Slack user group, or a team in the file."""
KNOWN_ROLES = sorted({ACCOUNT_ADMIN}.union(*(table.roles for table in TABLES.values()), *ROLES_ON.values()))
"""The roles that people can have, as far as Latchkey knows them."""
SomeoneWord: TypeAlias = Annotated[str, Field(pattern=f"^({_TEAM}|[SUW][A-Z0-9]+|{'|'.join(KNOWN_ROLES)})$")]
"""A Slack person, a Slack user group, a role, or a team in the file."""
Day: TypeAlias = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "pattern": _DAY})]
"""A day such as 2026-12-31."""
GlassBy: TypeAlias = Annotated[tuple[SomeoneWord, ...], Field(min_length=1, max_length=20)]
GlassNotify: TypeAlias = Annotated[
    tuple[Annotated[str, Field(pattern=f"^({_TEAM}|[CGSUW][A-Z0-9]+)$")], ...], Field(max_length=MOST_TOLD)
]
GlassLifetime: TypeAlias = Annotated[timedelta, BeforeValidator(_glass_lifetime), _of(_spans(LONGEST_GLASS))]
ConfluentUser: TypeAlias = Annotated[str, Field(pattern=f"^u-{_ID}$")]
ClusterId: TypeAlias = Annotated[
    str, Field(pattern=f"^({_TEAM}|{_CLUSTER}|{_REGION})$", examples=["lkc-1", "aws.us-east-1"])
]
Place: TypeAlias = Annotated[
    str, AfterValidator(_environment), WithJsonSchema({"type": "string", "pattern": f"^({_PLACE})$"})
]
"""An environment by its ID or name, or several by a wildcard."""
EnvironmentWord: TypeAlias = Annotated[
    str, AfterValidator(_environment_or_team), WithJsonSchema({"type": "string", "pattern": f"^({_TEAM}|{_PLACE})$"})
]
OwnerWord: TypeAlias = Annotated[str, Field(pattern=f"^({_TEAM}|me|service-account|new-service-account|sa-{_ID})$")]
ScopeText: TypeAlias = Annotated[str, Field(max_length=300), AfterValidator(_scope)]
