"""The modal to report a leaked key. It accepts only IDs: what may be a secret is never repeated. Pure functions."""

from collections.abc import Sequence

from bot.domain.keys import KeyId
from bot.slack.blocks.kit import field, modal, text_input
from bot.slack.blocks.text import Block, lines
from bot.slack.payloads import ids

TITLE = "Report a leaked API key"
TYPED = 300
"""How many characters the field accepts."""
SECRET = "That looks like a secret. Don't share it further. Enter the key ID, which is next to it."  # noqa: S105 - a sentence
NO_ID = "Enter a key ID: letters and digits like ABCD1234EFGH5678."
_HINT = "Never enter the secret. Separate several IDs with spaces."
_THEN = (
    "Latchkey notifies the key's owner, the people who manage it and the approvals channel. "
    "They'll see your name and can rotate or delete the key."
)


def report(keys: Sequence[KeyId], notice: str = "") -> Block:
    """Asks which keys leaked; `notice` is a sentence to be read first."""
    typed = text_input(ids.FORM_TEXT, " ".join(keys), limit=TYPED)
    blocks = [
        *([lines(["⚠️ ", notice])] if notice else []),
        lines([_THEN]),
        field("Key ID", ids.LEAK_BLOCK, typed, hint=_HINT),
    ]
    return modal(TITLE, blocks, callback=ids.LEAK, submit="Report", close="Cancel")


def about_message(*, has_ids: bool, is_shown: bool, is_sure: bool) -> str:
    """The sentence about a message that someone reports: what was found in it, and what to do."""
    if not is_shown:
        return "" if has_ids else "Latchkey found no key ID in this message. Enter the ID of the leaked key."
    what = "contains" if is_sure else "seems to contain"
    then = "" if has_ids else " Latchkey found no key ID, and can't tell whose secret it is. Enter the ID of its key."
    delete = "Delete the message, or ask its author to."
    return f"This message {what} an API secret. Latchkey hasn't stored it. {delete}{then}"
