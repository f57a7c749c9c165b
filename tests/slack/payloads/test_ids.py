"""The names that Slack sends back to us."""

import pytest

from bot.slack.payloads import ids


@pytest.mark.parametrize(
    "other", ["key:sho", "key:show2", "my key:show", "key:show\n", "key:drop-forme", "key:dropXformer", ""]
)
def test_a_pattern_of_several_ids_matches_these_alone(other: str) -> None:
    either = ids.any_of(ids.SHOW, ids.DROP_FORMER)

    assert either.search(ids.SHOW)
    assert either.search(ids.DROP_FORMER)
    assert not either.search(other)
