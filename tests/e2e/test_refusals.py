"""Who may not decide, and who comes too late: each is told why or who was first, and nothing else happens."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from sandbox.cast import APPROVALS_CHANNEL, DEV, Actor, crn
from sandbox.slack.blocks import Json
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.wishes import buttons, words_of

ADMIN = (("EnvironmentAdmin", crn(f"environment={DEV}")),)
UNCHANGED = "Nothing changed."


async def test_who_may_not_decide_reads_why_and_the_request_stays_as_it_was(tmp_path: Path) -> None:
    cases = {
        "U0DANA": "This is your own request, so someone else has to approve it.",
        "U0SECOND": "This is your own request, so someone else has to approve it.",
        "U0GUS": "Guests can't request or approve keys. Ask a member of this workspace to request one for you.",
        "U0XAVI": "Your Slack account belongs to another workspace",
        "U0LEFT": "Your Slack account is deactivated.",
        "U0ROBOT": "Bots can't request or approve keys.",
        "U0NORA": "No Confluent Cloud user has your Slack email (nora@acme.example)",
        "U0TESS": "Two Confluent Cloud users (u-tess01, u-tess02) have the email tess@acme.example",
        "U0VERA": "Slack has no confirmed email address for you",
        "U0KIM": "you have KsqlAdmin on ksqlDB cluster enrichment in orders-dev (dev))",
        "U0PAVEL": "you have EnvironmentAdmin on production)",
        "U0OMAR": "you have Operator on dev)",
        "U0NOROLE": "you have no role",
    }
    async with play(tmp_path) as it:
        _move_in(it, Actor("U0SECOND", "Dana's other account", "", "DANA@acme.example"))
        _move_in(it, Actor("U0ROBOT", "Robot", "", "erin@acme.example", is_bot=True))
        _move_in(it, Actor("U0NOROLE", "Una", "", "una@acme.example", "u-una001"))
        await it.ask()
        (card,) = it.cards()

        for user, reason in cases.items():
            person = _at_the_channel(it, user)
            await it.press(user, APPROVALS_CHANNEL, card, "Approve")
            await person.see(reason)
            await person.see(UNCHANGED)
            assert person.notices == []

        refused = {str(line["actor"]): _details(line) for line in await it.audit("approval:refused")}
        assert refused.keys() == cases.keys()
        assert all(cases[user] in details["reason"] for user, details in refused.items())
        assert {details["tried"] for details in refused.values()} == {"approve"}
        assert it.cards() == [card]
        await it.approve()
        await it.key_is_there()


async def test_who_may_not_approve_may_not_deny_either_and_reads_so_before_writing_a_reason(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        pavel = it.person("U0PAVEL")
        await pavel.click("Deny", in_channel=APPROVALS_CHANNEL)
        await pavel.see("You can't deny “orders producer”. Your Confluent roles don't cover this key")
        assert "Reason" not in str(pavel.front())
        (line,) = await it.audit("approval:refused")
        assert (line["actor"], _details(line)["tried"]) == ("U0PAVEL", "deny")
        assert "Approve" in str(it.cards()[-1])


async def test_a_role_lost_while_a_reason_is_written_denies_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        await it.erin.fill({"Reason": "because"})
        _take_roles(it, "u-erin01")
        await it.erin.submit()
        await it.erin.see("You can't deny “orders producer”. Your Confluent roles don't cover this key")
        assert "because" in str(it.erin.front())
        assert "Approve" in str(it.cards()[-1])


async def test_a_second_slack_account_of_the_same_confluent_user_is_the_same_person(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        # Her Confluent user now has the address of her second Slack account: no id and no address in common.
        it.stage.organization.users["u-dana01"].email = "okafor@acme.example"
        it.stage.organization.bind("u-dana01", *ADMIN[0])
        _move_in(it, Actor("U0SECOND", "Dana Okafor", "", "okafor@acme.example"))
        second = it.person("U0SECOND")
        await second.click("Approve", in_channel=APPROVALS_CHANNEL)
        await second.see("This is your own request, so someone else has to approve it.")
        assert it.our_keys() == []


async def test_a_second_confluent_user_with_the_same_address_is_the_same_person(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        users = it.stage.organization.users
        users["u-dana01"].email = "gone@acme.example"
        users["u-dana99"] = replace(users["u-dana01"], id="u-dana99", email=" Dana@Acme.example ")
        it.stage.organization.bind("u-dana99", *ADMIN[0])
        _move_in(it, Actor("U0SECOND", "Dana Okafor", "", "dana@acme.example"))
        second = it.person("U0SECOND")
        await second.click("Approve", in_channel=APPROVALS_CHANNEL)
        await second.see("This is your own request, so someone else has to approve it.")


async def test_a_role_lost_before_the_click_no_longer_counts(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.erin.command("/apikey whoami", channel=APPROVALS_CHANNEL)
        await it.erin.see("EnvironmentAdmin on dev")
        _take_roles(it, "u-erin01")

        await it.approve()
        await it.erin.see("Your Confluent roles don't cover this key")
        assert len(await it.audit("approval:refused")) == 1
        assert "Needs 1 approval" in str(it.cards()[-1])
        assert it.our_keys() == []


async def test_a_role_lost_between_the_click_and_the_key_stops_the_key(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        people = it.stage.slack.workspace.people
        losses: dict[str, Callable[[], None]] = {
            "U0ERIN": lambda: _take_roles(it, "u-erin01"),
            "U0OLGA": lambda: it.stage.organization.remove_principal("u-olga01"),
            "U0RAVI": lambda: people.update(U0RAVI=replace(people["U0RAVI"], deleted=True)),
        }
        for user, lose in losses.items():
            await it.ask(name=f"approved by {user}")
            it.stage.faults.failing = "create"
            await it.press(user, APPROVALS_CHANNEL, it.cards()[-1], "Approve")
            await it.card_says("is checking whether a key was created")
            lose()
            it.stage.faults.failing = "none"

            await it.until(lambda: it.card_reads("Failed"), "the request to fail", step=6)
            await it.card_says("An approval no longer counts: the approver has since lost the role.")
            await it.card_says("Nothing changed in Confluent Cloud.")
        assert it.our_keys() == []
        assert len(await it.audit("request:failed")) == 3


async def test_a_requester_who_left_gets_no_key_and_the_approver_is_told_about_whom_it_is(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        people = it.stage.slack.workspace.people
        people["U0DANA"] = replace(people["U0DANA"], deleted=True)

        await it.approve()
        await it.erin.see("The requester couldn't be confirmed: Your Slack account is deactivated.")
        await it.erin.see(UNCHANGED)
        assert len(await it.audit("approval:refused")) == 1
        assert "Needs 1 approval" in str(it.cards()[-1])


async def test_two_approvers_at_once_make_one_key_and_the_loser_is_told_who_was_first(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        await it.ask()
        await asyncio.gather(
            it.erin.click("Approve", in_channel=APPROVALS_CHANNEL),
            olga.click("Approve", in_channel=APPROVALS_CHANNEL),
        )
        await it.key_is_there()
        await it.erin.wait_for(lambda: it.erin.ephemerals or olga.ephemerals, "an answer to the slower one")
        (winner,) = [str(line["actor"]) for line in await it.audit("request:approved")]
        answers = {it.erin.user: it.erin.ephemerals, olga.user: olga.ephemerals}
        (loser,) = answers.keys() - {winner}
        await it.erin.wait_for(lambda: answers[loser], "an answer to the slower one")
        assert answers[winner] == [], "the card says it"
        assert f"<@{winner}> approved this request <!date^" in str(answers[loser])
        assert "Your click changed nothing." in str(answers[loser])
        assert len(it.our_keys()) == 1
        assert len(await it.audit("request:approved")) == 1


async def test_a_double_click_approves_once(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,) = it.cards()
        await asyncio.gather(*(it.press("U0ERIN", APPROVALS_CHANNEL, card, "Approve") for _ in range(3)))
        await it.key_is_there()
        await it.erin.wait_for(lambda: len(it.erin.ephemerals) == 2, "an answer to each click that came too late")
        nothing = ("Your click changed nothing more.", "Your later decision counts.")  # one may overtake another
        assert sum(any(words in str(each) for words in nothing) for each in it.erin.ephemerals) == 2
        assert len(await it.audit("request:approved")) == len(await it.audit("key:created")) == 1


async def test_a_late_decision_about_an_approved_request_changes_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,), (asked,) = it.cards(), it.dana.messages()
        olga = it.person("U0OLGA")
        await olga.click("Deny", in_channel=APPROVALS_CHANNEL)
        await olga.fill({"Reason": "too late"})
        await it.approve()
        key = await it.key_is_there()
        await it.card_says("to view the secret")
        before = it.cards()

        await olga.submit()
        await olga.see("<@U0ERIN> approved this request <!date^")
        await olga.see("Your click changed nothing.")
        await it.press("U0ERIN", APPROVALS_CHANNEL, card, "Approve")
        await it.erin.see("Your click changed nothing more.")
        await it.press("U0DANA", it.dana.dm, asked, "Cancel request")
        await it.dana.see("It can no longer be cancelled.")
        assert it.our_keys() == [key]
        assert it.cards() == before


async def test_a_denied_request_stays_denied_and_its_reason_is_read(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,), (asked,) = it.cards(), it.dana.messages()
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        await it.erin.fill({"Reason": "Use the shared key of the orders team."})
        await it.erin.submit()
        await it.erin.see("<@U0DANA> can see your reason.")
        await it.card_says("Denied by")
        await it.dana.see("❌ Denied: your request for a Kafka API key for orders-dev")
        await it.dana.see("Use the shared key of the orders team.")
        assert it.dana.bells[-1]["thread_ts"] == asked["ts"]
        assert "❌ <@U0DANA>: Denied by <@U0ERIN>" in words_of(it.dana.bells[-1])
        assert buttons(it.cards()[-1], *it.dana.messages()) == ["Request again"]

        olga = it.person("U0OLGA")
        await it.press("U0OLGA", APPROVALS_CHANNEL, card, "Approve")
        await olga.see("<@U0ERIN> denied this request <!date^")
        await it.press("U0DANA", it.dana.dm, asked, "Cancel request")
        await it.dana.see("It can no longer be cancelled.")
        assert it.our_keys() == []


async def test_a_reason_for_a_denial_that_is_never_sent_decides_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        await it.erin.fill({"Reason": "Not this week."})
        await it.erin.close()

        await it.approve()

        await it.key_is_there()
        assert await it.audit("request:denied") == []


async def test_only_the_requester_cancels(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,), (asked,) = it.cards(), it.dana.messages()
        olga = it.person("U0OLGA")
        await it.press("U0OLGA", it.dana.dm, asked, "Cancel request")
        await olga.see("Only <@U0DANA> can cancel ")
        assert len(await it.audit("approval:refused")) == 1

        await it.dana.click("Cancel request")
        await it.card_says("Cancelled by")
        await it.press("U0ERIN", APPROVALS_CHANNEL, card, "Approve")
        await it.erin.see("<@U0DANA> cancelled this request <!date^")
        assert "'button'" not in str(it.dana.messages())


async def test_a_click_on_an_unknown_card_is_answered(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,) = it.cards()
        for value in ("0123456789abcdef0123", "../../etc/passwd", "*", "x" * 2000, ""):
            it.erin.reload()
            await it.press("U0ERIN", APPROVALS_CHANNEL, card, "Approve", value=value)
            await it.erin.see("Latchkey doesn't know this request. Nothing changed.")
        assert it.cards() == [card]


async def test_nobody_but_the_requester_sees_or_replaces_the_key(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        message = it.dana.messages()[-1]
        olga = it.person("U0OLGA")
        await it.press("U0OLGA", it.dana.dm, message, "Show secret")
        await olga.see("Only the person who requested this key can see its secret.")
        await it.press("U0OLGA", it.dana.dm, message, "Show secret", action_id="key:replace")
        await olga.wait_for(lambda: len(olga.ephemerals) == 2, "both answers")

        tried = [_details(line)["tried"] for line in await it.audit("secret:show-refused")]
        assert tried == ["show", "replace"]
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")
        assert it.our_keys() == [key]
        assert not olga.sees(it.stage.organization.secrets_issued[key])


async def test_a_second_click_on_show_secret_is_told_when_it_was_shown(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        message = it.dana.messages()[-1]
        await asyncio.gather(*(it.press("U0DANA", it.dana.dm, message, "Show secret") for _ in range(3)))
        await it.dana.wait_for(lambda: len(it.dana.ephemerals) == 3, "three answers")
        secret = it.stage.organization.secrets_issued[key]
        assert sum(secret in str(each) for each in it.dana.ephemerals) == 1
        await it.press("U0DANA", it.dana.dm, message, "Show secret")
        await it.dana.see("You viewed this secret <!date^")
        assert it.our_keys() == [key]


def _move_in(it: Play, person: Actor) -> None:
    """Someone new in Slack and, with a principal, at Confluent."""
    it.stage.slack.workspace.people[person.slack] = person
    if person.principal:
        users = it.stage.organization.users
        users[person.principal] = replace(users["u-dana01"], id=person.principal, email=person.email)
    it.stage.slack.workspace.channels[APPROVALS_CHANNEL].members.add(person.slack)


def _at_the_channel(it: Play, user: str) -> PersonAtClient:
    it.stage.slack.workspace.channels[APPROVALS_CHANNEL].members.add(user)
    return it.dana if user == "U0DANA" else it.person(user)


def _take_roles(it: Play, principal: str) -> None:
    bindings = it.stage.organization.role_bindings
    for held in [held for held in bindings.values() if held.principal == principal]:
        del bindings[held.id]


def _details(line: Mapping[str, object]) -> Json:
    details = line["details"]
    assert isinstance(details, dict)
    return details
