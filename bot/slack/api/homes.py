"""Publishing App Home on Slack's Web API."""

from dataclasses import dataclass

from bot.domain.keys import SlackUserId
from bot.services.browse.home import HomePage
from bot.slack.api.client import Replies, call
from bot.slack.views.home import home


@dataclass(frozen=True, slots=True)
class SlackHomes:
    """Publishes Home on Slack's Web API."""

    replies: Replies

    async def show(self, user: SlackUserId, page: HomePage) -> None:
        """Set somebody's Home. Raises `Throttled`, `Unavailable` or `Undeliverable`."""
        await call(self.replies.client, "views.publish", {"user_id": user, "view": home(page)})
