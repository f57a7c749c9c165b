"""The ports to Slack. The adapters implement them, and so do the tests' fakes.

Every method may raise `Unavailable`; other errors are named at the method.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain.keys import SlackUserId, TeamId
from bot.domain.leaks.report import LeakNotice
from bot.domain.requests import Request
from bot.domain.review import Backlog, Digest
from bot.services.commands import CardAt, ReplyTo
from bot.services.pages import Handover, Page, TextPage
from bot.services.ports.store import Post
from bot.services.surfaces import Surface


@dataclass(frozen=True, slots=True)
class Profile:
    """A Slack user, as in `users.info`. `email` is normalized, and "" if Slack doesn't show it.

    `team` is "" for some members of an Enterprise Grid. Then `enterprise` and `teams`, all their workspaces, say more.
    """

    id: SlackUserId
    team: TeamId
    name: str
    email: str
    email_confirmed: bool
    is_bot: bool
    is_guest: bool
    deleted: bool
    enterprise: str = ""
    teams: tuple[TeamId, ...] = ()


class People(Protocol):
    """Slack users and user groups."""

    async def profile(self, user: SlackUserId) -> Profile | None:
        """The user, read from Slack; None if Slack doesn't know or show them."""
        ...

    async def by_email(self, email: str) -> Profile | None:
        """The user with this email address, read from Slack; None if nobody in the workspace has it."""
        ...

    async def members(self, group: str) -> Sequence[SlackUserId]:
        """A user group's members, read from Slack, including deactivated people and outsiders.

        Empty if there's no such group.
        """
        ...


class Channels(Protocol):
    """The members of channels."""

    async def joined(self, channel: str) -> Sequence[SlackUserId]:
        """Members of a channel that Latchkey is in, including apps; of a very large one, the first that Slack lists."""
        ...

    async def is_open(self, channel: str) -> bool:
        """Whether everyone in the workspace can open the channel. If Slack doesn't say, it counts as private."""
        ...


class Notifier(Protocol):
    """Everything that Latchkey sends in Slack. Every method may raise `Undeliverable`."""

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        """Bring one message up to date: post it, update it, or leave it alone if it's current.

        `note` is a sentence to add, about another message that failed. `beside` is the message in whose thread this one
        is posted (see `Surface.root`), or the card to link to.
        """
        ...

    async def link(self, post: Post) -> str:
        """The address of a message, for people who can see it."""
        ...

    async def digest(self, to: str, digest: Digest, at: CardAt | None) -> CardAt:
        """Show a review's digest to a person or in a channel, in the message `at` or else in a new one.

        Posting in Slack isn't idempotent: a crash right afterward can leave a second copy.
        """
        ...

    async def backlog(self, to: str, backlog: Backlog) -> None:
        """Say in a channel how many accounts wait for a later review."""

    async def leak(self, to: str, notice: LeakNotice, at: CardAt | None) -> CardAt:
        """Tell a person or channel about a leaked key, in the message `at` or else in a new one."""
        ...

    async def say(self, to: SlackUserId, reply: ReplyTo, page: TextPage) -> None:
        """Answer a click with the page's text, visible only to the person who clicked."""

    async def show_page(self, view: str, page: Page, waiting: str = "") -> None:
        """Show a page in an open modal, after the one that `ReplyTo.waiting` names, however late Slack shows that.

        It's not an error if the modal was closed meanwhile.
        """

    async def open_page(self, trigger: str, page: Page) -> None:
        """Open a modal. Slack lets a trigger open one, within three seconds after its click."""

    async def hand_over(self, reply: ReplyTo, handover: Handover) -> None:
        """Show the secret through the click's own response_url, once and without retries."""

    async def clear(self, reply: ReplyTo) -> None:
        """Remove the ephemeral message that the click came from."""
