"""What anyone who clicks too late reads, and a step that is taken again while others are quicker."""

import re

import pytest

from bot.domain.errors import Conflict, Refused
from bot.services.requests.transitions import ROUNDS, persistently
from bot.services.text import decided, unescaped, when
from tests.support import build

STATES = build.states()


@pytest.mark.parametrize("kind", STATES)
def test_a_late_click_reads_one_sentence_about_every_state(kind: str) -> None:
    text = decided(STATES[kind])

    assert text.endswith(".")
    assert "<no>" not in text
    assert re.findall(r"<[^@!]", text) == []


def test_a_late_click_reads_who_decided_and_when() -> None:
    assert f"<@{build.ERIN.slack}> denied" in decided(STATES["denied"])
    assert f"<@{build.ERIN.slack}> approved" in decided(STATES["shown"])
    assert when(build.NOW) in decided(STATES["shown"])


def test_a_moment_is_shown_in_the_time_zone_of_its_reader() -> None:
    shown = when(build.NOW)

    assert shown.startswith(f"<!date^{int(build.NOW.timestamp())}^")
    assert shown.endswith("|2026-03-04 05:06 UTC>")


def test_what_was_made_plain_can_be_read_back() -> None:
    assert unescaped("&lt;!channel&gt; &amp;lt;") == "<!channel> &lt;"


async def test_a_step_is_taken_again_while_others_are_quicker() -> None:
    tried: list[int] = []

    async def step() -> str:
        tried.append(1)
        if len(tried) < ROUNDS:
            raise Conflict("Somebody was faster.")
        return "done"

    assert await persistently(step) == "done"
    assert len(tried) == ROUNDS


async def test_who_is_never_quick_enough_reads_that_nothing_changed() -> None:
    async def step() -> None:
        raise Conflict("Somebody was faster.")

    with pytest.raises(Refused, match="Nothing changed"):
        await persistently(step)
