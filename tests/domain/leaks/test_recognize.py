"""How ids and secrets are told in a text."""

import base64
import zlib

import pytest

from bot.domain.leaks.recognize import has_secret, is_checked, key_ids, shows_secret

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


def with_sum(middle: str) -> str:
    """A secret as Confluent makes them, which no scanner may find in this file."""
    return f"cflt{middle}{base64.b64encode(zlib.crc32(middle.encode()).to_bytes(4, 'little')).decode()[:6]}"


def test_a_secret_is_surely_one_if_it_ends_in_its_own_checksum() -> None:
    real = with_sum("marker0secret" * 4 + "54")

    assert is_checked(f"password={real}.")
    assert not is_checked(f"password={SECRET}.")
    assert not is_checked(f"password={real[:10]}X{real[11:]}.")


@pytest.mark.parametrize(("text", "is_one"), [(f"a {SECRET} b", True), (SECRET[:63], False), ("a" * 64, False)])
def test_a_whole_secret_is_told_by_its_form(text: str, *, is_one: bool) -> None:
    assert shows_secret(text) is is_one
