"""Whether someone is in the Slack user groups on which a decision hangs: as few of them as tell."""

from collections.abc import Awaitable, Callable, Sequence

from bot.domain.authority import HeldRoles
from bot.domain.keys import SlackUserId
from bot.domain.policy import joined


async def looked_up(
    held_roles: HeldRoles,
    unread: Callable[[HeldRoles], str | None],
    members: Callable[[str], Awaitable[Sequence[SlackUserId]]],
) -> HeldRoles:
    """The same person, with the groups that `unread` names one by one, until it names no more.

    Raises `Unavailable` for a group that has no members, or that can't be read.
    """
    while (group := unread(held_roles)) is not None:
        held_roles = joined(held_roles, group, frozenset(await members(group)))
    return held_roles
