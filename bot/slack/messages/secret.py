"""The one message that contains a secret. The caller sends it at once and keeps nothing."""

from bot.services.pages import Handover, SecondKey
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Code, Row, context, flat, lines
from bot.slack.messages import snippets
from bot.slack.messages.card import SOON
from bot.slack.messages.facts import called, in_place
from bot.slack.messages.readiness import of_both, readiness_rows
from bot.slack.payloads import ids

FALLBACK = "Your API key. Its secret is in the message itself, never in this notification."


def message(handover: Handover) -> list[Block]:
    """Key and secret, each once, and below them what to do; a text file and configurations are behind the menu."""
    key, resource, second = handover.key, handover.resource, handover.second
    if second is not None:
        return _of_both(handover, second)
    of_key = ids.key_ref(handover.request, handover.attempt)
    replace = [] if handover.replace_after_review else [button("Replace key", ids.REPLACE, of_key)]
    return [
        lines(
            ["Your API key", *_name(key.name), " for ", Bold(called(resource)), f"{in_place(resource)}."],
            ["This is the only time you'll see the secret. Save it now. This message disappears when Slack reloads."],
        ),
        lines(["API key: ", Code(key.id)], ["API secret: ", Code(handover.secret.reveal())]),
        actions(
            button("I saved it", ids.SAVED, of_key, "primary"),
            *replace,
            snippets.chooser(resource.kind, with_file=True),
            block=snippets.block_id(handover.request, handover.attempt),
        ),
        *_whether_it_works(handover),
        context(Bold("I saved it"), " removes this message. ", *_if_lost(handover)),
    ]


def _name(name: str) -> Row:
    """The name of the key, or of both of a pair, to follow "key"."""
    return [" ", Bold(flat(name))] if flat(name) else []


def _if_lost(handover: Handover) -> Row:
    if handover.replace_after_review:
        return ["After the review, you can replace the key until ", handover.replace_until, "."]
    does = " deletes this key and creates a new one, with no new approval until "
    return [Bold("Replace key"), does, handover.replace_until, "."]


def _of_both(handover: Handover, second: SecondKey) -> list[Block]:
    """The same for a pair: both keys and both secrets, each once."""
    resource, also = handover.resource, second.resource
    one, two, of_key = resource.kind.row.label, also.kind.row.label, ids.key_ref(handover.request, handover.attempt)
    return [
        lines(
            ["Your API keys", *_name(handover.key.name), " for ", Bold(called(resource)), " and ",
             Bold(also.kind.row.noun), f"{in_place(resource)}."],
            [
                "This is the only time you'll see the secrets. Save them now. ",
                "This message disappears when Slack reloads.",
            ],
        ),
        lines([f"{one} API key: ", Code(handover.key.id)], [f"{one} API secret: ", Code(handover.secret.reveal())]),
        lines([f"{two} API key: ", Code(second.key.id)], [f"{two} API secret: ", Code(second.secret.reveal())]),
        actions(
            button("I saved them", ids.SAVED, of_key, "primary"),
            button("Replace keys", ids.REPLACE, of_key),
            snippets.chooser(resource.kind, with_file=True, with_other=True),
            block=snippets.block_id(handover.request, handover.attempt),
        ),
        *_whether_they_work(handover, second),
        context(Bold("I saved them"), " removes this message. ", Bold("Replace keys"),
                " deletes both keys and creates new ones, with no new approval until ",
                handover.replace_until, "."),
    ]  # fmt: skip


def _whether_they_work(handover: Handover, second: SecondKey) -> list[Block]:
    rows = [
        readiness_rows(each.resource, each.probe, each.endpoints, each.key.id) if each.probe.verdict else []
        for each in (handover, second)
    ]
    told = of_both(rows[0], handover.resource, rows[1], second.resource)
    is_sure = handover.probe.verdict == second.probe.verdict == "works"
    return [*([lines(*told)] if told else []), *([] if is_sure else [context(SOON)])]


def _whether_it_works(handover: Handover) -> list[Block]:
    """The test results from while the secret was sealed, or else the advice for every new key."""
    probe = handover.probe
    if not probe.verdict:
        return [context(SOON)]
    rows = readiness_rows(handover.resource, probe, handover.endpoints, handover.key.id)
    return [lines(*rows)] if probe.verdict == "works" else [lines(*rows), context(SOON)]
