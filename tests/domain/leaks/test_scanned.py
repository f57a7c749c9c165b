"""What a report of a secret scanner says, and that nothing of a secret leaves it."""

import json
from typing import Any

import pytest

from bot.domain.keys import KeyId
from bot.domain.leaks.scanned import MOST_MATCHES, Label, TooMany, Unreadable, address, read
from tests.support.build import a_secret_with_its_checksum

KEY, OTHER = KeyId("ABCD1234EFGH5678"), KeyId("WXYZ1234WXYZ1234")
SECRET = a_secret_with_its_checksum()
AT = "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt"


def report(*entries: tuple[str, str] | dict[str, Any]) -> bytes:
    """A report of these tokens and where they were found."""
    full = [each if isinstance(each, dict) else {"token": each[0], "type": "t", "url": each[1]} for each in entries]
    return json.dumps(full).encode()


def test_the_example_of_github_is_read_and_is_no_key_of_ours() -> None:
    body = f'[{{"token":"NMIfyYncKcRALEXAMPLE","type":"mycompany_api_token","url":"{AT}","source":"content"}}]'
    found = read(body.encode())

    assert (found.matches[0].type, found.matches[0].url, found.keys) == ("mycompany_api_token", AT, {})
    assert found.labels({}) == ["false_positive"]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"{", b"{}", b'"x"', b"[1]", b"[[]]", b"[" * 100_000, report({"token": "x"}), report({"type": "t"}),
     report({"token": 1, "type": "t"}), report({"token": "x", "type": None}), report({"token": "", "type": "t" * 201}),
     report({"token": "x", "type": "t", "url": 1})],
)  # fmt: skip
def test_what_is_no_report_is_unreadable_and_not_quoted(body: bytes) -> None:
    with pytest.raises(Unreadable) as raised:
        read(body)
    assert (str(raised.value), raised.value.__cause__, raised.value.__suppress_context__) == (
        "",
        None,
        True,
    ) or not str(raised.value.__context__ or "")


def test_as_many_entries_as_there_may_be_are_read_and_one_more_is_too_many() -> None:
    entries = [("x", AT)] * MOST_MATCHES
    assert len(read(report(*entries)).matches) == MOST_MATCHES
    with pytest.raises(TooMany):
        read(report(*entries, ("x", AT)))


def test_an_address_may_be_missing_or_null() -> None:
    assert read(report({"token": KEY, "type": "t"}, {"token": KEY, "type": "t", "url": None})).keys == {KEY: ""}


def test_the_same_key_twice_is_one_with_the_first_address_that_can_be_shown() -> None:
    found = read(report((KEY, "not an address"), (f"{KEY}:x", AT), (KEY, "https://example.com/b")))

    assert found.keys == {KEY: AT}
    assert len(found.matches) == 3


LABELS: list[tuple[list[tuple[str, str]], dict[KeyId, bool], list[Label | None]]] = [
    ([(KEY, AT)], {KEY: True}, ["true_positive"]),
    ([(KEY, AT)], {KEY: False}, ["false_positive"]),
    ([(KEY, AT)], {}, [None]),
    ([("nonsense", AT)], {}, ["false_positive"]),
    ([(f"{KEY} {OTHER}", AT)], {KEY: False, OTHER: True}, ["true_positive"]),
    ([(f"{KEY} {OTHER}", AT)], {KEY: False}, [None]),
    ([(f"{KEY}:{SECRET}", AT)], {KEY: True}, ["true_positive"]),
    ([(f"{KEY}:{SECRET}", AT)], {KEY: False}, [None]),
    ([(SECRET, AT)], {}, [None]),
    ([("cflt" + "x" * 60, AT)], {}, ["false_positive"]),
    ([(KEY, AT), (SECRET, AT)], {KEY: True}, ["true_positive", "true_positive"]),
    ([(KEY, AT), (SECRET, f"{AT}2")], {KEY: True}, ["true_positive", None]),
    ([(KEY, ""), (SECRET, "")], {KEY: True}, ["true_positive", None]),
    ([(KEY, AT), ("nonsense", AT)], {KEY: True}, ["true_positive", "false_positive"]),
]


@pytest.mark.parametrize(("entries", "exists", "labels"), LABELS)
def test_a_match_is_told_by_what_is_known_of_its_keys(
    entries: list[tuple[str, str]], exists: dict[KeyId, bool], labels: list[Label | None]
) -> None:
    assert read(report(*entries)).labels(exists) == labels


def test_a_secret_without_a_key_beside_it_is_told_apart() -> None:
    assert read(report((SECRET, AT))).alone == [AT]
    assert read(report((SECRET, AT), (KEY, AT))).alone == []
    assert read(report((SECRET, "https://example.com"), (KEY, AT))).alone == ["https://example.com"]
    assert read(report(("nonsense", AT))).alone == []


@pytest.mark.parametrize(
    "url",
    ["", "javascript:alert(1)", "https://u:p@example.com/", "https://example.com/a b", "https://example.com/\u202e",
     "https://example.com/\n", f"https://example.com/?q={SECRET}", "https://example.com/?q=sesame",
     "https://example.com/?q=%73esame", "https://example.com/" + "x" * 600, "github.com/x"],
)  # fmt: skip
def test_an_address_that_may_hold_a_secret_or_is_none_is_left_out(url: str) -> None:
    assert address(url, {"sesame"}) == ""
    assert address(AT, {"sesame"}) == AT


def test_no_value_shows_a_token() -> None:
    assert SECRET not in f"{read(report((SECRET, f'https://example.com/?q={SECRET}')))!r}"
