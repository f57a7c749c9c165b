"""Who belongs to our workspace, from every shape in which Slack says so (S2), and which workspace we are (R15)."""

import json

import pytest

from bot.domain.catalog import User
from bot.domain.errors import Refused
from bot.domain.keys import Principal, SlackUserId, TeamId
from bot.services.people.directory import ELSEWHERE, Tenant, admitted, belongs, in_slack, matched, seat
from bot.slack.api.people import _profile
from bot.slack.payloads import read as payloads
from tests.services.world import a_world
from tests.support import build
from tests.support.build import DANA, ERIN, FEMI, TEAM
from tests.support.fakes import FakeSlack
from tests.support.shared import shared

GRID = Tenant(TEAM, "E01")
ALONE = Tenant(TEAM)


def grid(*teams: str, of: str = "E01") -> dict[str, object]:
    return {"enterprise_user": {"id": "U01", "enterprise_id": of, "teams": list(teams)}}


@pytest.mark.parametrize(
    ("said", "in_grid", "alone"),
    [
        ({"team_id": "T01"}, True, True),
        ({"team_id": "T01", **grid("T01", "T02")}, True, True),
        (grid("T02", "T01"), True, False),
        ({"team_id": None, **grid("T01")}, True, False),
        ({"team_id": "T02", **grid("T02", "T01")}, True, False),
        ({"team_id": "E01", **grid("T01")}, True, False),
        ({"profile": {"team": "T02"}, **grid("T01")}, True, False),
        (grid("T02"), False, False),  # of our organization, not of our workspace
        ({"team_id": "T02", **grid("T02", "T03")}, False, False),
        (grid(), False, False),
        ({"enterprise_user": {"id": "U01", "enterprise_id": "E01"}}, False, False),
        (grid("T01", of="E02"), False, False),  # another organization, whatever it says
        (grid("T01", of=""), False, False),
        ({"team_id": "T09", **grid("T09", of="E02")}, False, False),
        ({"team_id": "T01", **grid("T01", of="E02")}, False, True),  # ours, and something that speaks against it
        ({"team_id": "T01", **grid(of="E02")}, False, False),
        ({"team_id": "T01", **grid("T09", of="E02")}, False, False),
        ({"team_id": "T01", **grid("T09")}, False, False),
        ({"team_id": "E02", **grid("T01")}, False, False),
        ({"profile": {"team": "T01"}}, False, False),  # not documented as the membership of anybody
        ({"team_id": "T01", "enterprise_user": []}, True, True),
        ({"team_id": ["T01"]}, False, False),
        ({"team_id": {"id": "T01"}, **grid("T01")}, True, False),
        ({"team_id": "T02", "enterprise_user": {"enterprise_id": "E01", "teams": "T01"}}, False, False),
        ({"team_id": "T02", "enterprise_user": {"enterprise_id": ["E01"], "teams": ["T01"]}}, False, False),
        ({"team_id": "T02", "enterprise_user": {"enterprise_id": "E01", "teams": [None, ["T01"]]}}, False, False),
        ({"team_id": "T09"}, False, False),
        ({"team_id": "E01"}, False, False),
        ({"team_id": "E02"}, False, False),
        ({}, False, False),
        ({"enterprise_user": None}, False, False),
    ],
)
def test_users_info_decides_who_is_a_member(said: dict[str, object], in_grid: bool, alone: bool) -> None:  # noqa: FBT001 - a case of the table
    profile = _profile({"id": "U01", "name": "dana", **said})
    for tenant, expected in ((GRID, in_grid), (ALONE, alone)):
        if expected:
            assert admitted(profile, tenant).team == TEAM
        else:
            with pytest.raises(Refused, match=ELSEWHERE):
                admitted(profile, tenant)


@pytest.mark.parametrize("flag", ["is_restricted", "is_ultra_restricted", "is_stranger", "deleted", "is_bot"])
def test_a_member_of_the_grid_who_is_a_guest_a_bot_a_stranger_or_gone_stays_refused(flag: str) -> None:
    with pytest.raises(Refused):
        admitted(_profile({"id": "U01", flag: True, **grid("T01")}), GRID)


@pytest.mark.parametrize(
    ("user_team", "in_grid", "alone"),
    [
        ("T01", True, True),
        ("E01", None, False),  # the organization, in a suggestion
        ("T02", None, False),  # the home workspace of someone who may be in ours too
        ("", None, None),
        ("E02", False, False),
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        {"team": {"id": "T01", "domain": "acme", "enterprise_id": "E01", "enterprise_name": "Acme"}},
        {"team": {"id": "T02", "domain": "labs"}},
        {"team": {"id": "T01", "domain": "acme"}, "view": {"team_id": "T02", "app_installed_team_id": "T01"}},
        {"team": None, "enterprise": {"id": "E01", "name": "Acme"}, "is_enterprise_install": True},
        {"team": None},
        {},
    ],
)
def test_a_click_rules_out_only_who_cannot_belong_and_is_stored_with_our_workspace(
    around: dict[str, object],
    user_team: str,
    in_grid: bool | None,  # noqa: FBT001 - a case of the table
    alone: bool | None,  # noqa: FBT001 - a case of the table
) -> None:
    body = {"user": {"id": "U01", **({"team_id": user_team} if user_team else {})}, "trigger_id": "1.2", **around}
    claimed = payloads.opening(body).team
    for tenant, expected in ((GRID, in_grid), (ALONE, alone)):
        assert belongs(tenant, claimed) is expected
        assert seat(tenant, claimed) == (user_team if expected is False else TEAM)


