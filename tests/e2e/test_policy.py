"""The policy file at work: how many must approve, who is forbidden what, where cards go, what a change of it does."""

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.policyfile import PolicySource
from sandbox.cast import APPROVALS_CHANNEL, BOT_USER, DEV, PROD, Actor, crn
from sandbox.slack.workspace import Channel
from tests.support.play import POLICY_FILE, Play, play
from tests.support.wishes import (
    IN_DEV,
    IN_PRODUCTION,
    OWN_IN_DEV,
    Wish,
    ask,
    buttons,
    later,
    new_policy,
    posted,
    review,
    words_of,
)

TWO = f"""
version: 1
people: [{{slack: U0SECOND, confluent: u-erin01}}]
rules:
  - {{name: two for dev, match: {{environment: {DEV}}}, approvals: 2}}
"""
NONE_IN_DEV = f"""
version: 1
rules:
  - {{name: dev by oneself, match: {{environment: {DEV}}}, approvals: 0}}
"""
MANAGERS_ALONE = NONE_IN_DEV.replace("approvals: 0", "approvals: 0, unless_manager: forbid")
FORBIDDEN = f"""
version: 1
rules:
  - name: production is closed
    match: {{environment: {PROD}}}
    forbid: "Ask <the platform team> & wait until *January*."
"""
OWN_AT_ONCE = "version: 1\nrules:\n  - {name: one's own, match: {owner: me}, approvals: 0}\n"


def lose_roles(it: Play, principal: str) -> None:
    """Take every role binding from someone."""
    bindings = it.stage.organization.role_bindings
    for held in [held for held in bindings.values() if held.principal == principal]:
        del bindings[held.id]


# --- how many ------------------------------------------------------------------------------------------------------


async def test_two_distinct_people_must_approve_and_the_card_says_who_did_and_what_is_missing(tmp_path: Path) -> None:
    async with play(tmp_path, policy=TWO) as it:
        people, channel = it.stage.slack.workspace.people, it.stage.slack.workspace.channels[APPROVALS_CHANNEL]
        people["U0SECOND"] = Actor("U0SECOND", "Erin's other account", "", "castellanos@acme.example")
        channel.members.add("U0SECOND")
        second, olga = it.person("U0SECOND"), it.person("U0OLGA")
        card = await ask(it, it.dana, IN_DEV)
        assert "Needs 2 approvals by" in words_of(card)
        assert "Policy rule: two for dev" in words_of(card)

        await it.approve()
        await it.card_says("Needs 1 more approval by")
        assert "EnvironmentAdmin on dev" in words_of(it.cards()[-1])

        again = "It needs one more person."
        await it.approve()
        await it.erin.see(again)
        await second.click("Approve", in_channel=APPROVALS_CHANNEL)
        await second.see(", and you count as the same Confluent user (`u-erin01`).")
        assert "Needs 1 more approval by" in words_of(it.cards()[-1])
        assert it.our_keys() == []

        await olga.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.card_says("Approved by")
        await it.key_is_there()
        assert [line["actor"] for line in await it.audit("request:approved")] == ["U0ERIN", "U0OLGA"]


async def test_an_approval_whose_giver_lost_the_role_is_replaced_by_another_persons(tmp_path: Path) -> None:
    async with play(tmp_path, policy=TWO) as it:
        olga, ravi = it.person("U0OLGA"), it.person("U0RAVI")
        await ask(it, it.dana, IN_DEV)
        await it.approve()
        await it.card_says("Needs 1 more approval by")
        lose_roles(it, "u-erin01")

        await olga.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.card_says("(OrganizationAdmin)")
        card = words_of(it.cards()[-1])
        assert "Needs 1 more approval by" in card
        assert "EnvironmentAdmin on dev" not in card

        await ravi.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()


async def test_an_approver_who_loses_the_role_before_the_key_is_made_stops_it(tmp_path: Path) -> None:
    async with play(tmp_path, policy=TWO) as it:
        olga = it.person("U0OLGA")
        await ask(it, it.dana, IN_DEV)
        await it.approve()
        await it.card_says("Needs 1 more approval by")
        it.stage.faults.failing = "create"
        await olga.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.card_says("is checking whether a key was created")
        lose_roles(it, "u-olga01")
        it.stage.faults.failing = "none"

        await it.until(lambda: it.card_reads("Failed"), "the request to fail", step=6)
        await it.dana.see("An approval no longer counts: the approver has since lost the role.")
        assert it.our_keys() == []


