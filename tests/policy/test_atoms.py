"""Which wildcards one name can fit at the same time."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.catalog import is_called
from bot.policyfile.atoms import atoms, unlike

NAMES = ["".join(letters) for length in range(7) for letters in product("abx", repeat=length)]


@given(st.lists(st.text("ab*", min_size=1, max_size=3), max_size=3))
def test_every_combination_that_a_name_fits_is_found_and_no_other(words: list[str]) -> None:
    found = {frozenset(word for word in words if is_called(name, word)) for name in NAMES}

    assert set(atoms(words)) == found


def test_most_names_fit_nothing_but_every_name() -> None:
    assert unlike(atoms(["prod", "prod-*"])) == frozenset()
    assert unlike(atoms(["prod", "*", "prod-*"])) == {"*"}


def test_wildcards_that_would_take_too_long_are_taken_apart() -> None:
    words = [f"*{'ab' * 12}{letter}*{'ba' * 12}*" for letter in "abcdefgh"]

    assert set(atoms(words)) == {frozenset(), *(frozenset({word}) for word in words)}
