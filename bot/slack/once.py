"""The one message that holds a secret. Whoever calls this sends it at once and keeps nothing."""

from bot.domain.keys import MyAccount
from bot.services.pages import Handover
from bot.slack import ids
from bot.slack.cards import SOON, called, place_of
from bot.slack.kit import Block, Bold, Code, actions, button, context, lines, preformatted

FALLBACK = "Your API key. Its secret is in the message itself, never in this notification."


def message(handover: Handover) -> list[Block]:
    """Key, secret, and one copyable file like the one that Confluent's console offers for download."""
    key, resource = handover.key, handover.resource
    place = f" in {place_of(resource)}" if resource.environment else ""
    return [
        lines(
            ["Your API key for ", Bold(called(resource)), f"{place}."],
            ["The secret is shown this once. Save it now: this message is gone as soon as Slack reloads."],
        ),
        lines(["API key: ", Code(key.id)], ["API secret: ", Code(handover.secret.reveal())]),
        preformatted(_file(handover)),
        actions(
            button("I saved it", ids.SAVED, ids.key_ref(handover.request, handover.attempt), "primary"),
            button("Replace key", ids.REPLACE, ids.key_ref(handover.request, handover.attempt)),
        ),
        context(Bold("I saved it"), " removes this message. ", Bold("Replace key"),
                " deletes this key and makes another one, without a new approval until ",
                handover.replace_until, ". ", SOON),
    ]  # fmt: skip


def _file(handover: Handover) -> str:
    owner = "own account" if isinstance(handover.owner, MyAccount) else handover.owner.name
    rows = [
        "=== Confluent Cloud API key ===",
        "",
        f"API key:\n{handover.key.id}",
        "",
        f"API secret:\n{handover.secret.reveal()}",
        "",
        f"Resource:\n{handover.resource.id}",
        "",
        f"Owner:\n{handover.owner.id} ({owner})",
    ]
    if handover.endpoints.bootstrap:
        rows += ["", f"Bootstrap server:\n{handover.endpoints.bootstrap}"]
    return "\n".join(rows)
