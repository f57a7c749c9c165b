"""Every name that Slack sends back to us: commands, callbacks, blocks, actions. `surface:verb`."""

COMMAND = "/apikey"

SHORTCUT_CREATE = "apikey:create"

FORM = "form"
REVIEW = "review"
DENY_REASON = "deny"
PAGE = "page"
"""The callback of a page that only says something."""

OPEN_FORM = "form:open"
FORM_OWNER = "form:owner"
FORM_ENVIRONMENT = "form:environment"
FORM_CLUSTER = "form:cluster"
FORM_ACCOUNT = "form:account"
FORM_TEXT = "form:text"
REVIEW_BACK = "review:back"
APPROVE = "card:approve"
DENY = "card:deny"
CANCEL = "asked:cancel"
SHOW = "key:show"
SAVED = "secret:saved"
REPLACE = "key:replace"
HELP_REQUESTS = "help:requests"
HELP_WHOAMI = "help:whoami"

OWNER_BLOCK = "owner"
ACCOUNT_BLOCK = "account"
ENVIRONMENT_BLOCK = "environment"
CLUSTER_BLOCK = "cluster"
"""The cluster's block id carries the environment, `cluster:env-…`, so that another environment empties the field."""
NAME_BLOCK = "name"
DESCRIPTION_BLOCK = "description"
REASON_BLOCK = "reason"


def key_ref(request: str, attempt: int) -> str:
    """The value of a button that belongs to one key: a request may have several, one after the other."""
    return f"{request}/{attempt}"
