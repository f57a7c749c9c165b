"""What people approved: on which terms, each approval, and what enough of them gave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from bot.domain.access import GivenBinding
from bot.domain.keys import Person, SlackUserId


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a rule says of the ticket that a request names."""

    pattern: str
    """What the whole of its name matches, as the policy file has it."""
    url: str = ""
    """The address of a ticket, with `{ticket}` in place of its name; "" where it has none."""
    required: bool = False

    def link(self, name: str) -> str:
        """The address of the ticket of this name, which is quoted; "" where it has none."""
        return self.url.replace("{ticket}", quote(name, safe=""))


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
