"""Every name that Slack sends back to us: commands, callbacks, blocks, actions. `surface:verb`.

A block ID is a field's name, then what the field depends on (`resource:kafka:env-1`), then the drawing of the page that
added the field (`~0f3a9c12`). Slack may keep what a person chose in a field as long as the view has that ID, even if a
later page shows something else there: so a field that is drawn again from what we know gets a new ID.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from bot.domain.kinds import Kind

COMMAND = "/apikey"
LONGEST = 255
"""How many characters Slack allows in an ID that we choose."""

SHORTCUT_CREATE = "apikey:create"
SHORTCUT_LEAKED = "apikey:leaked"

FORM = "form"
REVIEW = "review"
DENY_REASON = "deny"
QUESTION = "question"
REPLY = "reply"
PAGE = "page"
"""The callback of a page without a form."""

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
"""Opens the page to use break-glass for the request on the review page."""
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
"""An overflow menu. Each option replaces a button, and its value has that button's action and value."""
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
"""The lifetime's block ID contains the limit in seconds, `lifetime:7776000`, because the options depend on it."""
ACCESS_BLOCK = "access"
"""The block ID of the access field contains the kinds of keys, `access:kafka`, because the options depend on them."""
NAMES_BLOCK = "names"
"""The block ID of the names for one entry of access contains the entry's ID, `names:0a1b2c3d`."""
ALSO_BLOCK = "also"
"""The block ID of the second key's field contains the environment, `also:env-1`, because the registry depends on it."""
NAME_BLOCK = "name"
DESCRIPTION_BLOCK = "description"
REASON_BLOCK = "reason"
TICKET_BLOCK = "ticket"
MESSAGE_BLOCK = "message"
LISTED_BLOCK = "listed"
"""How the block ID of buttons in a list of requests begins. A list is no single request's card."""
CLOSES_BLOCK, ANOTHER_BLOCK = "closes", "another"
"""Blocks of a review page: its modal closes when it's sent; it counts even if a similar request is open."""
SNIPPET_BLOCK = "snippet"
"""The block ID of a menu of client configurations contains the key's reference: `snippet:REQUEST/ATTEMPT`."""

LIST = "keys"
EDIT = "edit"
DELETE = "delete"
ROTATE = "rotate"
EXTEND = "extend"
KEY_SNIPPET = "key:snippet"
"""A client configuration chosen on a key's page. The page's private_metadata names the key."""
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
"""Keeps all keys in a message of the review. Its value is a `listed_ref`, as is that of `REVIEW_KEYS`."""
REVIEW_KEYS = "keys:review"


class ResourceField(NamedTuple):
    """What the field for a resource offers: resources of one kind in one environment, and for Flink in one cloud."""

    kind: str
    environment: str = ""
    cloud: str = ""


_DRAWING = re.compile(r"~[0-9a-f]{8}\Z")
_ROOM = LONGEST - 9
"""How many characters of a block ID may precede its drawing."""
_SHORT = "#"
_FOLD = "|"


def any_of(*names: str) -> re.Pattern[str]:
    """A pattern that matches exactly these IDs, for a single listener: Bolt tries listeners in turn, at 25 µs each."""
    return re.compile(rf"\A(?:{'|'.join(map(re.escape, names))})\Z")


def drawing(of: str) -> str:
    """Eight characters that identify one drawing of a page. `of` is the click that it answers."""
    return hashlib.sha256(of.encode()).hexdigest()[:8]


def drawn(block: str, drawing: str, standing: Iterable[str] = ()) -> str:
    """The ID of a field in this drawing of its page. A field that is in the view already keeps its ID."""
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
    """The block ID of the field for a resource, `resource:flink:env-…:aws`: each place has its own field.

    If that is too long for Slack, or ambiguous, it contains a hash of the place, and the view's private_metadata must
    contain the place.
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
    """The place in the block ID of a field for a resource; None if that only has a hash of it."""
    _, _, rest = field(block_id).partition(":")
    if rest.startswith(_SHORT):
        return None
    kind, _, where = rest.partition(":")
    if not is_regional(kind):
        return ResourceField(kind, where)
    environment, _, cloud = where.partition(":")
    return ResourceField(kind, environment, cloud)


def key_ref(request: str, attempt: int) -> str:
    """The value of a button that belongs to one key. A request may have several keys, one after another."""
    return f"{request}/{attempt}"


def listed_ref(owner: str, number: int) -> str:
    """The value of a button for the first `number` keys of one owner, which a message of the review lists."""
    return f"{owner}/{number}"


def key_until(request: str, attempt: int, until: datetime) -> str:
    """The value of a button that moves the time `until`. If it's clicked twice, it takes effect once."""
    return f"{key_ref(request, attempt)}/{int(until.timestamp())}"


def folded(action: str, value: str) -> str:
    """The value of an option that replaces a button with this action and value."""
    return f"{action}{_FOLD}{value}"


def unfolded(option: str) -> tuple[str, str]:
    """The action and the value of the button that an option replaces."""
    action, _, value = option.partition(_FOLD)
    return action, value
