"""What people type is checked before anything is stored: length, secrets, lines of our own, markers of our own."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.authority import Target
from bot.domain.decision import Allowed, NeedsApproval, Verdict
from bot.domain.keys import MyAccount
from bot.domain.roles import Binding
from bot.services.commands import Draft
from bot.services.form.validate import (
    FOR_DEVELOPMENT,
    LIMITS,
    is_blank,
    lifetime_problem,
    text_problems,
    warnings_about,
)
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY

GOOD = Draft("sa-abc001", "env-dev001", "lkc-dev001", "orders", "reads orders", "for tests")
NEW = replace(GOOD, owner="new", account_name="orders-service", account_description="reads orders")
OWN = MyAccount(DANA.principal)
NOBODY_ELSE, ONE_MORE = Allowed(build.terms(approvals=0)), NeedsApproval(build.terms(), 1)


def test_a_good_form_has_no_problem() -> None:
    assert (text_problems(GOOD), text_problems(NEW)) == ({}, {})


@pytest.mark.parametrize("field", LIMITS)
def test_a_text_has_its_limit(field: str) -> None:
    limit = LIMITS[field]

    assert text_problems(build.a_draft(NEW, **{field: "x" * limit})) == {}
    assert list(text_problems(build.a_draft(NEW, **{field: "x" * (limit + 1)}))) == [field]


@pytest.mark.parametrize("secret", ["cflt" + "x" * 60, "aB3+/" * 12 + "wrng"], ids=["today's", "before July 2025"])
@pytest.mark.parametrize("field", LIMITS)
def test_a_secret_is_refused_and_not_quoted(field: str, secret: str) -> None:
    draft = build.a_draft(NEW, **{field: secret})

    assert list(text_problems(draft)) == [field]
    assert secret not in str(text_problems(draft))


@pytest.mark.parametrize("text", ["f0" * 32, "/browse/9/Orders" * 5, "x" * 64, "9aB" * 40])
def test_a_digest_or_a_path_is_no_secret(text: str) -> None:
    assert text_problems(replace(GOOD, reason=text)) == {}


@pytest.mark.parametrize("text", ["  ", "\u200b", "\u200e\ufe0f", "\u3164", "\U000e0020"])
@pytest.mark.parametrize(("field", "is_needed"), [("name", True), ("reason", True), ("description", False)])
def test_name_and_reason_are_needed_so_that_people_can_see_them(field: str, text: str, *, is_needed: bool) -> None:
    assert list(text_problems(build.a_draft(GOOD, **{field: text}))) == [field] * is_needed


@pytest.mark.parametrize(
    "text", [".", "\u05e9\u05dc\u05d5\u05dd", "\U0001f44d\U0001f3fd", "\U000fffff", "\u0b95\u0bbe"]
)
def test_a_text_of_any_script_can_be_seen(text: str) -> None:
    assert not is_blank(text)


def test_a_name_of_an_account_counts_where_one_is_created() -> None:
    assert list(text_problems(replace(NEW, account_name=""))) == ["account_name"]
    assert text_problems(replace(GOOD, account_name="x" * 99)) == {}


@pytest.mark.parametrize("text", ["a\nb", "a\u202eb", "a\u2028b", "a\x00b"])
@pytest.mark.parametrize("field", ["name", "description", "account_name", "account_description"])
def test_what_stands_in_a_row_is_one_line(field: str, text: str) -> None:
    assert list(text_problems(build.a_draft(NEW, **{field: text}))) == [field]


def test_a_reason_may_have_lines() -> None:
    assert text_problems(replace(GOOD, reason="a\nb")) == {}


@pytest.mark.parametrize("field", ["name", "description"])
def test_latchkeys_own_marker_is_refused(field: str) -> None:
    assert list(text_problems(build.a_draft(GOOD, **{field: "orders [lk:R1/1]"}))) == [field]


def test_a_lifetime_is_one_of_the_list() -> None:
    assert list(text_problems(replace(GOOD, lifetime="a week"))) == ["lifetime"]


def warnings(owner: MyAccount | None, verdict: Verdict, *bindings: Binding) -> str:
    held = ((each.role, each.crn) for each in bindings)
    return " ".join(warnings_about(build.holding(DANA, *held), Target(owner or ACCOUNT, CLUSTER), verdict))


@pytest.mark.parametrize(("asked", "most"), [(None, DAY), (DAY, None), (DAY, DAY)])
def test_a_lifetime_within_the_rule_is_fine(asked: timedelta | None, most: timedelta | None) -> None:
    assert lifetime_problem(build.an_ask(lifetime=asked), build.terms(lifetime=most)) is None


def test_a_longer_lifetime_is_refused_with_the_rule_and_its_limit() -> None:
    told = lifetime_problem(build.an_ask(lifetime=2 * DAY), build.terms(lifetime=DAY))

    assert told is not None
    assert "one approval" in told
    assert "24 hours" in told or "1 day" in told


def test_a_key_of_ones_own_account_is_for_development() -> None:
    assert FOR_DEVELOPMENT in warnings(OWN, ONE_MORE)
    assert FOR_DEVELOPMENT not in warnings(None, ONE_MORE)


def test_a_person_without_a_role_there_is_told_that_the_key_may_open_nothing() -> None:
    assert "no role" in warnings(OWN, ONE_MORE)
    assert "no role" not in warnings(OWN, ONE_MORE, build.a_binding(DANA))


def test_a_person_who_could_approve_is_told_whether_someone_else_has_to() -> None:
    assert "someone else still" in warnings(None, ONE_MORE, build.a_binding(DANA))
    assert "no one else" in warnings(None, NOBODY_ELSE, build.a_binding(DANA))
    assert warnings(None, ONE_MORE) == ""
