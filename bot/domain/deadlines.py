"""When a request has to be looked at again: its deadlines, which apply whether or not anyone looks in time."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain import requests as states
from bot.domain.approvals import GlassUse, Terms
from bot.domain.keys import ApiKey
from bot.domain.requests import LEADS, LOOK_EVERY, MOST_OVERLAP, Ask

LEAST_LEFT = timedelta(minutes=30)
"""A reminder leaves the requester at least this long to view the secret."""
CLOCKS_APART = timedelta(hours=1)
"""How far Confluent's clock may be from ours."""


def due(request: states.Request) -> datetime | None:
    """When this request has to be looked at next, by its own deadlines; None at rest."""
    return earliest(_due(request), glass_round(request))


def glass_of(request: states.Request) -> GlassUse | None:
    """The use of break-glass that this request is; None for any other, and for one that ended without a key."""
    if isinstance(request, states.Granted):
        return request.grant.glass
    return request.glass if isinstance(request, states.Failed) else None


def can_be_reviewed(request: states.Request) -> bool:
    """Whether this is a use of break-glass without a review that created a key, or may have."""
    glass = glass_of(request)
    return glass is not None and not glass.review and isinstance(request, states.Keyed | states.Failed)


def review_due(request: states.Request) -> Mapping[str, str]:
    """What the audit log says at the end of a use that still has to be reviewed; empty for any other request."""
    glass = glass_of(request)
    return {"review_by": glass.review_by.isoformat()} if glass and not glass.review else {}


def glass_round(request: states.Request) -> datetime | None:
    """When people are next told about a use of break-glass, or reminded of its review; None when that is over.

    Never while a key is being created or its secret is being shown: the outcome of that is recorded first.
    """
    glass = glass_of(request)
    if glass is None or glass.review or isinstance(request, states.Working | states.Revealing):
        return None
    return glass.next_round


def _due(request: states.Request) -> datetime | None:
    match request:
        case states.Pending():
            end = request.expires_at
            return min(end, request.next_round or end, request.forget_at or end)
        case states.Approved():
            return request.not_before
        case states.Working():
            return request.look_at
        case states.Offered():
            return earliest(request.claim_by, claim_reminder(request))
        case states.Ready():
            return earliest(request.claim_by, claim_reminder(request), request.life.probe.next_at)
        case states.Revealing():
            return request.until
        case states.Shown() | states.Confirmed() | states.Retired() | states.Undelivered() | states.Unclaimed():
            return earliest(*_moments(request))
        case states.Denied() | states.Cancelled() | states.Expired() | states.Done() | states.Failed():
            return None


def last_due(request: states.Request) -> datetime | None:
    """The last moment that is planned for this request; None at rest."""
    if isinstance(request, states.Living | states.Withdrawn):
        return max((each for each in (*_moments(request), glass_round(request)) if each), default=None)
    return request.claim_by if isinstance(request, states.Ready | states.Offered) else due(request)


def _moments(request: states.Living | states.Withdrawn) -> tuple[datetime | None, ...]:
    """When a key that someone has, or that is given up, has to be looked at; None for what isn't planned."""
    if isinstance(request, states.Living):
        return own_end(request), next_reminder(request), end_of_overlap(request), next_look(request)
    own = None if request.deleted_at else request.retry_at or request.at
    return own, end_of_overlap(request) if isinstance(request, states.Retired) else None


def lifetime(ask: Ask, terms: Terms) -> timedelta | None:
    """How long a key lasts: as long as requested, and at most as long as its rule allows; None is no limit."""
    return min((each for each in (ask.lifetime, terms.lifetime) if each is not None), default=None)


def to_claim(ask: Ask, terms: Terms) -> timedelta:
    """How long a new key's secret can be viewed: no longer than the key lasts."""
    return min(each for each in (terms.claim, lifetime(ask, terms)) if each is not None)


def remind_at(begun: datetime, claim_by: datetime) -> datetime | None:
    """When to remind the requester of a secret that waits from `begun` on: with a quarter of the time left.

    None if that would be less than `LEAST_LEFT` before the end and as early as the first message.
    """
    moment = claim_by - max((claim_by - begun) / 4, LEAST_LEFT)
    return moment if moment > begun else None


def claim_reminder(request: states.Ready | states.Offered) -> datetime | None:
    """When the requester is next reminded that the secret is waiting; None if that is over, or not planned."""
    return None if request.reminded else request.remind_at


def is_reminded_to_claim(request: states.Request) -> bool:
    """Whether the requester was reminded of a secret that is still waiting."""
    return isinstance(request, states.Ready | states.Offered) and request.remind_at is not None and request.reminded


