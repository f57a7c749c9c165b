"""What approvers and the requester write to each other about a request."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.keys import SlackUserId


@dataclass(frozen=True, slots=True)
class Remark:
    """A question that an approver asked about a request, or its requester's reply."""

    click: str
    """The id of the click that sent it."""
    number: int
    by: SlackUserId
    name: str
    text: str
    """Removed once it was posted, and then ""."""
    at: datetime
    to: SlackUserId | None = None
    """For a reply, the person who asked."""
    is_direct: bool = False
    """Whether a reply also goes to that person in a direct message, because they aren't in the channel."""
