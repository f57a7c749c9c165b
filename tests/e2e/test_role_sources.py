"""Where authority comes from besides role bindings: roles and people that the policy file names, and user groups."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from sandbox.cast import APPROVALS_CHANNEL, DEV, crn
from sandbox.slack.workspace import PLATFORM_GROUP, UserGroup
from tests.support.play import Play, play
from tests.support.wishes import IN_DEV, IN_PRODUCTION, ask, new_policy, review, words_of

TO_A_PERSON = f"""
version: 1
roles:
  mappings:
    - {{user: U0OMAR, role: CloudClusterAdmin, scope: {DEV}/lkc-dev001}}
"""
TO_A_GROUP = f"""
version: 1
roles:
  mappings:
    - {{group: {PLATFORM_GROUP}, role: EnvironmentAdmin, scope: env-prod01}}
    - {{group: S0NOSUCH, role: OrganizationAdmin}}
"""
NO_COVER = "Your Confluent roles don't cover this key"
UNCHANGED = "Nothing changed."
GROUPS_AWAY = "Slack can't look up user groups right now. Nothing changed. Latchkey will keep trying"


def put_into(it: Play, *users: str) -> UserGroup:
    """Make these people the members of the platform group."""
    group = it.stage.slack.workspace.groups[PLATFORM_GROUP]
    group.members = list(users)
    return group


async def test_a_role_that_the_policy_gives_to_a_person_lets_that_person_approve(tmp_path: Path) -> None:
    async with play(tmp_path, policy=TO_A_PERSON) as it:
        omar, mona = it.person("U0OMAR"), it.person("U0MONA")
        page = await review(it.dana, IN_DEV)
        assert "CloudClusterAdmin on orders-dev (dev): Omar" in page
        await it.dana.close()
        await ask(it, it.dana, IN_DEV)

        await mona.click("Approve", in_channel=APPROVALS_CHANNEL)
        await mona.see(NO_COVER)
        await omar.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()
        await it.card_says("CloudClusterAdmin on orders-dev (dev)")


async def test_a_role_that_a_changed_policy_gives_counts_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    by_omar = "CloudClusterAdmin on orders-dev (dev): Omar"
    async with play(tmp_path, policy="version: 1\n") as it:
        assert by_omar not in await review(it.dana, IN_DEV)
        await new_policy(it, TO_A_PERSON, caplog.records)
        assert by_omar in await review(it.dana, IN_DEV)


async def test_a_role_that_the_policy_gives_to_a_group_counts_for_its_members_alone(tmp_path: Path) -> None:
    async with play(tmp_path, policy=TO_A_GROUP) as it:
        group = put_into(it, "U0OMAR", "U0NORA", "U0GUS", "U0XAVI", "U0LEFT")
        channel = it.stage.slack.workspace.channels[APPROVALS_CHANNEL]
        channel.members |= {"U0GUS", "U0XAVI", "U0LEFT"}
        page = await review(it.dana, IN_PRODUCTION)
        assert "EnvironmentAdmin on production: Pavel Novák and Omar" in page  # Omar, and Pavel by his own binding
        await it.dana.close()
        card = await ask(it, it.dana, IN_PRODUCTION)

        for user, reason in {
            "U0GUS": "Guests can't request or approve keys. Ask a member of this workspace to request one for you.",
            "U0XAVI": "Your Slack account belongs to another workspace",
            "U0LEFT": "Your Slack account is deactivated.",
            "U0NORA": "No Confluent Cloud user has your Slack email (nora@acme.example)",
            "U0MONA": NO_COVER,
        }.items():
            person = it.person(user)
            await it.press(user, APPROVALS_CHANNEL, card, "Approve")  # anyone who left has no client to click in
            await person.see(reason)
            await person.see(UNCHANGED)
        assert it.cards() == [card]

        # What Omar held a moment ago is remembered for showing, and is not believed for deciding.
        omar = it.person("U0OMAR")
        await omar.command("/apikey whoami")
        await omar.see("EnvironmentAdmin on production, from Latchkey's policy")
        group.members = []
        await omar.click("Approve", in_channel=APPROVALS_CHANNEL)
        await omar.see(NO_COVER)
        group.members, group.is_disabled = ["U0OMAR"], True
        await omar.click("Approve", in_channel=APPROVALS_CHANNEL)
        await omar.wait_for(lambda: [NO_COVER in words_of(each) for each in omar.ephemerals].count(True) == 2, "both")
        assert it.cards() == [card]

        group.is_disabled = False
        await omar.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()
        # Omar was refused twice alike within a minute: one line, and later one with the number of the rest.
        assert len(await it.audit("approval:refused")) == 6


async def test_a_member_who_leaves_the_group_before_the_key_is_made_stops_it(tmp_path: Path) -> None:
    async with play(tmp_path, policy=TO_A_GROUP) as it:
        omar, group = it.person("U0OMAR"), put_into(it, "U0OMAR")
        await ask(it, it.dana, IN_PRODUCTION)
        it.stage.faults.failing = "create"
        await omar.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.card_says("is checking whether a key was created")
        group.members = []
        it.stage.faults.failing = "none"

        await it.until(lambda: it.card_reads("Failed"), "the request to fail", step=6)
        await it.dana.see("An approval no longer counts: the approver has since lost the role.")
        assert it.our_keys() == []


@pytest.mark.parametrize("fault", ["failing", "rate_limited"])
async def test_while_slack_does_not_tell_who_is_in_a_group_nothing_is_decided(
    tmp_path: Path, fault: Literal["failing", "rate_limited"]
) -> None:
    async with play(tmp_path, policy=TO_A_GROUP) as it:
        omar, faults = it.person("U0OMAR"), it.stage.slack.faults
        put_into(it, "U0OMAR")
        card = await ask(it, it.dana, IN_PRODUCTION)
        faults.method = "usergroups.users.list"
        setattr(faults, fault, -1)

        await omar.click("Deny", in_channel=APPROVALS_CHANNEL)
        await omar.fill({"Reason": "not now"})
        await omar.submit()
        await omar.wait_for(lambda: GROUPS_AWAY in str(omar.modal), "the reason in the modal")
        assert "not now" in str(omar.modal)
        await omar.close(everything=True)
        await omar.click("Approve", in_channel=APPROVALS_CHANNEL)  # of two decisions that wait, the newer one counts
        await omar.see(GROUPS_AWAY)
        assert it.cards() == [card]
        assert it.our_keys() == []

        faults.reset()
        it.advance(minutes=5)
        await it.key_is_there()


async def test_a_line_in_the_policy_says_who_somebody_is_whose_address_does_not_tell(tmp_path: Path) -> None:
    policy = """
    version: 1
    people:
      - {slack: U0NORA, confluent: u-quist1}
      - {slack: U0TESS, confluent: u-tess01}
      - {slack: U0MONA, confluent: u-nobody}
      - {slack: U0GUS, confluent: u-lee001}
    """
    async with play(tmp_path, policy=policy) as it:
        users = it.stage.organization.users
        users["u-quist1"] = replace(users["u-dana01"], id="u-quist1", email="n.quist@acme.example")
        it.stage.organization.bind("u-quist1", "EnvironmentAdmin", crn(f"environment={DEV}"))
        nora, tess, mona, gus = (it.person(user) for user in ("U0NORA", "U0TESS", "U0MONA", "U0GUS"))
        await tess.command("/apikey whoami")
        await tess.see("u-tess01")
        for person, reason in (
            (mona, "The policy matches you to the Confluent user u-nobody, which doesn't exist."),
            (gus, "Guests can't request or approve keys"),
        ):
            await person.command("/apikey whoami")
            await person.see(reason)

        page = await review(it.dana, IN_DEV)
        assert "EnvironmentAdmin on dev: Erin Castellanos and Nora" in page
        await it.dana.close()
        await ask(it, it.dana, IN_DEV)
        await nora.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()
        await it.card_says("EnvironmentAdmin on dev")