def is_shorter(wanted: datetime | None, present: datetime | None) -> bool:
    """Whether one end is before another. None is never."""
    return wanted is not None and (present is None or wanted < present)


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of these moments; None if none is set."""
    return min((each for each in moments if each), default=None)


def end_of_life(request: states.Keyed) -> datetime | None:
    """When the key ends, by Latchkey's own deadline or at Confluent, whichever is earlier. None is never.

    It's for people, and for promises to them. Latchkey deletes by `own_end` alone, because what Confluent says may be
    wrong.
    """
    return earliest(own_end(request), request.key.expires_at)


def ends_at_confluent(request: states.Keyed) -> bool:
    """Whether Confluent expires the key no later than Latchkey would: then nothing can make it last longer."""
    expires, own = request.key.expires_at, own_end(request)
    return expires is not None and (own is None or expires <= own)


def has_expired(key: ApiKey, now: datetime) -> bool:
    """Whether a key that is gone has expired, by a clock up to `CLOCKS_APART` from ours, rather than been deleted."""
    return key.expires_at is not None and key.expires_at <= now + CLOCKS_APART


def in_force(expires_at: datetime | None, now: datetime) -> datetime | None:
    """When Confluent expires a key that exists at `now`; None for a moment that has passed, because it didn't."""
    return expires_at if expires_at and expires_at > now else None


def own_end(request: states.Keyed) -> datetime | None:
    """When Latchkey deletes the key; None is never. Counted from its creation, or its extension.

    Nothing moves the end of a key that was created by break-glass.
    """
    hard = request.grant.glass.ends_at if request.grant.glass else None
    if isinstance(request, states.Living) and (request.life.ends_at or request.life.endless):
        return earliest(request.life.ends_at, hard)
    lasts = lifetime(request.ask, request.terms)
    return earliest(_made_at(request) + lasts if lasts else None, hard)


def _made_at(request: states.Keyed) -> datetime:
    """When the key was created, as Confluent says, but at the earliest about when it was approved.

    At the latest, it's when its secret was shown, or when the approval was no longer fresh.
    """
    said = max(request.key.created_at or request.grant.at, request.grant.at - CLOCKS_APART)
    return min(said, shown_at(request) if isinstance(request, states.Living) else request.grant.fresh_until)


def next_reminder(request: states.Living) -> datetime | None:
    """When to remind the requester next that the key expires; None if no reminder is left.

    Leads that had passed when the secret was shown, or the end was set, don't count: a key that lasts a day never had a
    week left.
    """
    end, begun = end_of_life(request), _end_known_at(request)
    leads = LEADS[request.life.reminded :] if end else ()
    return next((end - lead for lead in leads if end and end - begun > lead), None)


def is_reminded(request: states.Living) -> bool:
    """Whether the requester was reminded of the end. Leads that had passed when they learned about it don't count."""
    end, begun = end_of_life(request), _end_known_at(request)
    return end is not None and any(end - begun > lead for lead in LEADS[: request.life.reminded])


def reminders_behind(request: states.Living, now: datetime) -> int:
    """How many leads have passed at `now`."""
    end = end_of_life(request)
    return sum(end - now <= lead for lead in LEADS) if end else 0


def next_look(request: states.Living) -> datetime:
    """When to check next whether the key still exists: Confluent tells nobody when someone deletes it.

    That is also when Confluent expires it, and again when that has passed by any clock.
    """
    looked, end = request.life.looked_at or shown_at(request), in_force(request.key.expires_at, shown_at(request))
    look = looked + LOOK_EVERY
    if end and end - looked < LOOK_EVERY:
        return min(each for each in (end, end + CLOCKS_APART, look) if each > looked)
    return look


def end_of_overlap(request: states.Living | states.Retired) -> datetime | None:
    """When the key that this one replaced is deleted, or that is tried again; None if there is none."""
    former = request.life.former
    if former is None or former.deleted_at:
        return None
    return former.retry_at or former.until


def longest_overlap(request: states.Living | states.Retired) -> datetime:
    """Until when the key that this one replaced can be kept at most; never longer than this one."""
    # No one knows anymore when the secret of a retired key was shown; it was approved before that.
    begun = request.grant.at if isinstance(request, states.Retired) else shown_at(request)
    limit = begun + min(MOST_OVERLAP, request.terms.overlap)
    return capped(limit, request)


def capped(until: datetime, request: states.Living | states.Retired) -> datetime:
    """`until`, or earlier: the key that this one replaced is kept no longer than either of them can last."""
    old = request.ask.key
    begun = request.grant.at if isinstance(request, states.Retired) else shown_at(request)
    ends = (in_force(key.expires_at, begun) for key in (request.key, old) if key)
    return earliest(until, own_end(request), *ends) or until


def shown_at(request: states.Living) -> datetime:
    """When the requester saw the secret."""
    return request.at if isinstance(request, states.Shown) else request.shown_at


def _end_known_at(request: states.Living) -> datetime:
    """When the requester learned about the present end."""
    return max(shown_at(request), request.life.extended_at or shown_at(request))
