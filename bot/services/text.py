"""What several messages and pages say: kinds, moments, durations, and who decided a request."""

import re
from datetime import datetime, timedelta
from unicodedata import normalize

from bot.domain import requests as states
from bot.domain.errors import plain
from bot.domain.keys import Resource, SlackUserId

DATE = "\u200b{date_short_pretty} at {time}"
"""Slack's format for a moment. Slack capitalizes its first letter, and our dates are inside sentences."""
DAY = "\u200b{date_short_pretty}"
"""Slack's format for the day of a moment."""
LIFETIMES = (1, 7, 30, 90, 180, 365)
"""The lifetimes that can be chosen, in days."""
LONGEST_TYPED = 150
"""Characters of a name that people type to confirm something. Instead of a longer one, they type the ID."""
KEY_STAYS = "The key stays, and so does access that was also requested with another key."
"""The sentence for people who remove access."""
_CLOUDS = {"aws": "AWS", "azure": "Azure", "gcp": "Google Cloud"}
_DAYS = re.compile(r"[1-9][0-9]{0,3}")
_MARKS = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def when(moment: datetime) -> str:
    """A moment as Slack shows it in the reader's own time zone (mrkdwn)."""
    return f"<!date^{int(moment.timestamp())}^{DATE}|{fallback(moment)}>"


def on_day(moment: datetime) -> str:
    """The day of a moment as Slack shows it in the reader's own time zone (mrkdwn)."""
    return f"<!date^{int(moment.timestamp())}^{DAY}|{fallback(moment)}>"


def fallback(moment: datetime) -> str:
    """A moment for clients that cannot show it in the reader's own time zone."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def shorter(present: datetime | None) -> str:
    """The sentence for an extension that would end a key earlier."""
    expires = f"expires {when(present)}" if present else "never expires"
    return f"The key already {expires}. This would make it expire earlier."


def days_allowed(limit: timedelta | None) -> tuple[int, ...]:
    """Those of `LIFETIMES` that a rule's limit allows; None is no limit."""
    return tuple(days for days in LIFETIMES if limit is None or timedelta(days=days) <= limit)


def is_lifetime(text: str) -> bool:
    """Whether a draft's lifetime can be read: "", or a number of days."""
    return not text or bool(_DAYS.fullmatch(text))


def lifetime_of(text: str) -> timedelta | None:
    """A draft's lifetime; None, which is as long as the rule allows, for "" and for anything but a number of days."""
    return timedelta(days=int(text)) if _DAYS.fullmatch(text) else None


def duration(span: timedelta) -> str:
    """A span of time in the largest unit that says it exactly, but a single day in hours."""
    minutes = max(round(span.total_seconds() / 60), 1)
    units = (("day", 24 * 60, 2), ("hour", 60, 1), ("minute", 1, 1))
    unit, size, _ = next(each for each in units if minutes % each[1] == 0 and minutes >= each[1] * each[2])
    count = minutes // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def unescaped(text: str) -> str:
    """The opposite of `plain`, for sentences that leave mrkdwn."""
    for mark, sign in _MARKS:
        text = text.replace(mark, sign)
    return text


def deciders(request: states.Request) -> frozenset[SlackUserId]:
    """The people who approved or denied a request so far, as far as that is on record."""
    by = [request.by] if isinstance(request, states.Denied) else []
    return frozenset(each.slack for each in (*by, *(approval.by for approval in states.approvals_of(request))))


def decided(request: states.Request) -> str:
    """Who decided or ended a request, and when: one sentence of mrkdwn for a click that comes too late."""
    match request:
        case states.Pending():
            return "This request is waiting for approval."
        case states.Denied():
            return f"<@{request.by.slack}> denied this request {when(request.at)}."
        case states.Cancelled():
            return f"<@{request.ask.requester.slack}> cancelled this request {when(request.at)}."
        case states.Expired():
            return f"No one decided in time, so this request expired {when(request.at)}."
        case states.Done():
            return f"This request was carried out {when(request.at)}."
        case states.Failed():
            return f"This request failed {when(request.at)}. {plain(unescaped(request.happened))}"
        case _:
            people = " and ".join(f"<@{approval.by.slack}>" for approval in request.grant.approvals) or "The policy"
            return f"{people} approved this request {when(request.grant.at)}."


def instead(request: states.Request) -> str:
    """What to say instead of a secret: one sentence of mrkdwn for a click that comes too early or too late."""
    match request:
        case states.Revealing():
            return "Latchkey is already showing you this secret, because of an earlier click."
        case states.Shown() | states.Confirmed():
            at = request.at if isinstance(request, states.Shown) else request.shown_at
            return f"You viewed this secret {when(at)}. It can't be shown again."
        case states.Undelivered():
            return f"This secret can't be shown anymore: {plain(request.why)} Its key is deleted."
        case states.Approved() | states.Working():
            return "Latchkey is creating the key and will message you when you can view its secret."
        case states.Unclaimed():
            return "You didn't view this secret in time, so its key is deleted. Request again with `/apikey create`."
        case _:
            return decided(request)


def called(resource: Resource) -> str:
    """What people call a resource: its name, or for a region "AWS us-east-1"; its ID if it has no name."""
    if not resource.kind.row.is_regional:
        return resource.name or resource.id
    cloud, _, region = resource.id.rpartition(".")
    return f"{_CLOUDS.get(cloud, cloud.upper())} {region}".strip()


def to_confirm(resource: Resource) -> str:
    """What approvers type to confirm this resource: its name, or its ID if the name is too long or isn't one line."""
    name = _in_one_line(resource.name)
    return name if 0 < len(name) <= LONGEST_TYPED else resource.id


def is_confirmed(typed: str, resource: Resource) -> bool:
    """Whether this is what has to be typed."""
    return is_same_text(typed, to_confirm(resource))


def is_same_text(typed: str, wanted: str) -> bool:
    """Whether two texts read the same, however their letters are composed. An empty text equals nothing."""
    return bool(wanted) and _in_one_line(typed) == _in_one_line(wanted)


def _in_one_line(text: str) -> str:
    shown = "".join(each if each.isprintable() else " " for each in normalize("NFC", text))
    return " ".join(shown.split())
