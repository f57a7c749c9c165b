"""Publishing App Home on Slack's Web API."""

from dataclasses import dataclass

from bot.domain.keys import SlackUserId
from bot.services.homes import HomePage
from bot.slack.home import home
from bot.slack.replies import Replies, call


@dataclass(frozen=True, slots=True)
class SlackHomes:
    """Publishes Home on Slack's Web API."""

    replies: Replies

    async def show(self, user: SlackUserId, page: HomePage) -> None:
        """Set somebody's Home. Raises `Throttled`, `Unavailable` or `Undeliverable`."""
        await call(self.replies.client, "views.publish", {"user_id": user, "view": home(page)})