async def test_no_approval_is_needed_where_the_rule_says_so_and_the_requester_holds_the_authority(
    tmp_path: Path,
) -> None:
    async with play(tmp_path, policy=NONE_IN_DEV) as it:
        page = await review(it.erin, IN_DEV)
        assert "No approval needed." in page
        assert "Policy rule: dev by oneself" in page
        assert "You have EnvironmentAdmin on dev yourself, so no one else has to approve." in page
        await it.erin.submit()
        await it.erin.see("Latchkey is creating the key")
        await it.erin.close()
        await it.erin.click("Show secret")
        await it.erin.see("API secret:")

        (key,) = it.our_keys()
        assert it.erin.sees(it.stage.organization.secrets_issued[key])
        assert buttons(*it.cards()) == []
        assert await it.audit("request:approved") == []


async def test_people_who_do_not_manage_the_key_need_an_approval_where_the_rule_asks_none_of_its_managers(
    tmp_path: Path,
) -> None:
    async with play(tmp_path, policy=NONE_IN_DEV) as it:
        page = await review(it.dana, IN_DEV)
        assert "People who manage this key need no approval. You do, because none of your roles covers it." in page
        assert "Needs 1 approval." in page
        await it.dana.submit()
        await it.card_says("Needs 1 approval by")
        assert it.our_keys() == []
        await it.approve()
        await it.key_is_there()


async def test_a_rule_for_managers_alone_refuses_others_and_asks_again_before_the_key(tmp_path: Path) -> None:
    async with play(tmp_path, policy=MANAGERS_ALONE) as it:
        page = await review(it.dana, IN_DEV)
        assert "This rule needs no approval, but only for people who manage such keys." in page
        assert "(rule: dev by oneself) Nothing was sent." in page

        it.stage.faults.failing = "create"
        await review(it.erin, IN_DEV)
        await it.erin.submit()
        await it.card_says("is checking whether a key was created")
        lose_roles(it, "u-erin01")
        it.stage.faults.failing = "none"
        await it.until(lambda: it.card_reads("Failed"), "the request to fail", step=6)
        await it.erin.see("This rule needs no approval, but only for people who manage such keys.")
        assert it.our_keys() == []


async def test_t23_only_who_has_a_line_in_people_approves_where_the_policy_asks_for_it(tmp_path: Path) -> None:
    policy = "version: 1\nroles: {people_only: true}\npeople: [{slack: U0OLGA, confluent: u-olga01}]\n"
    async with play(tmp_path, policy=policy) as it:
        olga = it.person("U0OLGA")
        page = await review(it.dana, IN_DEV)
        assert "OrganizationAdmin: Olga Lindqvist" in page
        assert "EnvironmentAdmin" not in page.partition("Needs 1 approval")[2]
        await it.dana.submit()
        await it.card_says("Needs 1 approval by")

        await it.approve()
        await it.erin.see("Only people listed under `people:` in the policy can approve, and you aren't listed.")
        await it.erin.command("/apikey whoami")
        await it.erin.see("and you aren't listed.")
        await olga.command("/apikey whoami")
        await olga.see("The policy file matches you to this user, not your email address.")
        await olga.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()
        assert "(u-olga01, per the policy file)" in words_of(it.cards()[-1])


# --- what a rule says ----------------------------------------------------------------------------------------------


async def test_what_a_rule_forbids_is_refused_on_review_in_the_rules_own_words(tmp_path: Path) -> None:
    async with play(tmp_path, policy=FORBIDDEN) as it:
        await review(it.dana, IN_PRODUCTION)
        await it.dana.see(
            "Ask &lt;the platform team&gt; &amp; wait until *January*. (rule: production is closed) Nothing was sent."
        )
        assert it.dana.front().get("submit") is None
        assert posted(it, APPROVALS_CHANNEL) == []


async def test_what_is_forbidden_after_the_review_is_not_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    async with play(tmp_path, policy="version: 1\n") as it:
        await review(it.dana, IN_PRODUCTION)
        await new_policy(it, FORBIDDEN, caplog.records)
        await it.dana.submit()
        await it.dana.see("wait until *January*. (rule: production is closed) Nothing was sent.")
        (line,) = await it.audit("request:refused")
        assert line["actor"] == "U0DANA"


NO_OWN_IN_DEV = """
version: 1
rules:
  - {name: no own keys in dev, match: {environment: env-dev001}, user_keys: off}
"""


async def test_keys_of_ones_own_account_can_be_switched_off(tmp_path: Path) -> None:
    async with play(tmp_path, policy=NO_OWN_IN_DEV) as it:
        page = await review(it.dana, OWN_IN_DEV)
        assert "Personal keys are turned off here. Use a service account." in page
        await it.dana.close()
        await ask(it, it.dana, IN_DEV)


