"""Names of environments, and which of them a word of the policy means."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.catalog import Environment, called, is_called

WORDS = st.text("ab*", max_size=8)


@pytest.mark.parametrize(
    ("wanted", "names", "others"),
    [
        ("prod", ["prod"], ["Prod", "PROD", "prod-eu", " prod", "prod\n", ""]),
        ("prod-*", ["prod-eu", "prod-"], ["prod", "Prod-eu", "non-prod-eu"]),
        ("*-eu", ["prod-eu", "-eu"], ["prod-eu-1", "prod-EU"]),
        ("a*b*a", ["aba", "a b a", "abba"], ["ab", "aa", "abab"]),
        ("*", ["prod", "*", "two\nlines"], []),
        ("prod?", ["prod?"], ["prods", "prod"]),
        ("[ab]", ["[ab]"], ["a"]),
    ],
)
def test_a_star_is_the_only_wildcard_and_case_counts(wanted: str, names: list[str], others: list[str]) -> None:
    assert [name for name in names if not is_called(name, wanted)] == []
    assert [name for name in others if is_called(name, wanted)] == []


@given(WORDS, st.text("ab", max_size=8))
def test_a_star_stands_for_any_text(wanted: str, name: str) -> None:
    pattern = ".*".join(map(re.escape, wanted.split("*")))

    assert is_called(name, wanted) is (re.fullmatch(pattern, name, re.DOTALL) is not None)


def test_an_environment_without_a_name_is_not_called_by_its_id() -> None:
    found = [Environment("env-1", "prod"), Environment("env-2", "env-2"), Environment("env-3", "")]

    assert called(found) == {"env-1": "prod"}
