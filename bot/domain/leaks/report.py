"""Keys whose secret may be in the wrong hands: what was reported, and what people are told about it. Pure values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from bot.domain.keys import ApiKey, Owner, Resource, SlackUserId

COUNTS_FOR = timedelta(hours=24)
"""How long a report counts: until then, another one of the same key sends no more messages."""
MOST_REPORTS = 20
"""How many keys one person can report within `COUNTS_FOR`."""
MOST_AT_ONCE = 10
"""How many keys one report can name."""
MOST_SCANNED = 1000
"""How many keys scanners can report within `COUNTS_FOR`."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A report that counts. `key` is as Confluent had it then; `click` is the click that reported it.

    `by` is "" for a report of a scanner.
    """

    key: ApiKey
    by: SlackUserId
    at: datetime
    click: str
    source: str = ""
    """Which scanner found it; "" if a person reported it."""
    url: str = ""
    """Where it was found, if that is known: foreign text."""

    @property
    def until(self) -> datetime:
        """When it stops counting."""
        return self.at + COUNTS_FOR


LeakAudience: TypeAlias = Literal["owner", "account-owner", "requester", "manager", "channel"]
"""Who reads the message about a leak: as in `review.Audience`, and people who manage the key."""


@dataclass(frozen=True, slots=True)
class LeakNotice:
    """What one reader is told about a leaked key. `name` is the owner's name, "" if unknown."""

    leak: Leak
    audience: LeakAudience
    owner: Owner
    name: str
    resource: Resource | None
    requester: SlackUserId | None = None
    """Who requested the key, if Latchkey created it."""
    ends_at: datetime | None = None
    is_gone: bool = False
    """Whether the key no longer exists at Confluent."""
    is_ours: bool = False
    """Whether it is a key of Latchkey's own account, which no one can change here."""
