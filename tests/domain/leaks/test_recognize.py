"""How ids and secrets are told in a text."""

import pytest

from bot.domain.leaks.recognize import has_secret, key_ids

KEY, OTHER = "ABCD1234EFGH5678", "WXYZ1234WXYZ1234"
SECRET = "cflt" + "marker0secret" * 4 + "54" + "wrong0"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (KEY, [KEY]),
        (f"sasl.username={KEY}\npassword={SECRET}", [KEY]),
        (f"`{KEY}` and {OTHER}, {KEY}.", [KEY, OTHER]),
        (f"{KEY}:{SECRET}", [KEY]),
        (f"{KEY}X {KEY.lower()} x{KEY} {KEY[:15]}", []),
        ("", []),
    ],
)
def test_ids_are_told_by_their_shape(text: str, found: list[str]) -> None:
    assert list(key_ids(text)) == found


@pytest.mark.parametrize("text", [SECRET, f"x={SECRET}", f"{KEY}/{SECRET}", SECRET[:40], "a" * 32])
def test_what_may_be_a_secret_counts_as_one(text: str) -> None:
    assert has_secret(text)


@pytest.mark.parametrize("text", ["", KEY, f"{KEY} {OTHER}", "the key of the orders service"])
def test_ids_and_words_do_not(text: str) -> None:
    assert not has_secret(text)
