"""Writes audit lines in formats of other systems: OCSF events and CSV.

Both contain what the feed does: IDs and names of rules, but no reasons, descriptions or addresses.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.domain.audit import SYSTEM, TOLD, Action

Line = Mapping[str, object]

OCSF_VERSION = "1.3.0"
CATEGORY_UID, CLASS_UID = 6, 6003
"""OCSF's category Application Activity and class API Activity."""
CREATE, READ, UPDATE, DELETE, OTHER = 1, 2, 3, 4, 99
SUCCESS, FAILURE, UNKNOWN = 1, 2, 0
INFORMATIONAL, LOW, MEDIUM = 1, 2, 3
_NEWER = ("lines", "last", "operator")
COLUMNS = (
    *("seq", "at", "actor", "action", "request", "was", "rev"),
    *(name for name in TOLD if name not in _NEWER),
    *("hash", *_NEWER),
)
"""New columns are added at the end, so that programs that count columns find the others in place."""
_ACTIVITIES: Mapping[str, int] = {
    "submitted": CREATE,
    "create-intended": CREATE,
    "created": CREATE,
    "create-unknown": CREATE,
    "create-refused": CREATE,
    "show-intended": READ,
    "show-refused": READ,
    "shown": READ,
    "delete-intended": DELETE,
    "deleted": DELETE,
    "delete-failed": DELETE,
    "found-gone": DELETE,
    "approved": UPDATE,
    "denied": UPDATE,
    "cancelled": UPDATE,
    "expired": UPDATE,
    "edit-intended": UPDATE,
    "edited": UPDATE,
    "extended": UPDATE,
}
"""OCSF's activity for the verb of an action; any other verb is `OTHER`."""
_FAILURES = frozenset(
    {
        Action.REFUSED,
        Action.APPROVAL_REFUSED,
        Action.SHOW_REFUSED,
        Action.CREATE_REFUSED,
        Action.BINDING_REFUSED,
        Action.DELETE_FAILED,
        Action.FAILED,
        Action.UNDELIVERED,
    }
)
_ODD = frozenset(
    {
        Action.FAILED,
        Action.CREATE_UNKNOWN,
        Action.DELETE_FAILED,
        Action.UNDELIVERED,
        Action.FOUND_ORPHANED,
        Action.LEAK_REPORTED,
        Action.GLASS_USED,
        Action.GLASS_OVERDUE,
    }
)
_RESOURCES = {"key": "api_key", "account": "service_account", "resource": ""}
"""Details that name a resource, and OCSF's type of it. For `resource`, the type is the kind of key."""


def jsonl(line: Line) -> str:
    """The line as JSON, unchanged; `audit verify` reads it."""
    return json.dumps(dict(line))


def ocsf(line: Line) -> str:
    """The line as JSON: an event of OCSF's class API Activity (6003)."""
    details, action, actor = _details(line), str(line["action"]), str(line["actor"])
    activity = _ACTIVITIES.get(action.partition(":")[2], OTHER)
    event: dict[str, object] = {
        "activity_id": activity,
        "activity_name": action,
        "category_uid": CATEGORY_UID,
        "class_uid": CLASS_UID,
        "type_uid": CLASS_UID * 100 + activity,
        "severity_id": MEDIUM if action in _ODD else LOW if action in _FAILURES else INFORMATIONAL,
        "status_id": _status(action),
        "time": int(datetime.fromisoformat(str(line["at"])).timestamp() * 1000),
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "Latchkey", "vendor_name": "Latchkey"},
            "log_name": "audit",
            "event_code": action,
            "sequence": line["seq"],
            "uid": line["hash"],
            **({"correlation_uid": line["request"]} if line["request"] else {}),
        },
        "actor": {"app_name": SYSTEM} if actor == SYSTEM else {"user": {"uid": actor, "type_id": 1}},
        "api": {"operation": action, "service": {"name": "latchkey"}},
        # Neither Slack nor the log knows where a person is, only the service that a click came from.
        "src_endpoint": {"svc_name": SYSTEM if actor == SYSTEM else "slack"},
        "resources": [
            {"uid": details[name], "type": kind or details.get("kind", "")}
            for name, kind in _RESOURCES.items()
            if name in details
        ],
        "unmapped": {"was": line.get("was"), "rev": line.get("rev"), "prev": line["prev"], **details},
    }
    return json.dumps(event)


def row(line: Line) -> str:
    """The line as a row of CSV, with `COLUMNS`."""
    details = _details(line)
    return csv_row([line.get(name, details.get(name)) for name in COLUMNS])


def header() -> str:
    """The header row of CSV."""
    return csv_row(COLUMNS)


FORMATS: Mapping[str, tuple[Callable[[Line], str], Callable[[], str] | None]] = {
    "jsonl": (jsonl, None),
    "ocsf": (ocsf, None),
    "csv": (row, header),
}
"""For each format, the function that writes a line, and the one that writes the header, if there is one."""


def _details(line: Line) -> Mapping[str, str]:
    found = line["details"]
    return {name: str(found[name]) for name in TOLD if name in found} if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownArgumentType]


def _status(action: str) -> int:
    if action in _FAILURES:
        return FAILURE
    return UNKNOWN if action.endswith(("-intended", "-unknown")) else SUCCESS


def csv_row(values: Sequence[object]) -> str:
    """A row of CSV without its line break, in which no spreadsheet finds a formula and no terminal a command."""
    out = io.StringIO()
    csv.writer(out, lineterminator=_END).writerow([_plain(value) for value in values])
    return out.getvalue().removesuffix(_END)


def _plain(value: object) -> object:
    """The value, changed so that no spreadsheet takes it for a formula and no terminal for a command."""
    value = _COMMANDS.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value
    is_formula = isinstance(value, str) and (value.lstrip().startswith(_SIGNS) or value.startswith(_BLANKS))
    return f"'{value}" if is_formula else value


def json_row(cells: Mapping[str, object]) -> str:
    """Named cells as a JSON object in one line, with control characters escaped for terminals."""
    return _COMMANDS.sub(lambda each: f"\\u{ord(each[0]):04x}", json.dumps(cells, ensure_ascii=False))


_COMMANDS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that terminals may act on, or that reverse the direction of text. People can type any of them."""
_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that start a formula; in some languages the full-width signs do, too."""
_BLANKS = ("\t", "\r", "\n")
_END = "\r\n"
"""Python quotes a cell with a line break only if the terminator contains that character."""
