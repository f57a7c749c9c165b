"""Rules about the requests of certain people, on the sandbox: who is in a group decides, at every step anew."""

from pathlib import Path

from sandbox.cast import DEV
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.support.play import play, send_anyway
from tests.support.wishes import IN_DEV, ask, review, words_of

BY_GROUP = f"""
version: 1
teams:
  - {{name: platform, members: [{PLATFORM_GROUP}]}}
rules:
  - {{name: two for the platform team, match: {{environment: {DEV}, by: team:platform}}, approvals: 2}}
"""


async def test_who_joins_a_group_while_the_request_waits_comes_under_its_rule(tmp_path: Path) -> None:
    """B6: a policy rule can be about the requests of certain people."""
    async with play(tmp_path, policy=BY_GROUP) as it:
        group, olga = it.stage.slack.workspace.groups[PLATFORM_GROUP], it.person("U0OLGA")
        card = await ask(it, it.dana, IN_DEV)
        assert "Needs 1 approval by" in words_of(card)

        group.members = ["U0DANA", "U0RAVI"]
        await it.approve()
        await it.erin.see("The requester's roles or user groups, or the environment's name, changed.")
        changed = "Policy rule: one approval for every new key → two for the"
        await it.erin.see(changed)
        await it.card_says("Needs 2 approvals by")
        assert it.our_keys() == []

        await it.approve()
        await it.card_says("Needs 1 more approval by")
        await olga.click("Approve", in_channel="C0APPROVE")
        await it.key_is_there()


BY_TEAM = f"""
version: 1
teams:
  - {{name: platform, members: [{PLATFORM_GROUP}]}}
rules:
  - {{name: one of the platform team, match: {{environment: {DEV}}}, approvers: {{one_of: [team:platform]}}}}
"""


async def test_only_the_team_that_a_rule_names_approves_and_the_card_says_so(tmp_path: Path) -> None:
    """B10: a policy rule can say who approves besides having a role."""
    async with play(tmp_path, policy=BY_TEAM) as it:
        page = await review(it.dana, IN_DEV)
        assert "Only the platform team can approve." in page
        await send_anyway(it.dana)
        await it.card_says("Needs 1 approval from the platform team by")

        await it.approve()
        await it.erin.see("The policy accepts approvals only from the platform team. Nothing changed.")
        assert it.our_keys() == []
        await it.person("U0OLGA").click("Approve", in_channel="C0APPROVE")
        await it.key_is_there()


async def test_a_group_that_was_disabled_refuses_and_says_which(tmp_path: Path) -> None:
    async with play(tmp_path, policy=BY_GROUP) as it:
        it.stage.slack.workspace.groups[PLATFORM_GROUP].is_disabled = True

        page = await review(it.dana, IN_DEV)

        assert f"The policy names the user group {PLATFORM_GROUP}" in page.replace("`", "")
        assert "Nothing changed." in page
        assert it.cards() == []
