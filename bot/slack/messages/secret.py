"""The one message that holds a secret. Whoever calls this sends it at once and keeps nothing."""

from bot.domain.keys import MyAccount
from bot.services.pages import Handover
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Code, context, flat, lines, preformatted
from bot.slack.messages import snippets
from bot.slack.messages.card import SOON, called, in_place
from bot.slack.messages.readiness import readiness_rows
from bot.slack.payloads import ids

FALLBACK = "Your API key. Its secret is in the message itself, never in this notification."
_ADDRESS = 400
"""How much of an address stands in the file, so that it is never cut at its end."""


def message(handover: Handover) -> list[Block]:
    """Key, secret, one copyable file like the one that Confluent's console offers, and a choice of configurations."""
    key, resource = handover.key, handover.resource
    of_key = ids.key_ref(handover.request, handover.attempt)
    return [
        lines(
            ["Your API key for ", Bold(called(resource)), f"{in_place(resource)}."],
            ["This is the only time you'll see the secret. Save it now. This message disappears when Slack reloads."],
        ),
        lines(["API key: ", Code(key.id)], ["API secret: ", Code(handover.secret.reveal())]),
        preformatted(_file(handover)),
        snippets.select(resource.kind, snippets.block_id(handover.request, handover.attempt)),
        *_whether_it_works(handover),
        actions(button("I saved it", ids.SAVED, of_key, "primary"), button("Replace key", ids.REPLACE, of_key)),
        context(Bold("I saved it"), " removes this message. ", Bold("Replace key"),
                " deletes this key and creates a new one, with no new approval until ",
                handover.replace_until, "."),
    ]  # fmt: skip


def _whether_it_works(handover: Handover) -> list[Block]:
    """What was found out while the secret was sealed; else what the page says of every new key."""
    probe = handover.probe
    if not probe.verdict:
        return [context(SOON)]
    rows = readiness_rows(handover.resource, probe, handover.endpoints, handover.key.id)
    return [lines(*rows)] if probe.verdict == "works" else [lines(*rows), context(SOON)]


def _file(handover: Handover) -> str:
    """Short by construction: Slack takes 3,000 characters."""
    owner = "own account" if isinstance(handover.owner, MyAccount) else flat(handover.owner.name)
    rows = [
        ("API key", handover.key.id),
        ("API secret", handover.secret.reveal()),
        ("Resource", flat(handover.resource.id)),
        *((label, flat(value, _ADDRESS)) for label, value in _places(handover) if flat(value)),
        ("Owner", f"{flat(handover.owner.id)} ({owner})"),
    ]
    return "\n\n".join(["=== Confluent Cloud API key ===", *(f"{label}:\n{value}" for label, value in rows)])


def _places(handover: Handover) -> list[tuple[str, str]]:
    """Where clients find what the key opens, or what it is for; by the names that Confluent's clients use."""
    resource, endpoints = handover.resource, handover.endpoints
    row = resource.kind.row
    cloud, _, region = resource.id.partition(".") if row.is_regional else ("", "", "")
    return [
        ("For", row.purpose),
        (row.bootstrap, endpoints.bootstrap if row.bootstrap else ""),
        (row.endpoint or ("API" if row.is_wide else f"{row.label} endpoint"), endpoints.rest),
        ("Cloud", cloud),
        ("Region", region),
        ("Environment", resource.environment),
        ("Organization", endpoints.organization if row.is_wide or row.is_regional else ""),
    ]
