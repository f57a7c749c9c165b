"""The requester's messages about a request: that it was sent, that its policy changed, and how it ended. Pure.

Slack rings no bell for edits, so each ending is a new message, in the thread of the first one where there is one. The
first one then says its state in a line or two.
"""

from dataclasses import replace

from bot.domain.deadlines import glass_of
from bot.domain.keys import Operation
from bot.domain.requests import (
    Approved,
    Cancelled,
    Denied,
    Done,
    Expired,
    Failed,
    Keyed,
    Living,
    Offered,
    Pending,
    Ready,
    Request,
    Working,
)
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Link, Mention, Row, flat, lines, quote, told
from bot.slack.messages.card import in_a_line, key_of, notified, told_of, wish
from bot.slack.messages.facts import asked_rows, own_account
from bot.slack.messages.progress import Rows, given, progress, review_note, stands
from bot.slack.messages.state import ATTENTION, CREATED, state
from bot.slack.payloads import ids


def asked(request: Request, note: str = "", link: str = "") -> tuple[list[Block], str]:
    """The request while it is in progress; later only its state, because another message says the rest."""
    ask = request.ask
    rows: Rows = [headline(request)]
    if isinstance(request, Pending):
        rows += asked_rows(request, own_account(ask, "your own"))
    is_only = (
        isinstance(request, Done | Failed) and not request.news
    )  # what an older version wrote has no other message
    if is_only or isinstance(request, Pending | Approved | Working | Cancelled):
        rows += progress(request, yours=True)
    elif isinstance(request, Offered | Keyed):
        rows += given(request, yours=True)  # the message about the key says where that stands
    blocks = [lines(*rows)]
    if note:
        blocks.append(lines(told(note)))
    if link:
        blocks.append(lines([Link("Open the card", link), " to talk to approvers in its thread."]))
    if isinstance(request, Pending):
        people = notified("Latchkey notified ", told_of(request), ".")
        blocks += [*people, actions(button("Cancel request", ids.CANCEL, ask.id))]
    return blocks, f"{state(request).word}: {in_a_line(_which(request))}"


def changed(request: Request) -> tuple[list[Block], str]:
    """What a changed policy means for a request that waits; afterwards, that there was such a change."""
    what = told(request.changed) if isinstance(request, Pending) else ["The policy changed while you waited."]
    return [lines(headline(request), what)], f"The policy changed: your request {in_a_line(wish(request.ask))}"


def reviewed(request: Request) -> tuple[list[Block], str]:
    """What someone said of a use of break-glass."""
    glass, ask = glass_of(request), request.ask
    review = glass.review if glass else None
    if glass is None or review is None:
        return [lines(["This message is no longer available."])], "A message about break-glass"
    outcome, note = review.outcome, review_note(request)
    by: Row = [Mention(review.by.slack), " reviewed your use of break-glass ", *wish(ask), *_called(request), " "]
    sign = CREATED.sign if outcome == "justified" else ATTENTION.sign
    expires: Row = ["The key still expires ", glass.ends_at, ". "] if isinstance(request, Ready | Living) else []
    head = lines([f"{sign} ", Bold(outcome.capitalize()), ": ", *by, review.at, "."])
    then = lines([*expires, "You can use break-glass again."])
    said = f"Your use of break-glass was {outcome}: {in_a_line(wish(ask))}"
    return [head, *([quote(note)] if note else []), then], said


def outcome(request: Request, *, is_reply: bool = False) -> tuple[list[Block], str]:
    """How a request ended that led to no key. Only for requests that ended so.

    As a reply to the first message it doesn't repeat what that one says. It mentions the requester, because Slack rings
    for a mention, but perhaps not for a reply in a thread that nobody follows.
    """
    ask = request.ask
    head: Row = [f"{state(request).sign} ", Mention(ask.requester.slack), ": "]
    first, *rest = stands(request, yours=True)
    before = given(request, yours=True)
    if is_reply:
        before = before if isinstance(request, Expired) else []  # approved first, then failed
        blocks = [lines([*head, *first], *rest, *before)]
    else:
        blocks = [lines(headline(request), *before, first, *rest)]
    if isinstance(request, Denied):
        blocks.append(quote(request.reason))
    if isinstance(request, Failed) and request.offer_account:
        blocks.append(actions(button("Use a service account", ids.USE_ACCOUNT, ask.id, "primary")))
    elif isinstance(request, Denied | Expired | Failed):
        blocks.append(actions(again(request)))
    elif isinstance(request, Done) and ask.operation is not Operation.DELETE and ask.key is not None:
        blocks.append(actions(button("Open key", ids.KEY_DETAILS, ask.key.id)))
    rung = f"<@{ask.requester.slack}> " if is_reply else ""
    return blocks, f"{rung}{state(request).word}: {in_a_line(_which(request))}"


def again(request: Request) -> Block:
    """The button to request the same again: the form as it was filled in, or the page of the key that it was about."""
    key = request.ask.key
    if key is not None:
        return button("Open key", ids.KEY_DETAILS, key.id)
    return button("Request again", ids.ASK_AGAIN, request.ask.id)


def headline(request: Request) -> Row:
    """The state of a request, and which one it is."""
    now = state(request)
    return [f"{now.sign} ", Bold(now.word), ": ", *_which(request), *_called(request), "."]


def _called(request: Request) -> Row:
    """The name of a request, to follow what it is for."""
    name = flat(request.ask.name)
    return [f" ({name})"] if name else []


def _which(request: Request) -> Row:
    """The request, or its key once the state is the key's: until a rotation is over, that's the new key."""
    ask = request.ask
    if ask.operation is Operation.ROTATE and isinstance(request, Keyed) and not isinstance(request, Living):
        return key_of(replace(ask, key=request.key))
    if isinstance(request, Keyed | Done) or (isinstance(request, Offered) and ask.operation is not Operation.ROTATE):
        return key_of(ask)
    return ["your request ", *wish(request.ask)]
