"""What the requester reads before sending: a lifetime that the rule allows, and what the roles that they hold mean."""

from datetime import timedelta

import pytest

from bot.domain.authority import HeldRoles, Target
from bot.domain.decision import Allowed, NeedsApproval, Verdict
from bot.domain.keys import MyAccount
from bot.domain.roles import TABLES, Binding
from bot.services.form.advise import FOR_DEVELOPMENT, lifetime_problem, warnings_about
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ORGANIZATION

OWN = MyAccount(DANA.principal)
NOBODY_ELSE, ONE_MORE = Allowed(build.terms(approvals=0)), NeedsApproval(build.terms(), 1)


def warnings(owner: MyAccount | None, verdict: Verdict, *bindings: Binding) -> str:
    held = HeldRoles(DANA, bindings, ORGANIZATION, TABLES["documented"])
    return " ".join(warnings_about(held, Target(owner or ACCOUNT, CLUSTER), verdict))


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
    assert "somebody else still" in warnings(None, ONE_MORE, build.a_binding(DANA))
    assert "nobody else" in warnings(None, NOBODY_ELSE, build.a_binding(DANA))
    assert warnings(None, ONE_MORE) == ""
