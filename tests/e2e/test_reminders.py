"""Who is told about a request in a message of their own: those who can decide, once at first and then as reminders."""

from datetime import timedelta
from pathlib import Path

from sandbox.cast import APPROVALS_CHANNEL, DEV, Actor
from sandbox.slack.person import PersonAtClient
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.support.play import Play, play
from tests.support.wishes import IN_DEV, ask, buttons, later, posted, words_of

POLICY = f"""
version: 1
rules:
  - name: dev
    match: {{environment: {DEV}}}
    approvals: 2
    notify: [{PLATFORM_GROUP}, U0ERIN, U0OLGA, U0KIM, U0DANA]
    remind: [2h, 8h]
    pending: 24h
"""
ONE_APPROVAL = POLICY.replace("approvals: 2", "approvals: 1")
UNTOLD = POLICY.replace(f"notify: [{PLATFORM_GROUP}, U0ERIN, U0OLGA, U0KIM, U0DANA]", "notify: none")


def copies(it: Play, *people: PersonAtClient | str) -> dict[str, int]:
    """How many copies of a card each of these people has."""
    users = [person if isinstance(person, str) else person.user for person in people]
    return {user: len(posted(it, it.stage.slack.workspace.dm(user).id)) for user in users}


async def told(it: Play, **times: int) -> None:
    """Wait until each of these people has so many copies."""
    await it.until(lambda: copies(it, *times) == times, f"copies {times}, not {copies(it, *times)}")


def gap(it: Play, person: PersonAtClient) -> timedelta:
    """How long after the card the last copy came, in the time of the sandbox."""
    (card,) = it.cards()
    return timedelta(seconds=float(posted(it, person.dm)[-1]["ts"]) - float(card["ts"]))


def nobody_else(it: Play, *users: str) -> None:
    """These people were written to, and no other was, but the requester."""
    told_something = {
        each.dm_of for each in it.stage.slack.workspace.channels.values() if each.dm_of and posted(it, each.id)
    }
    assert told_something - {"U0DANA"} == set(users)
    assert "Approve" not in buttons(*posted(it, it.dana.dm))


async def test_those_whom_the_rule_names_and_who_can_decide_are_told_once_and_can_decide_there(tmp_path: Path) -> None:
    async with play(tmp_path, policy=POLICY) as it:
        # Kim has no role there, Dana asks herself, Nora has no Confluent user, Gus is a guest; Olga is named twice.
        group = it.stage.slack.workspace.groups[PLATFORM_GROUP]
        group.members = ["U0OLGA", "U0RAVI", "U0NORA", "U0GUS"]
        olga, ravi = it.person("U0OLGA"), it.person("U0RAVI")
        await ask(it, it.dana, IN_DEV)
        await told(it, U0ERIN=1, U0OLGA=1, U0RAVI=1)
        nobody_else(it, "U0ERIN", "U0OLGA", "U0RAVI")
        await it.card_says("Notified in a direct message: ")
        (copy,) = posted(it, olga.dm)
        assert words_of(copy) == words_of(it.cards()[-1])
        assert buttons(copy) == ["Approve", "Deny", "Ask a question"]

        await it.erin.click("Approve", in_channel=it.erin.dm)
        for person in (it.erin, olga, ravi):
            await person.wait_for(lambda p=person: "Needs 1 more approval" in str(posted(it, p.dm)), "a true copy")  # type: ignore[misc]

        await olga.click("Approve", in_channel=olga.dm)
        await it.key_is_there()
        await it.card_says("to view the secret")
        for person in (it.erin, olga, ravi):
            await person.wait_for(lambda p=person: "to view the secret" in str(posted(it, p.dm)), "a true copy")  # type: ignore[misc]
            assert buttons(*posted(it, person.dm)) == []
        assert copies(it, "U0ERIN", "U0OLGA", "U0RAVI") == {"U0ERIN": 1, "U0OLGA": 1, "U0RAVI": 1}


