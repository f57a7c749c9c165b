"""Who is reminded of a key's end, and of which: none that was over when the requester learned of the end."""

from datetime import timedelta

import pytest

from bot.domain.deadlines import is_reminded
from bot.domain.requests import Life
from bot.services.commands import Extend
from bot.services.messages import surfaces
from bot.services.surfaces import SurfaceKind
from tests.services.keys.test_change import KEY, a_key, done
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DAY, HOUR


def reminders(world: World) -> int:
    """How many messages have said that a key ends soon."""
    return sum("reminder" in versions[0][0] for versions in world.slack.messages.values())


async def test_an_extension_by_a_week_reminds_nobody_at_once() -> None:
    async with a_world() as world:
        await a_key(world, lifetime=10 * DAY)
        await world.settle(9 * DAY + HOUR)
        assert reminders(world) == 2

        await done(world, Extend(KEY, "The project goes on", "7"))
        await world.settle(HOUR)
        assert reminders(world) == 2

        await world.settle(7 * DAY - 2 * HOUR)
        assert reminders(world) == 4  # a day and an hour before the new end


@pytest.mark.parametrize(("lifetime", "behind", "is_told"), [(DAY, 2, False), (DAY, 3, True), (8 * DAY, 1, True)])
def test_leads_that_were_over_when_the_key_was_made_are_no_reminders(
    lifetime: timedelta, behind: int, *, is_told: bool
) -> None:
    terms, life = build.terms(lifetime=lifetime), Life(reminded=behind)
    request = build.shown(terms=terms, life=life)

    assert is_reminded(request) is is_told
    assert any(surface.kind is SurfaceKind.REMINDER for surface in surfaces(request)) is is_told