def test_a_command_says_where_it_was_typed_and_stays_open_to_a_grid() -> None:
    typed = {"text": "list", "user_id": "U01", "trigger_id": "1.2", "team_id": "T02", "enterprise_id": "E01"}
    assert belongs(GRID, payloads.command(typed).team) is None
    assert belongs(ALONE, payloads.command(typed).team) is False
    assert belongs(GRID, payloads.command({**typed, "team_id": "T01"}).team) is True


def test_in_no_recorded_payload_is_a_member_ruled_out() -> None:
    folder, read = shared("slack-payloads"), 0
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text())
        body = found.get("payload", found) if isinstance(found, dict) else {}
        user = body.get("user")
        if not isinstance(user, dict):
            continue
        read += 1
        place = (body.get("team") or {}).get("id")
        organization = (body.get("team") or {}).get("enterprise_id") or (body.get("enterprise") or {}).get("id") or ""
        claimed = TeamId(str(user.get("team_id") or ""))
        assert belongs(Tenant(TeamId(place or "T-any"), organization), claimed) is not False or not organization, path
    assert read > 10


async def test_who_is_of_elsewhere_is_refused_at_slack_whatever_a_click_says() -> None:
    """Both guards, each alone: a click that rules its user out, and a profile that is of another workspace."""
    outsider = build.a_person("Xavi", team=TeamId("T09"))
    async with a_world() as world:
        world.slack.people.append(outsider)
        directory = world.start().services.directory
        for user, claimed in ((outsider.slack, TEAM), (DANA.slack, TeamId("T09"))):
            with pytest.raises(Refused, match=ELSEWHERE):
                await directory.identify(user, claimed)
        assert (await directory.identify(DANA.slack, TEAM)).team == TEAM


DANAS_USER = User(DANA.principal, DANA.email, "Dana")


@pytest.mark.parametrize(
    ("user", "named", "expected"),
    [
        (DANAS_USER, {}, DANA.slack),
        (DANAS_USER, {ERIN.slack: DANA.principal}, ERIN.slack),  # the policy goes before the address
        (DANAS_USER, {ERIN.slack: FEMI.principal}, DANA.slack),  # a line about someone else
        (DANAS_USER, {SlackUserId("U0GONE"): DANA.principal}, None),  # and no address takes the place of its line
        (User(Principal("u-new"), "", "New"), {}, None),
    ],
)
async def test_the_slack_account_that_the_policy_names_goes_before_the_one_with_the_address(
    user: User, named: dict[SlackUserId, Principal], expected: SlackUserId | None
) -> None:
    profile = await in_slack(user, FakeSlack([DANA, ERIN]), named)

    assert (profile.id if profile else None) == expected


async def test_the_confluent_user_that_the_policy_names_goes_before_the_one_with_the_address() -> None:
    profile = await FakeSlack([DANA]).profile(DANA.slack)
    assert profile is not None
    users = [DANAS_USER, User(FEMI.principal, FEMI.email, "Femi")]

    by_address, by_policy = matched(profile, users, {}), matched(profile, users, {DANA.slack: FEMI.principal})

    assert (by_address.principal, by_address.named) == (DANA.principal, False)
    assert (by_policy.principal, by_policy.named) == (FEMI.principal, True)
    with pytest.raises(Refused, match="doesn't exist"):
        matched(profile, users, {DANA.slack: Principal("u-gone")})


async def test_a_decision_reads_users_and_groups_afresh_and_a_page_may_show_those_of_a_minute_ago() -> None:
    async with a_world() as world:
        directory = world.start().services.directory

        async def seen(*, shown: bool) -> tuple[int, tuple[SlackUserId, ...]]:
            return len(await directory.users(shown=shown)), tuple(await directory.members("S01", shown=shown))

        world.slack.groups["S01"] = [DANA.slack]
        before = await seen(shown=True)
        assert before == (len(world.cloud.people), (DANA.slack,))
        world.slack.groups["S01"] = []
        world.cloud.people.pop()
        assert await seen(shown=True) == before
        now = await seen(shown=False)
        assert now == (before[0] - 1, ())
        assert await seen(shown=True) == now
        deciding = directory.for_one_decision()
        assert await deciding.members("S01", shown=False) == ()
        world.slack.groups["S01"] = [ERIN.slack]
        assert await deciding.members("S01", shown=False) == (), "one decision sees one state"
        assert await seen(shown=False) == (now[0], (ERIN.slack,))
