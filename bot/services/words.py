"""Sentences about a request that both a late click and a list of requests need."""

from datetime import datetime
from typing import assert_never

from bot.domain.errors import plain
from bot.domain.requests import (
    Approved,
    Cancelled,
    Confirmed,
    Denied,
    Expired,
    Failed,
    Offered,
    Pending,
    Ready,
    Request,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Working,
)


def when(moment: datetime) -> str:
    """A moment as Slack shows it in the reader's own time zone (mrkdwn)."""
    fallback = moment.strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


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
        case Failed():
            return f"This request failed {when(request.at)}. {plain(request.happened)}"
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
        ):
            people = " and ".join(f"<@{approval.by.slack}>" for approval in request.grant.approvals) or "The policy"
            return f"{people} approved this request {when(request.grant.at)}."
        case _:
            assert_never(request)
