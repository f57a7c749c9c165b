"""Reads whether someone is in the Slack user groups that a decision depends on, and no more groups than it takes."""

from collections.abc import Awaitable, Callable, Sequence

from bot.domain.authority import HeldRoles
from bot.domain.keys import SlackUserId
from bot.domain.policy import joined


async def looked_up(
    held_roles: HeldRoles,
    unread: Callable[[HeldRoles], str | None],
    members: Callable[[str], Awaitable[Sequence[SlackUserId]]],
) -> HeldRoles:
    """The same person, after looking up the groups that `unread` names one by one, until it names none.

    Raises `Unavailable` for a group that has no members, or that can't be read.
    """
    while (group := unread(held_roles)) is not None:
        held_roles = joined(held_roles, group, frozenset(await members(group)))
    return held_roles
