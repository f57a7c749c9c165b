"""What people approved: each approval, and what enough of them gave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.domain.access import GivenBinding
from bot.domain.keys import Person, SlackUserId


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to exactly one ask."""

    by: Person
    basis: str
    """The role that gave the authority, in words."""
    at: datetime
    digest: str
    told: Literal["", "thread", "direct"] = ""
    """Where this person reads that the request came to nothing: below its card, or, not in the channel, in a direct
    message. "" is nowhere: what an older version wrote is told nobody months later."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What enough approvals gave: the right to make one key until `fresh_until`."""

    approvals: tuple[Approval, ...]
    at: datetime
    fresh_until: datetime
    replaced_at: datetime | None = None
    """When the key that a rotation replaces was deleted, if it was before the present one was made."""
    told: tuple[SlackUserId, ...] | None = None
    """The owners of the service account who are told what was done to its key without an approval. None where nothing
    is told beyond the requester: of any other request, and of what an older version wrote."""
    bindings: tuple[GivenBinding, ...] = ()
    """What became of each of the role bindings that were asked for; () before the first is tried."""