async def test_a_rule_sends_its_cards_to_its_own_channel(tmp_path: Path) -> None:
    policy = f"""
    version: 1
    rules:
      - {{name: production, match: {{environment: {PROD}}}, channel: C0PROD}}
    """
    async with play(tmp_path, policy=policy) as it:
        channels = it.stage.slack.workspace.channels
        channels["C0PROD"] = Channel("C0PROD", "prod-approvals", {BOT_USER, "U0PAVEL", "U0OMAR"}, is_private=True)
        pavel, omar = it.person("U0PAVEL"), it.person("U0OMAR")
        await ask(it, it.dana, IN_PRODUCTION, channel="C0PROD")
        assert posted(it, APPROVALS_CHANNEL) == []

        await omar.click("Approve", in_channel="C0PROD")
        await omar.see("Your Confluent roles don't cover this key")
        await pavel.click("Approve", in_channel="C0PROD")
        await it.key_is_there()
        await pavel.wait_for(lambda: "to view the secret" in str(posted(it, "C0PROD")), "the card to say so")
        assert len(posted(it, "C0PROD")) == 1


# --- who could approve ---------------------------------------------------------------------------------------------


async def test_the_review_page_says_who_can_approve_and_by_which_right(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        page = await review(it.dana, IN_DEV)
        rights = (
            "ResourceOwner on orders-service: Sami Haddad",
            "EnvironmentAdmin on dev: Erin Castellanos",
            "OrganizationAdmin: Ines Carvalho and Olga Lindqvist",
            "ResourceKeyAdmin on the whole organization: Ravi Menon",
        )
        assert "\n".join(f"• {each}" for each in rights) in page
        await it.dana.close()

        it.stage.organization.bind("u-omar01", "EnvironmentAdmin", crn(f"environment={DEV}"))
        it.advance(minutes=2)
        page = await review(it.dana, IN_DEV)
        assert "EnvironmentAdmin on dev: Erin Castellanos and Omar" in page
        who = page.partition("Approvers")[2]
        six = ("Sami Haddad", "Erin Castellanos", "Omar", "Ines Carvalho", "Olga Lindqvist", "Ravi Menon")
        assert sum(each in who for each in six) == 5, "five are named at most"
        # Who the sixth is changes from request to request; Ravi alone has his right, so no one is named beside him.
        assert ("1 more" in who) != ("ResourceKeyAdmin on the whole organization: 1 person" in who)


async def test_who_holds_the_role_is_told_so_and_does_not_count_as_an_approver(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        page = await review(it.erin, IN_DEV)
        assert "You have EnvironmentAdmin on dev yourself, but someone else still has to approve." in page
        assert "OrganizationAdmin: Ines Carvalho and Olga Lindqvist" in page
        assert "EnvironmentAdmin on dev: " not in page


async def test_what_nobody_could_approve_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with play(
        tmp_path, policy=f"version: 1\nrules: [{{name: many, match: {{environment: {DEV}}}, approvals: 5}}]"
    ) as it:
        lose_roles(it, "u-ines01")
        page = await review(it.dana, IN_DEV)
        assert "Nothing was sent, because only 4 of the 5 needed could approve." in page
        assert "(Policy rule: many.)" in page

        for principal in ("u-olga01", "u-ravi01", "u-pavel1", "u-chiyo1"):
            lose_roles(it, principal)
        page = await review(it.dana, Wish("payments-service", "production", "orders"))
        assert "Nothing was sent, because no one else can approve it." in page
        assert "Ask an OrganizationAdmin to give someone a role on this resource" in page
        assert posted(it, APPROVALS_CHANNEL) == []


async def test_the_newest_role_table_changes_the_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    wish = Wish("me", "production", "payments", "payments reader")
    async with play(tmp_path, policy=OWN_AT_ONCE) as it:
        page = await review(it.dana, wish)
        assert "You do, because none of your roles covers it." in page
        assert "Policy rule: one's own" in page

        await new_policy(it, f'{OWN_AT_ONCE}roles: {{table: "2026"}}\n', caplog.records)
        assert "No approval needed." in await review(it.dana, wish)


# --- when the file changes -----------------------------------------------------------------------------------------


async def test_a_changed_file_holds_for_the_next_request_and_a_broken_one_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    opened: list[PolicySource] = []
    real = PolicySource.open.__func__  # type: ignore[attr-defined]

    def impatient(kind: type[PolicySource], *settings: Any) -> PolicySource:
        source: PolicySource = real(kind, *settings)
        source.every = source.settle = 0.05
        opened.append(source)
        return source

    monkeypatch.setattr(PolicySource, "open", classmethod(impatient))
    async with play(tmp_path, policy="version: 1\n") as it:
        assert "Needs 1 approval." in await review(it.dana, IN_PRODUCTION)
        await it.dana.close()

        (tmp_path / POLICY_FILE).write_text(FORBIDDEN)
        await it.until(lambda: "policy reloaded" in caplog.messages, "the new policy")
        assert "production is closed" in await review(it.dana, IN_PRODUCTION)
        assert await readiness(caplog) == (200, "ok")

        (tmp_path / POLICY_FILE).write_text("version: 1\nrules: [{name: x, forbid: no, approvals: 7}]\n")
        await it.until(lambda: any("the old policy still applies" in each for each in caplog.messages), "the complaint")
        status, reason = await readiness(caplog)
        assert status == 200, "the policy before it holds, in this process as in all others"
        assert f"{POLICY_FILE}:2" in reason
        assert "production is closed" in await review(it.dana, IN_PRODUCTION)

        (tmp_path / POLICY_FILE).write_text(NONE_IN_DEV)
        await it.until(lambda: caplog.messages.count("policy reloaded") == 2, "the corrected policy")
        assert "Needs 1 approval." in await review(it.dana, IN_PRODUCTION)
        assert await readiness(caplog) == (200, "ok")


async def readiness(caplog: pytest.LogCaptureFixture) -> tuple[int, str]:
    """The answer of `/readyz`, and what it says about the policy."""
    ports: list[int] = [vars(record)["port"] for record in caplog.records if record.getMessage() == "ready"]
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{ports[-1]}/readyz")
    return answer.status_code, answer.json()["checks"]["policy"]


async def test_a_stricter_policy_holds_for_requests_that_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    async with play(tmp_path, policy="version: 1\n") as it:
        olga = it.person("U0OLGA")
        await ask(it, it.dana, IN_DEV)
        assert "Needs 1 approval by" in words_of(it.cards()[-1])
        await new_policy(it, TWO, caplog.records)

        await it.card_says("Policy rule: one approval for every new key → two for dev. Approvals needed: 1 → 2.")
        await it.dana.see("The policy changed.")
        await it.approve()
        await it.card_says("Needs 1 more approval by")
        assert "Policy rule: two for dev" in words_of(it.cards()[-1])
        await new_policy(it, TWO.replace(DEV, PROD), caplog.records)
        await it.card_says("Policy rule: two for dev → one approval for every new key.")
        await it.approve()
        await it.key_is_there()
        assert olga.ephemerals == []
        first, second = [str(line["details"]) for line in await it.audit("request:terms-changed")]
        assert "one approval for every new key → two for dev" in first
        assert "two for dev → one approval for every new key" in second


async def test_a_new_rule_stops_a_key_that_was_approved_and_is_not_made_yet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    async with play(tmp_path, policy="version: 1\n") as it:
        await ask(it, it.dana, IN_DEV)
        it.stage.faults.failing = "create"
        await it.approve()
        await it.card_says("is checking whether a key was created")
        await new_policy(it, FORBIDDEN.replace(PROD, DEV), caplog.records)
        it.stage.faults.failing = "none"

        await it.until(lambda: it.card_reads("Failed"), "the request to fail", step=6)
        failed = words_of(it.cards()[-1])
        assert "Ask <the platform team> & wait until *January*. (rule: production is closed)" in failed
        await it.dana.see("Nothing changed in Confluent Cloud.")
        assert it.our_keys() == []


async def test_t27_a_rule_that_forbids_what_waits_ends_it_and_takes_its_buttons_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    async with play(tmp_path, policy="version: 1\n") as it:
        await ask(it, it.dana, IN_DEV)
        await new_policy(it, FORBIDDEN.replace(PROD, DEV), caplog.records)
        await it.card_says("wait until *January*. (rule: production is closed)")
        assert buttons(*it.cards()) == []
        await it.dana.see("Nothing was created.")
        assert buttons(*posted(it, APPROVALS_CHANNEL)) == []
        (line,) = await it.audit("request:failed")
        assert "production is closed" in str(line["details"])


async def test_where_no_rule_allows_them_the_form_does_not_offer_keys_of_ones_own_account(tmp_path: Path) -> None:
    policy = "version: 1\nchannel: C0APPROVE\ndefaults: {user_keys: off}\n"
    async with play(tmp_path, policy=policy) as it:
        await it.dana.command("/apikey create")
        await it.dana.see("Existing service account")

        assert not it.dana.sees("My account")
        assert it.dana.sees("Service account")


async def test_a_key_is_deleted_when_it_has_lived_as_long_as_its_rule_lets_it(tmp_path: Path) -> None:
    async with play(tmp_path, policy="version: 1\ndefaults: {lifetime: 30d}\n") as it:
        await it.fill_in()
        await it.dana.submit()
        await it.dana.see("30 days after creation")
        await it.dana.submit()
        await it.card_says("Approve")
        await it.approve()
        await it.dana.click("Show secret")
        await it.dana.click("I saved it")
        await it.dana.see("you saved the secret for key")
        await later(it, days=29)
        assert len(it.our_keys()) == 1
        await later(it, days=1, hours=1)

        await it.dana.see("expired and was deleted")
        await it.until(lambda: it.our_keys() == [], "the key to go")
        await it.card_says("The key expired.")
        assert [line["action"] for line in await it.audit("key:retired")] == ["key:retired"]
