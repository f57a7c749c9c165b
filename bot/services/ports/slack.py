"""What the services need of Slack. The adapters implement it, and so do the fakes of the tests.

Every method may raise `Unavailable`; what else it raises stands beside it.
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
    """A Slack user as `users.info` says now. `email` is normalised, "" when Slack does not tell.

    `team` is "" for some members of an Enterprise Grid: their organization and all their workspaces there say more.
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
        """Read afresh; None when Slack does not know or show this user."""
        ...

    async def by_email(self, email: str) -> Profile | None:
        """Who has this e-mail address, read afresh; None when nobody in the workspace has."""
        ...

    async def members(self, group: str) -> Sequence[SlackUserId]:
        """Members of a user group, read afresh, deactivated people and outsiders too; no such group has nobody."""
        ...


class Channels(Protocol):
    """The members of channels."""

    async def joined(self, channel: str) -> Sequence[SlackUserId]:
        """Members of a channel that Latchkey is in, apps too; of a very large one, the first ones that Slack lists."""
        ...

    async def is_open(self, channel: str) -> bool:
        """Whether everyone in the workspace can open the channel; what Slack does not tell counts as private."""
        ...


class Notifier(Protocol):
    """Everything that Latchkey says in Slack. All raise `Undeliverable`."""

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        """Bring one message up to date: post it, update it, or leave it alone when it shows the right thing.

        `note` is a sentence that the message has to carry besides: what went wrong with another message. `beside` is
        the message in whose thread it stands (see `Surface.root`), or the card that it links to.
        """
        ...

    async def link(self, post: Post) -> str:
        """The address of a message, for people who can see it."""
        ...

    async def digest(self, to: str, digest: Digest, at: CardAt | None) -> CardAt:
        """Show a digest of the review to a person or in a channel: in the message `at`, else in a new one.

        Slack's posting is not idempotent: a crash right after it can leave a second copy.
        """
        ...

    async def backlog(self, to: str, backlog: Backlog) -> None:
        """Say in a channel how many accounts wait for a later review."""

    async def leak(self, to: str, notice: LeakNotice, at: CardAt | None) -> CardAt:
        """Tell a person or a channel of a leaked key: in the message `at`, else in a new one."""
        ...

    async def say(self, to: SlackUserId, reply: ReplyTo, page: TextPage) -> None:
        """Answer a click with what the page says, so that only the person who clicked sees it."""

    async def show_page(self, view: str, page: Page, waiting: str = "") -> None:
        """Put a page into an open modal, after the one that `ReplyTo.waiting` names, however late Slack shows that.

        A modal that was closed meanwhile is not an error.
        """

    async def open_page(self, trigger: str, page: Page) -> None:
        """Open a modal. Slack lets a trigger do so once, within three seconds of its click."""

    async def hand_over(self, reply: ReplyTo, handover: Handover) -> None:
        """Show the secret through the click's own response_url, once, with no retry."""

    async def clear(self, reply: ReplyTo) -> None:
        """Remove the ephemeral message that the click came from."""
