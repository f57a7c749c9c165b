"""When a request has to be looked at again: its deadlines, which hold whether or not anybody looks in time."""

from datetime import datetime

from bot.domain.requests import (
    Approved,
    Cancelled,
    Confirmed,
    Denied,
    Expired,
    Failed,
    Keyed,
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


def due(request: Request) -> datetime | None:
    """When somebody has to look at this request again, by its own deadlines; None when it is at rest."""
    match request:
        case Pending():
            return min(request.expires_at, request.next_round or request.expires_at)
        case Approved():
            return request.not_before
        case Working():
            return request.look_at
        case Ready() | Offered():
            return request.claim_by
        case Revealing():
            return request.until
        case Undelivered() | Unclaimed() | Retired():
            return None if request.deleted_at else request.retry_at or request.at
        case Shown() | Confirmed():
            return end_of_life(request)
        case Denied() | Cancelled() | Expired() | Failed():
            return None


def end_of_life(request: Keyed) -> datetime | None:
    """When the key is deleted by its rule; None when it may live for ever. Counted from its creation."""
    lifetime = request.terms.lifetime
    return (request.key.created_at or request.grant.at) + lifetime if lifetime else None
