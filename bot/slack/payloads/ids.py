"""Every name that Slack sends back to us: commands, callbacks, blocks, actions. `surface:verb`.

A block id is a field's name, then what the field depends on (`resource:kafka:env-1`), then which drawing of the page
brought the field in (`~0f3a9c12`). Slack may keep what a person chose in a field for as long as a view has that id,
even where a later page shows something else there: a field that is drawn anew from what we know gets a new id.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from bot.domain.kinds import Kind

COMMAND = "/apikey"
LONGEST = 255
"""Characters that Slack allows for an id of ours."""

SHORTCUT_CREATE = "apikey:create"
SHORTCUT_LEAKED = "apikey:leaked"

FORM = "form"
REVIEW = "review"
DENY_REASON = "deny"
QUESTION = "question"
REPLY = "reply"
PAGE = "page"
"""The callback of a page that only says something."""

OPEN_FORM = "form:open"
FORM_OWNER = "form:owner"
FORM_ENVIRONMENT = "form:environment"
FORM_KIND = "form:kind"
FORM_CLOUD = "form:cloud"
FORM_RESOURCE = "form:resource"
FORM_LIFETIME = "form:lifetime"
FORM_ACCOUNT = "form:account"
FORM_TEXT = "form:text"
FORM_ACCESS = "form:access"
FORM_ALSO = "form:also"
FORM_AGAIN = "form:again"
REVIEW_BACK = "review:back"
GLASS = "review:glass"
"""Opens the page to use break-glass for what is reviewed."""
GLASS_USE = "glass"
JUSTIFIED = "card:justified"
NOT_JUSTIFIED = "card:not-justified"
"""Opens the modal for the reason why a use of break-glass was not justified."""
GLASS_NOTE = "not-justified"
ANYWAY = "page:anyway"
APPROVE = "card:approve"
CONFIRM = "card:confirm"
"""Opens the modal in which an approval is confirmed."""
APPROVAL = "approve"
DENY = "card:deny"
ASK = "card:ask"
ANSWER = "question:reply"
CANCEL = "asked:cancel"
SHOW = "key:show"
SAVED = "secret:saved"
REPLACE = "key:replace"
SNIPPET = "secret:snippet"
KEY_DETAILS = "key:details"
KEY_EDIT = "key:edit"
KEY_DELETE = "key:delete"
KEY_ROTATE = "key:rotate"
KEY_EXTEND = "key:extend"
DROP_FORMER = "key:drop-former"
KEEP_FORMER = "key:keep-former"
REMOVE_ACCESS = "key:remove-access"
ASK_AGAIN = "outcome:again"
USE_ACCOUNT = "outcome:account"
MORE = "more"
"""An overflow menu, each option of which stands for a button: its value is the button's action and value."""
HELP_REQUESTS = "help:requests"
HELP_WHOAMI = "help:whoami"

OWNER_BLOCK = "owner"
ACCOUNT_BLOCK = "account"
ENVIRONMENT_BLOCK = "environment"
ACCOUNT_NAME_BLOCK = "account_name"
ACCOUNT_DESCRIPTION_BLOCK = "account_description"
KIND_BLOCK = "kind"
CLOUD_BLOCK = "cloud"
RESOURCE_BLOCK = "resource"
LIFETIME_BLOCK = "lifetime"
"""The block id of the lifetime carries the limit in seconds, `lifetime:7776000`: another one offers other options."""
ACCESS_BLOCK = "access"
"""The block id of the access to choose carries the kinds of keys, `access:kafka`: others are offered other access."""
NAMES_BLOCK = "names"
"""The block id of the names for one entry of that carries its id, `names:0a1b2c3d`."""
ALSO_BLOCK = "also"
"""The block id of the second key to choose carries the environment, `also:env-1`: another one has another registry."""
NAME_BLOCK = "name"
DESCRIPTION_BLOCK = "description"
REASON_BLOCK = "reason"
TICKET_BLOCK = "ticket"
MESSAGE_BLOCK = "message"
LISTED_BLOCK = "listed"
"""Begins the block id of buttons in a list of requests: the message around them is about many, and is nobody's card."""
CLOSES_BLOCK, ANOTHER_BLOCK = "closes", "another"
"""Blocks of a review page: the modal closes when it is sent; it counts though there is an open request for the same."""
SNIPPET_BLOCK = "snippet"
"""The block id of a choice of client configurations carries the key that it is of: `snippet:REQUEST/ATTEMPT`."""

