"""What people type is checked before anything is stored: length, secrets, lines of our own, markers of our own."""

from dataclasses import replace

import pytest

from bot.services.commands import Draft
from bot.services.form.validate import LIMITS, text_problems

GOOD = Draft("sa-abc001", "env-dev001", "lkc-dev001", "orders", "reads orders", "for tests")
NEW = replace(GOOD, owner="new", account_name="orders-service", account_description="reads orders")


def test_a_good_form_has_no_problem() -> None:
    assert (text_problems(GOOD), text_problems(NEW)) == ({}, {})


@pytest.mark.parametrize("field", LIMITS)
def test_a_text_has_its_limit(field: str) -> None:
    limit = LIMITS[field]

    assert text_problems(replace(NEW, **{field: "x" * limit})) == {}
    assert list(text_problems(replace(NEW, **{field: "x" * (limit + 1)}))) == [field]


@pytest.mark.parametrize("field", LIMITS)
def test_a_secret_is_refused_and_not_quoted(field: str) -> None:
    secret = "cflt" + "x" * 60
    draft = replace(NEW, **{field: secret})

    assert list(text_problems(draft)) == [field]
    assert secret not in str(text_problems(draft))


@pytest.mark.parametrize(("field", "is_needed"), [("name", True), ("reason", True), ("description", False)])
def test_name_and_reason_are_needed(field: str, *, is_needed: bool) -> None:
    assert list(text_problems(replace(GOOD, **{field: "  "}))) == [field] * is_needed


def test_a_name_of_an_account_counts_where_one_is_created() -> None:
    assert list(text_problems(replace(NEW, account_name=""))) == ["account_name"]
    assert text_problems(replace(GOOD, account_name="x" * 99)) == {}


@pytest.mark.parametrize("text", ["a\nb", "a\u202eb", "a\u2028b", "a\x00b"])
@pytest.mark.parametrize("field", ["name", "description", "account_name", "account_description"])
def test_what_stands_in_a_row_is_one_line(field: str, text: str) -> None:
    assert list(text_problems(replace(NEW, **{field: text}))) == [field]


def test_a_reason_may_have_lines() -> None:
    assert text_problems(replace(GOOD, reason="a\nb")) == {}


@pytest.mark.parametrize("field", ["name", "description"])
def test_latchkeys_own_marker_is_refused(field: str) -> None:
    assert list(text_problems(replace(GOOD, **{field: "orders [lk:R1/1]"}))) == [field]


def test_a_lifetime_is_one_of_the_list() -> None:
    assert list(text_problems(replace(GOOD, lifetime="a week"))) == ["lifetime"]
