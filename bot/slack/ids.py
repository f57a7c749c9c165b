"""Every name that Slack sends back to us: commands, callbacks, blocks, actions. `surface:verb`."""

from datetime import datetime

COMMAND = "/apikey"
LONGEST = 255
"""Characters that Slack lets an id of ours have."""

SHORTCUT_CREATE = "apikey:create"

FORM = "form"
REVIEW = "review"
DENY_REASON = "deny"
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
REVIEW_BACK = "review:back"
APPROVE = "card:approve"
DENY = "card:deny"
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
ASK_AGAIN = "outcome:again"
USE_ACCOUNT = "outcome:account"
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
NAME_BLOCK = "name"
DESCRIPTION_BLOCK = "description"
REASON_BLOCK = "reason"
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

KEEP = "keep"
KEY_KEEP = "key:keep"


def resource_block(kind: str, environment: str, cloud: str = "") -> str:
    """The block id of the field for a resource, `resource:flink:env-…:aws`, so that another place empties it."""
    block = ":".join(filter(None, (RESOURCE_BLOCK, kind, environment, cloud)))
    return block if len(block) <= LONGEST else block[:LONGEST]


def key_ref(request: str, attempt: int) -> str:
    """The value of a button that belongs to one key: a request may have several, one after the other."""
    return f"{request}/{attempt}"


def key_until(request: str, attempt: int, until: datetime) -> str:
    """The value of a button that moves the moment `until`: pressed twice as it stands, it moves it once."""
    return f"{key_ref(request, attempt)}/{int(until.timestamp())}"
