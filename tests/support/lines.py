"""What each line of the audit log has to say: nobody can ask later for a field that was left out."""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.domain.audit import SYSTEM, Action

_EDIT = "key old_name new_name old_description new_description"
_ASK = "operation requester principal owner kind resource name description reason digest rule policy"
_BINDING = "principal role scope"
FIELDS: Mapping[Action, str] = {
    Action.SUBMITTED: f"{_ASK} missing (access) (also) (environment) (key) (lifetime) (leaked) (ticket) (break_glass)",
    Action.PAIRED: f"{_ASK.removesuffix(' policy')} missing approvals beside environment (lifetime) (ticket)",
    Action.REFUSED: "reason rule policy (count)",
    Action.APPROVED: "basis rule policy missing approvals",
    Action.APPROVAL_REFUSED: "tried (reason) rule policy (count)",
    Action.DENIED: "reason",
    Action.CANCELLED: "",
    Action.TERMS_CHANGED: "changed rule policy approvals",
    Action.QUESTION_ASKED: "number",
    Action.QUESTION_ANSWERED: "number question",
    Action.EXPIRED: "",
    Action.FAILED: "happened (reference) (rule) (policy) (review_by)",
    Action.CREATE_INTENDED: "marker policy",
    Action.CREATE_UNKNOWN: "marker (found)",
    Action.CREATE_REFUSED: "marker why",
    Action.CREATED: "key marker ends_at",
    Action.DELETE_INTENDED: "key (marker) (rule) (policy)",
    Action.DELETE_FAILED: "key why next",
    Action.DELETED: "key (marker) (attempt) (rule) (policy)",
    Action.SHOW_INTENDED: "key",
    Action.SHOW_REFUSED: "tried reason (count)",
    Action.SHOWN: "key",
    Action.UNDELIVERED: "key why",
    Action.UNCLAIMED: "key",
    Action.RETIRED: "key (why)",
    Action.CONFIRMED: "key",
    Action.REPLACEMENT_ASKED: "key",
    Action.EDIT_INTENDED: _EDIT,
    Action.EDITED: _EDIT,
    Action.FOUND_GONE: "key (attempt)",
    Action.FOUND_ORPHANED: "key marker",
    Action.EXTENDED: "key ends_at",
    Action.END_MOVED: "key ends_at by",
    Action.OVERLAP_CHANGED: "key until",
    Action.KEPT: "key owner reason until",
    Action.LEAK_REPORTED: "key owner (source)",
    Action.ACCOUNT_INTENDED: "name marker",
    Action.ACCOUNT_CREATED: "account name marker (found)",
    Action.ACCOUNT_EDIT_INTENDED: "account",
    Action.ACCOUNT_EDITED: "account",
    Action.ACCOUNT_DELETE_INTENDED: "account name",
    Action.ACCOUNT_DELETED: "account name",
    Action.ARCHIVE_INTENDED: "lines last operator",
    Action.ARCHIVED: "lines last operator",
    Action.GLASS_USED: "principal rule why ends_at review_by",
    Action.GLASS_TOLD: "told",
    Action.GLASS_OVERDUE: "review_by",
    Action.GLASS_REVIEWED: "outcome note",
    Action.BINDING_FOUND: f"{_BINDING} (binding)",
    Action.BINDING_INTENDED: _BINDING,
    Action.BINDING_CREATED: f"{_BINDING} (binding) (found)",
    Action.BINDING_REFUSED: f"{_BINDING} why",
    Action.BINDING_REMOVAL_ASKED: f"{_BINDING} (binding)",
    Action.BINDING_DELETE_INTENDED: f"{_BINDING} (binding)",
    Action.BINDING_DELETED: f"{_BINDING} (binding)",
    Action.BINDING_KEPT: f"{_BINDING} binding other",
}
"""By what happened; in brackets what is there at times only."""
_MAY_BE_EMPTY = {"description", "reason", "reference", "old_description", "new_description", "old_name", "resource",
                 "approvals", "note", "told"}  # fmt: skip
_BY_EITHER = {Action.DELETE_INTENDED, Action.DELETED, Action.RETIRED, Action.FOUND_GONE, Action.LEAK_REPORTED}
_BY_LATCHKEY = {
    Action.PAIRED,
    Action.TERMS_CHANGED,
    Action.EXPIRED,
    Action.FAILED,
    Action.CREATE_INTENDED,
    Action.CREATE_UNKNOWN,
    Action.CREATE_REFUSED,
    Action.CREATED,
    Action.DELETE_FAILED,
    Action.UNDELIVERED,
    Action.UNCLAIMED,
    Action.END_MOVED,
    Action.FOUND_ORPHANED,
    Action.GLASS_TOLD,
    Action.GLASS_OVERDUE,
    *(action for action in Action if action.startswith(("account:", "audit:", "binding:"))),
} - {Action.BINDING_REMOVAL_ASKED}


def wrong(line: Mapping[str, Any]) -> Iterator[str]:
    """What is missing in a line, or does not belong there."""
    action, details = Action(line["action"]), dict(line["details"])
    names = FIELDS[action].split()
    needed, known = {name for name in names if "(" not in name}, {name.strip("()") for name in names}
    if not needed <= set(details) <= known:
        yield f"{action} says {sorted(details)}, not {FIELDS[action]!r}"
    yield from (f"{action} has an empty {name}" for name in sorted(needed - _MAY_BE_EMPTY) if not details.get(name))
    # A leaked key may be of any origin, also where a rule deletes it.
    of_any_key = action in {Action.KEPT, Action.LEAK_REPORTED} or (action in _BY_EITHER and "rule" in details)
    if not of_any_key and not action.startswith("audit:") and not line["request"]:
        yield f"{action} names no request"
    if action not in _BY_EITHER and (line["actor"] == SYSTEM) is not (action in _BY_LATCHKEY):
        yield f"{action} is said to be by {line['actor']}"
