"""What is known of a key beside its state, and what is planned for it: whether it works yet, and when it ends."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from bot.domain.catalog import Endpoints

LEADS = (timedelta(days=7), timedelta(days=1), timedelta(hours=1))
"""How long before the end of a key's life its requester is reminded."""
MOST_OVERLAP = timedelta(days=7)
"""How long, at most, the key that a rotation replaces lives on."""
LOOK_EVERY = timedelta(days=30)
"""How often it is looked whether a key that somebody has is still there; its record is written anew then, so that it
lives as long as the key does, sealed with the master key of the day."""
A_DAY_LONGER = timedelta(days=1)
"""What one press of `Keep a day longer` adds."""

Verdict: TypeAlias = Literal["", "works", "no-permission", "unreachable", "gave-up"]
"""`works`: accepted. `no-permission`: refused with 403: its owner may do nothing yet, or an IP filter keeps us out, and
nobody could show that the two answers differ. `unreachable`: not from here, as in a private network. `gave-up`: still
refused after ten minutes. "": not known yet, or no longer asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one probe met. `status` is HTTP's, 0 where nothing answered: no such host, no connection, no TLS."""

    status: int
    detail: str = ""
    """Confluent's own words, or the name of what went wrong: for people, and for operators."""
    reference: str = ""
    """Confluent's X-Request-Id."""
    wait: timedelta | None = None
    """What `Retry-After` asked for."""
    code: str = ""
    """The data plane's own code of an error."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How far the look at a new key is. `next_at` None: there is no further one."""

    verdict: Verdict = ""
    at: datetime | None = None
    """When the verdict was reached."""
    next_at: datetime | None = None
    tries: int = 0
    passed_at: datetime | None = None
    """The first success, where one is not enough."""
    forbidden: int = 0
    unreachable: int = 0
    """How many in a row met nothing."""
    last: str = ""
    """What the last probe met, in words for people."""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class ReplacedKey:
    """The key that a rotation replaced; the request's `ask.key` says which. It is deleted at `until`."""

    until: datetime
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of a key, and planned for it."""

    probe: Probe = field(default=Probe())
    ends_at: datetime | None = None
    """Set by an extension; else the lifetime counts from the key's creation."""
    reminded: int = 0
    """How many of `LEADS` are behind us."""
    former: ReplacedKey | None = None
    endpoints: Endpoints = field(default=Endpoints("", ""))
    """Where to try the key, once its secret was shown."""
    endless: bool = False
    """An extension took the end away."""
    extended_by: str = ""
    """The id of the request that extended it last."""
    extended_at: datetime | None = None
    """When that was."""
    looked_at: datetime | None = None
    """When it was last looked whether the key is still there."""
