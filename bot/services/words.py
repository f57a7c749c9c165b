"""Sentences about a request that both a late click and a list of requests need."""

from datetime import datetime
from typing import assert_never

from bot.domain.errors import plain
from bot.domain.keys import SlackUserId
from bot.domain.kinds import Kind
from bot.domain.requests import (
    Approved,
    Cancelled,
    Confirmed,
    Denied,
    Done,
    Expired,
    Failed,
    Offered,
    Pending,
    Ready,
    Request,
    Retired,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Working,
)

DATE = "\u200b{date_short_pretty} at {time}"
"""Slack's format for a moment. Slack capitalises the first letter of it, and our dates stand inside sentences."""
KINDS = {
    Kind.KAFKA: "Kafka",
    Kind.SCHEMA_REGISTRY: "Schema Registry",
    Kind.KSQLDB: "ksqlDB",
    Kind.FLINK: "Flink",
    Kind.CLOUD: "Cloud resource management",
    Kind.TABLEFLOW: "Tableflow",
    Kind.GLOBAL: "Global",
}
"""What people call the kinds of keys."""
_MARKS = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def when(moment: datetime) -> str:
    """A moment as Slack shows it in the reader's own time zone (mrkdwn)."""
    return f"<!date^{int(moment.timestamp())}^{DATE}|{fallback(moment)}>"


def fallback(moment: datetime) -> str:
    """A moment for clients that cannot show it in the reader's own time zone."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def unescaped(text: str) -> str:
    """The opposite of `plain`, for sentences that leave mrkdwn."""
    for mark, sign in _MARKS:
        text = text.replace(mark, sign)
    return text


def deciders(request: Request) -> frozenset[SlackUserId]:
    """Who approved or denied a request; nobody where it is open, or ended without a decision that is on record."""
    match request:
        case Denied():
            return frozenset({request.by.slack})
        case Pending() | Cancelled() | Expired() | Failed():
            return frozenset()
        case _:
            return frozenset(approval.by.slack for approval in request.grant.approvals)


def decided(request: Request) -> str:
    """Who ended or decided a request, and when: one sentence of mrkdwn for whoever clicks too late."""
    match request:
        case Pending():
            return "This request waits for a decision."
        case Denied():
            return f"<@{request.by.slack}> denied this request {when(request.at)}."
        case Cancelled():
            return f"<@{request.ask.requester.slack}> cancelled this request {when(request.at)}."
        case Expired():
            return f"Nobody decided in time, so this request expired {when(request.at)}."
        case Done():
            return f"This request was carried out {when(request.at)}."
        case Failed():
            return f"This request failed {when(request.at)}. {plain(unescaped(request.happened))}"
        case (
            Approved()
            | Offered()
            | Working()
            | Ready()
            | Revealing()
            | Shown()
            | Confirmed()
            | Undelivered()
            | Unclaimed()
            | Retired()
        ):
            people = " and ".join(f"<@{approval.by.slack}>" for approval in request.grant.approvals) or "The policy"
            return f"{people} approved this request {when(request.grant.at)}."
        case _:
            assert_never(request)