LIST = "keys"
EDIT = "edit"
DELETE = "delete"
ROTATE = "rotate"
EXTEND = "extend"
KEY_SNIPPET = "key:snippet"
"""A client configuration, chosen on the page of a key, whose private_metadata names the key."""
HELP = "help:help"
HELP_LIST = "help:list"
LIST_OWNER = "list:owner"
LIST_KIND = "list:kind"
LIST_ENVIRONMENT = "list:environment"
LIST_ORDER = "list:order"
LIST_TEXT = "list:text"
LIST_NEXT = "list:next"
LIST_PREVIOUS = "list:previous"
KEY_LIFETIME = "key:lifetime"
KEY_OVERLAP = "key:overlap"
FILTERS_BLOCK = "filters"
TEXT_BLOCK = "text"
WORD_BLOCK = "word"
LASTS_BLOCK = "lasts"
OVERLAP_BLOCK = "overlap"

LEAK = "leak"
LEAK_BLOCK = "leaked"

KEEP = "keep"
KEY_KEEP = "key:keep"
KEEP_SHOWN, KEEP_BASELINE = "keys:keep", "keys:keep-baseline"
"""Keep all keys of a message of the review. Its value is that of `listed_ref`, as is that of `REVIEW_KEYS`."""
REVIEW_KEYS = "keys:review"


class ResourceField(NamedTuple):
    """What the field for a resource offers: those of one kind, in one environment, for Flink in one cloud."""

    kind: str
    environment: str = ""
    cloud: str = ""


_DRAWING = re.compile(r"~[0-9a-f]{8}\Z")
_ROOM = LONGEST - 9
"""Characters of a block id that stand before its drawing."""
_SHORT = "#"
_FOLD = "|"


def any_of(*names: str) -> re.Pattern[str]:
    """A matcher for these ids and no others, for one listener: Bolt tries each listener in turn, at 25 µs each."""
    return re.compile(rf"\A(?:{'|'.join(map(re.escape, names))})\Z")


def drawing(of: str) -> str:
    """Eight characters that tell one drawing of a page from all others; `of` is the click that it answers."""
    return hashlib.sha256(of.encode()).hexdigest()[:8]


def drawn(block: str, drawing: str, standing: Iterable[str] = ()) -> str:
    """The id of a field in this drawing of its page; a field that stands in the view already keeps the id it has."""
    kept = next((each for each in standing if field(each) == block), "")
    return kept or (f"{block}~{drawing}" if drawing else block)


def field(block_id: str) -> str:
    """The block id without its drawing."""
    return _DRAWING.sub("", block_id)


def is_field(block_id: str, name: str) -> bool:
    """Whether this is the block of the field with this name, whatever it depends on."""
    known = field(block_id)
    return known == name or known.startswith(f"{name}:")


def resource_block(kind: str, environment: str, cloud: str = "") -> str:
    """The block id of the field for a resource, `resource:flink:env-…:aws`: another place is another field.

    Where that is too long for Slack, or could be misread, it names the place by a hash, and the view's private_metadata
    has to hold it.
    """
    parts = (RESOURCE_BLOCK, kind, environment, *((cloud,) if cloud else ()))
    block = ":".join(parts) if environment else f"{RESOURCE_BLOCK}:{kind}"
    is_clear = len(block) <= _ROOM and ":" not in environment + cloud and field(block) == block
    return block if is_clear else f"{RESOURCE_BLOCK}:{_SHORT}{drawing(block)}"


def is_regional(kind: str) -> bool:
    """Whether the field for a resource of this kind depends on the cloud provider too."""
    found = Kind.called(kind)
    return found is not None and found.row.is_regional


def place_of(block_id: str) -> ResourceField | None:
    """The place that the block id of a field for a resource names; None where it could only name it by a hash."""
    _, _, rest = field(block_id).partition(":")
    if rest.startswith(_SHORT):
        return None
    kind, _, where = rest.partition(":")
    if not is_regional(kind):
        return ResourceField(kind, where)
    environment, _, cloud = where.partition(":")
    return ResourceField(kind, environment, cloud)


def key_ref(request: str, attempt: int) -> str:
    """The value of a button that belongs to one key: a request may have several, one after the other."""
    return f"{request}/{attempt}"


def listed_ref(owner: str, number: int) -> str:
    """The value of a button for the first keys of one owner that a message of the review lists."""
    return f"{owner}/{number}"


def key_until(request: str, attempt: int, until: datetime) -> str:
    """The value of a button that moves the moment `until`: pressed twice as it stands, it moves it once."""
    return f"{key_ref(request, attempt)}/{int(until.timestamp())}"


def folded(action: str, value: str) -> str:
    """The value of an option that stands for a button of this action and value."""
    return f"{action}{_FOLD}{value}"


def unfolded(option: str) -> tuple[str, str]:
    """The action and the value of the button that an option stands for."""
    action, _, value = option.partition(_FOLD)
    return action, value