async def test_reminders_go_at_growing_intervals_to_those_who_can_decide_and_have_not(tmp_path: Path) -> None:
    async with play(tmp_path, policy=POLICY) as it:
        olga, sami = it.person("U0OLGA"), it.person("U0SAMI")
        await ask(it, it.dana, IN_DEV)
        await told(it, U0ERIN=1, U0OLGA=1, U0RAVI=1, U0SAMI=0, U0INES=0)
        await it.erin.click("Approve", in_channel=it.erin.dm)
        await it.card_says("Needs 1 more approval")

        # Sami owns the service account, and Ines has every right: the rule does not name them, but they could decide.
        for hours, so_far in ((2, 1), (8, 2)):
            await later(it, hours=hours - 1 if so_far == 1 else 5)
            sami.reload()
            await sami.command("/apikey requests")
            await sami.see("Waiting for your approval")
            await later(it, hours=1)
            await told(it, U0ERIN=1, U0OLGA=so_far + 1, U0RAVI=so_far + 1, U0SAMI=so_far, U0INES=so_far)
            assert gap(it, olga) >= timedelta(hours=hours)
            assert gap(it, sami) >= timedelta(hours=hours)

        await later(it, hours=24)
        await it.card_says("with 1 of 2 approvals")
        await olga.wait_for(lambda: words_of(*posted(it, olga.dm)).count("with 1 of 2 approvals") == 3, "all copies")
        expected = {"U0ERIN": 1, "U0OLGA": 3, "U0RAVI": 3, "U0SAMI": 2, "U0INES": 2}
        assert copies(it, *expected) == expected
        nobody_else(it, *expected)


async def test_nobody_is_reminded_of_what_is_decided(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        olga = it.person("U0OLGA")
        await ask(it, it.dana, IN_DEV)
        await told(it, U0ERIN=1, U0OLGA=1, U0RAVI=1)
        await it.erin.click("Approve", in_channel=it.erin.dm)
        await it.key_is_there()

        await later(it, hours=3)
        await it.dana.command("/apikey requests")
        await it.dana.see("Your requests")
        await later(it, hours=22)
        await it.card_says("was deleted")  # nobody took the secret; what was due before is done
        await olga.wait_for(lambda: "was deleted" in str(posted(it, olga.dm)), "her copy")
        await told(it, U0ERIN=1, U0OLGA=1, U0RAVI=1, U0SAMI=0)


async def test_a_role_that_was_lost_ends_the_reminders(tmp_path: Path) -> None:
    async with play(tmp_path, policy=POLICY) as it:
        await ask(it, it.dana, IN_DEV)
        await told(it, U0ERIN=1, U0OLGA=1, U0RAVI=1)
        bindings = it.stage.organization.role_bindings
        for held in [held for held in bindings.values() if held.principal == "u-ravi01"]:
            del bindings[held.id]
        await later(it, hours=3)
        await told(it, U0ERIN=2, U0OLGA=2, U0SAMI=1, U0RAVI=1)
        await later(it, hours=6)
        await told(it, U0ERIN=3, U0OLGA=3, U0SAMI=2, U0RAVI=1)

        await later(it, hours=16)  # already all is there that a round had for anybody
        await it.card_says("without a decision")
        assert copies(it, "U0RAVI") == {"U0RAVI": 1}


async def test_who_approved_is_not_reminded_at_another_slack_account(tmp_path: Path) -> None:
    second = "people: [{slack: U0SECOND, confluent: u-erin01}]"
    async with play(tmp_path, policy=f"{UNTOLD}{second}\n") as it:
        people = it.stage.slack.workspace.people
        people["U0SECOND"] = Actor("U0SECOND", "Erin's other account", "", "castellanos@acme.example")
        await ask(it, it.dana, IN_DEV)
        await it.approve()
        await it.card_says("Needs 1 more approval")
        await later(it, hours=3)
        await told(it, U0ERIN=0, U0SECOND=0, U0OLGA=1, U0RAVI=1, U0SAMI=1)


async def test_reminders_that_were_slept_through_come_as_one(tmp_path: Path) -> None:
    async with play(tmp_path, policy=UNTOLD) as it:
        olga = it.person("U0OLGA")
        await ask(it, it.dana, IN_DEV)
        nobody_else(it)
        await later(it, hours=9)
        await told(it, U0ERIN=1, U0OLGA=1, U0RAVI=1, U0SAMI=1)

        await later(it, hours=16)
        await it.card_says("without a decision")
        await olga.wait_for(lambda: "without a decision" in str(posted(it, olga.dm)), "her copy")
        await told(it, U0ERIN=1, U0OLGA=1, U0RAVI=1, U0SAMI=1)


async def test_a_group_that_cannot_be_read_delays_the_copies_and_loses_none(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        faults = it.stage.slack.faults
        faults.method, faults.failing = "usergroups.users.list", -1
        await ask(it, it.dana, IN_DEV)
        faults.reset()
        await it.until(lambda: copies(it, "U0OLGA", "U0RAVI") == {"U0OLGA": 1, "U0RAVI": 1}, "the copies", step=2)
        await it.erin.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()
        assert copies(it, "U0OLGA", "U0RAVI") == {"U0OLGA": 1, "U0RAVI": 1}
