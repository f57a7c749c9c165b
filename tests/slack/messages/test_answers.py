"""What people read in answer to `/apikey whoami`."""

from dataclasses import replace

import pytest

from bot.domain.authority import HeldRoles
from bot.domain.roles import TABLES
from bot.slack.messages.answers import unknown_blocks, whoami_blocks
from sandbox.slack.blocks import plain_words
from tests.support import build

BY_FILE = "The policy file matches you to this user, not your email address."


def read(held_roles: HeldRoles) -> str:
    return " ".join(plain_words(whoami_blocks(held_roles, {})))


@pytest.mark.parametrize(("named", "says"), [(True, True), (False, False)])
def test_t26_whoami_says_who_is_somebody_by_the_policy_file_alone(*, named: bool, says: bool) -> None:
    assert (BY_FILE in read(build.holding(replace(build.ERIN, named=named)))) == says


@pytest.mark.parametrize(("named", "says"), [(True, False), (False, True)])
def test_t23_whoami_says_that_a_line_in_people_is_missing(*, named: bool, says: bool) -> None:
    table = replace(TABLES["documented"], people_only=True)
    held_roles = replace(build.holding(replace(build.ERIN, named=named)), table=table)

    assert ("listed under people: in the policy can approve, and you aren't listed." in read(held_roles)) == says


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("creat", "create"), ("lst", "list"), ("leak", "leaked"), ("nonsense", ""), ("x" * 3000, ""), ("", "")],
)
def test_a_mistyped_command_is_answered_with_the_one_that_is_most_alike(typed: str, meant: str) -> None:
    said = " ".join(plain_words(unknown_blocks(typed)))

    assert ("Did you mean" in said) is bool(meant)
    assert f"Did you mean /apikey {meant}" in said or not meant


def test_who_types_extend_reads_where_a_key_is_extended() -> None:
    assert "There's no command /apikey extend. To extend a key, open it with /apikey show KEY." in " ".join(
        "".join(plain_words(unknown_blocks("extend"))).split()
    )
