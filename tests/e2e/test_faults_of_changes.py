"""Edit, delete, rotate, extend, and accounts made for keys, while Confluent, Slack, the store or people interfere.

What is asked for happens once or not at all, people read which, and the audit log has an intent before each effect.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import stamina

from bot.services import worker
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.confluent.model import ApiKey
from sandbox.slack.person import PersonAtClient
from tests.support.play import LOOK_EVERY, SECONDS, Play, bot_of, play, send_anyway
from tests.support.processes import actions, audit_of, crew, held, in_time, own_redis, reached
from tests.support.walks import STEP, buttons_beside, is_drawn, managed, opened, reads, says, sent, told
from tests.support.wishes import NEW, OWN, Wish, ask, review

LAPTOP = "DANASLAPTOP00001"
"""Dana's own key, which she may change without anybody's approval; a rotation takes one."""
KEYS, ACCOUNTS = "/iam/v2/api-keys", "/iam/v2/service-accounts"
CLICKS = Wish(NEW, name="clicks", account_name="clicks-service")
ENDING = """\
version: 1
channel: C0APPROVE
defaults: {lifetime: 30d}
rules:
  - {name: nobody has to approve, match: {operation: [create]}, approvals: 0}
  - {name: one approval, match: {operation: [rotate, edit, delete]}, approvals: 1}
"""
"""Dana makes and extends keys of her own alone; whatever else happens to them takes an approval."""


@pytest.fixture(autouse=True)
def _no_pauses() -> Generator[None]:
    """The client repeats as often as it does for real, without the pauses between."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


# --- lost answers, 429, 5xx ------------------------------------------------------------------------------------------

TROUBLES = (
    ("answer_lost", "next {}"),
    ("answer_lost", "every {}"),
    ("request_lost", "next {}"),
    ("failing", "{}"),
    ("failing", "{}, after the effect"),
    ("rate_limited", "3"),
)
"""A switch of the sandbox's, and its value, around the kind of change that is to go wrong."""
LASTING = ("failing", "{}")
"""The one that nothing gets through until it is mended."""


async def test_an_edit_happens_and_is_told_whatever_becomes_of_its_answer(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for number, trouble in enumerate(TROUBLES):
            await opened(it.dana, "edit", LAPTOP)
            await it.dana.fill({"Name": f"laptop {number}", "Description": f"number {number}"})
            break_(it, trouble, "edit")
            await sent(it.dana, "Latchkey will message you when it's done.")
            if trouble == LASTING:
                await reads(it, it.dana, f"laptop {number}", "Latchkey will try again", step=1)
                assert "Nothing changed" not in told(it.dana, f"laptop {number}")
                it.stage.faults.reset()
            # After trouble it is a reply in the thread of the message that names the key.
            await it.until(lambda n=number: _updates(it.dana) == n + 1, "that the key was updated", step=STEP)  # type: ignore[misc]  # a default
            it.stage.faults.reset()

        key, lines = it.stage.organization.api_keys[LAPTOP], await it.audit()
        assert (key.name, key.description) == ("laptop 5", "number 5")
        assert count(lines, "key:edit-intended") == count(lines, "key:edited") == len(TROUBLES)
        assert it.dana.notices == []


def _updates(person: PersonAtClient) -> int:
    return sum("The key was updated" in says(message) for message in person.messages())


async def test_a_deletion_happens_and_is_told_whatever_becomes_of_its_answer(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for number, trouble in enumerate(TROUBLES):
            key = another(it, f"spare {number}")
            await ask_to_delete(it, key.id)
            break_(it, trouble, "delete")
            await sent(it.dana, "Latchkey will message you when it's done.")
            if trouble == LASTING:
                await reads(it, it.dana, f"spare {number}", "Latchkey will try again", step=1)
                assert key.id in it.stage.organization.api_keys
                it.stage.faults.reset()
            await reads(it, it.dana, key.id, "The key was deleted")
            assert key.id not in it.stage.organization.api_keys
            assert "outside Latchkey" not in told(it.dana, key.id)
            it.stage.faults.reset()

        lines = await it.audit()
        assert count(lines, "key:delete-intended") == count(lines, "key:deleted") == len(TROUBLES)
        assert it.dana.notices == []


async def test_an_account_is_made_once_whatever_becomes_of_its_answer(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        for number, trouble in enumerate(TROUBLES):
            name = f"clicks {number}"
            await ask(it, it.dana, Wish(NEW, name=name, account_name=f"clicks-{number}"))
            break_(it, trouble, "account")
            if trouble[1] == "every {}":
                it.stage.faults.set("answer_lost", "next account")
            await olga.click("Approve", beside=name, in_channel=APPROVALS_CHANNEL)
            if trouble == LASTING:
                await it.card_says("is checking whether a key was created")
                it.stage.faults.reset()
            await reads(it, it.dana, f"({name})", "is ready.")
            it.stage.faults.reset()

            (account,) = accounts(it, f"clicks-{number}")
            owned = [each for each in it.stage.organization.api_keys.values() if each.owner == account]
            assert len(owned) == 1


async def test_an_account_gets_its_description_or_goes_whatever_becomes_of_those_answers(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        for number, trouble in enumerate(TROUBLES[:-1]):
            name, account = f"clicks {number}", f"clicks-{number}"
            await offered_again(it)
            await ask(it, it.dana, Wish(NEW, name=name, account_name=account))
            await olga.click("Approve", beside=name, in_channel=APPROVALS_CHANNEL)
            await reads(it, it.dana, f"({name})", "is ready.", step=0)
            change = "account delete" if number % 2 else "account edit"
            break_(it, trouble, change)
            if change == "account edit":
                await it.dana.click("Show secret", beside=f"({name})", in_channel=it.dana.dm)
                await reads(it, it.dana, f"({name})", "You viewed the secret", step=0)
                it.advance(hours=25)  # until then the key may be replaced, and its replacement looks for the mark
                await until_called(it, "PATCH", ACCOUNTS)
                it.stage.faults.reset()
                await it.until(lambda: "[lk:" not in described(it, account), "its own description", step=30)  # noqa: B023 - over before the next one
            else:
                it.advance(hours=25)
                await until_called(it, "DELETE", ACCOUNTS)
                it.stage.faults.reset()
                await it.until(lambda: not accounts(it, account), "the account to go", step=30)  # noqa: B023 - over before the next one
            it.stage.organization.journal.clear()


async def offered_again(it: Play) -> None:
    """Wait until the form offers something: after more than a day what there is has to be read anew."""
    await it.dana.command("/apikey create")
    await it.dana.wait_for(lambda: it.dana.modal is not None, "the form")
    offered: list[str] = []
    async with asyncio.timeout(SECONDS):
        while not offered:
            offered = await it.dana.options("Environment")
            await asyncio.sleep(LOOK_EVERY)
    await it.dana.close(everything=True)


# --- what went behind our back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["edit", "delete"])
async def test_of_a_key_that_goes_in_the_very_moment_it_is_said_that_it_is_gone(tmp_path: Path, verb: Any) -> None:
    """Confluent answers 403, as it does for what one may not: the list tells which."""
    async with play(tmp_path) as it:
        await opened(it.dana, verb, LAPTOP)
        await it.dana.fill(
            {"Name": "new name", "Reason": "It has a new name"}
            if verb == "edit"
            else {"word": "CONFIRM", "Reason": "It is no longer used"}
        )
        async with held(it.stage.faults.hold_before, verb) as gate:
            await sent(it.dana, "Latchkey will message you when it's done.")
            await reached(gate)
            it.stage.organization.delete_key(LAPTOP)
        if verb == "edit":
            await it.dana.see(f"The key {LAPTOP} no longer exists in Confluent Cloud.")
            await it.dana.see("Nothing changed in Confluent Cloud.")
        else:
            await it.dana.see("Someone else had already deleted it.")
        assert "Forbidden" not in it.dana.describe()


@pytest.mark.parametrize("verb", ["edit", "delete", "rotate"])
async def test_of_a_key_that_goes_while_its_modal_is_open_the_modal_says_so(tmp_path: Path, verb: str) -> None:
    async with play(tmp_path) as it:
        await opened(it.dana, verb, LAPTOP)
        await it.dana.fill(
            {
                "edit": {"Name": "new name", "Reason": "It has a new name"},
                "delete": {"word": "CONFIRM", "Reason": "It is no longer used"},
                "rotate": {"Reason": "It leaked"},
            }[verb]
        )
        it.stage.organization.delete_key(LAPTOP)
        assert await it.dana.submit() == {}

        await it.dana.see("No key with that ID, or you don't have access to it.")
        assert it.cards() == []
        assert await it.audit("request:submitted") == []


async def test_of_a_key_of_ours_that_goes_before_its_approval_everybody_is_told(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ENDING) as it:
        for verb in ("edit", "delete"):
            key = await a_key(it, verb)
            await opened(it.dana, verb, key)
            await it.dana.fill(
                {"Name": "new name", "Reason": "It has a new name"}
                if verb == "edit"
                else {"word": "CONFIRM", "Reason": "It is no longer used"}
            )
            await sent(it.dana, "Request sent.")
            await it.card_says("Approve")
            it.stage.organization.delete_key(key)
            await it.approve()

            gone = "no longer exists" if verb == "edit" else "Someone else had already deleted it"
            await it.card_says(gone)
            await it.dana.see(f"Your key {key} for orders-dev ({verb}) was deleted")
            await it.dana.see(
                "Someone else had already deleted it." if verb == "delete" else "Someone deleted it outside Latchkey."
            )


async def test_a_key_that_is_gone_is_not_extended(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ENDING) as it:
        key = await a_key(it, "short")
        await managed(it.dana, key, "Extend")
        await it.dana.wait_for(lambda: is_drawn(it.dana, "Extend API key"), "the page to extend it")
        await it.dana.fill({"Reason": "It goes on"})
        it.stage.organization.delete_key(key)
        await it.dana.submit()

        await it.dana.see("no longer exists in Confluent Cloud: it was deleted")
        assert await it.audit("key:extended") == []


async def test_a_key_that_is_gone_when_its_life_ends_is_no_trouble(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ENDING) as it:
        key = await a_key(it, "short")
        it.stage.organization.delete_key(key)
        it.advance(days=31)

        await it.dana.see(f"Your key {key} for orders-dev (short) expired and was deleted")
        assert "couldn't be deleted" not in it.dana.describe()


async def test_an_old_key_that_is_gone_before_its_overlap_ends_is_no_trouble(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        new = await rotated(it)
        it.stage.organization.delete_key(LAPTOP)
        it.advance(hours=25)

        await it.dana.see(f"The old key {LAPTOP} for orders-dev was deleted.")
        assert "couldn't be deleted" not in it.dana.describe()
        assert it.our_keys() == [new]


async def test_of_a_key_whose_secret_waits_and_which_is_gone_the_requester_gets_another(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        first = await it.key_is_there()
        it.stage.organization.delete_key(first)
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")
        await it.dana.click("Replace key", beside="API secret:")

        await it.until(it.our_keys, "another key")
        await it.dana.see("is ready.")
        (second,) = it.our_keys()
        await it.dana.click("Show secret")
        await it.dana.see(it.stage.organization.secrets_issued[second])
        assert it.our_keys() == [second]


async def test_an_account_that_goes_with_its_new_key_leaves_no_trouble_behind(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        await ask(it, it.dana, CLICKS)
        await olga.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()
        (account,) = accounts(it, "clicks-service")
        it.stage.organization.remove_principal(account)
        it.advance(hours=25)

        await it.dana.see("The secret wasn't viewed in time.")
        await it.card_says("was deleted")
        assert it.our_keys() == []


async def test_an_account_that_goes_before_the_approval_makes_the_request_fail_in_clear_words(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        it.stage.organization.remove_principal("sa-orders")
        await it.approve()

        await it.card_says("Failed")
        await it.card_says("is not the id of a user or service account")
        await it.dana.see("Nothing changed in Confluent Cloud.")
        assert it.our_keys() == []


@pytest.mark.parametrize("verb", ["create", "rotate"])
async def test_a_cluster_that_goes_before_the_approval_costs_no_key(tmp_path: Path, verb: str) -> None:
    async with play(tmp_path) as it:
        await (it.ask() if verb == "create" else ask_to_rotate(it))
        before = set(it.stage.organization.api_keys)
        del it.stage.organization.kafka_clusters["lkc-dev001"]
        await it.approve()

        await it.card_says("(lkc-dev001) no longer exists.")
        await it.dana.see("Nothing changed in Confluent Cloud.")
        assert set(it.stage.organization.api_keys) == before


@pytest.mark.parametrize("verb", ["create", "rotate", "account"])
async def test_a_quota_that_is_used_up_before_the_approval_is_said_with_what_to_do(tmp_path: Path, verb: str) -> None:
    async with play(tmp_path) as it:
        if verb == "account":
            await ask(it, it.dana, CLICKS)
        else:
            await (it.ask() if verb == "create" else ask_to_rotate(it))
        before = set(it.stage.organization.api_keys)
        code = {"create": "per_service_account", "rotate": "per_user"}.get(verb)
        it.stage.faults.low_quota = f"iam.max_cluster_api_keys.{code}" if code else "iam.max_service_accounts.per_org"
        it.stage.faults.low_quota_limit = 0
        approver = it.person("U0OLGA") if verb == "account" else it.erin
        await approver.click("Approve", in_channel=APPROVALS_CHANNEL)

        await it.card_says("A Confluent quota is full.")
        await it.dana.see("A Confluent quota is full.")
        assert set(it.stage.organization.api_keys) == before
        assert not accounts(it, "clicks-service")


async def test_a_key_of_a_person_that_confluent_refuses_becomes_one_of_an_account_in_one_click(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.faults.user_keys = "refused"
        await ask(it, it.dana, Wish(OWN, name="laptop 2"))
        await it.approve()
        await it.dana.click("Use a service account")
        await it.dana.wait_for(lambda: it.dana.modal and "laptop 2" in str(it.dana.modal), "the form as it was")
        await it.dana.fill({"Service account": "orders-service"})
        assert await it.dana.submit() == {}
        await it.dana.see("Review your request")
        await send_anyway(it.dana)
        await it.card_says("orders-service")
        await it.card_says("Approve")
        await it.approve()

        key = await it.key_is_there()
        made = it.stage.organization.api_keys[key]
        assert (made.name, made.owner, made.resource.id) == ("laptop 2", "sa-orders", "lkc-dev001")


# --- Slack, and the store --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["rate_limited", "failing"])
async def test_what_slack_does_not_take_at_first_is_told_later(tmp_path: Path, fault: str) -> None:
    async with play(tmp_path) as it:
        new = await rotated(it)
        for method in ("chat.postMessage", "chat.update"):
            it.stage.slack.faults.method = method
            it.stage.slack.faults.set(fault, 3)
            if method == "chat.postMessage":
                await it.dana.click("Delete old key now")
                await reads(it, it.dana, f"The old key {LAPTOP} for orders-dev was deleted.", step=2)
            else:
                await ask_to_delete(it, new)
                await sent(it.dana, "Latchkey will message you when it's done.")
                await reads(it, it.dana, "Deleted: Kafka API key", "The key was deleted", step=2)
                await reads(it, it.dana, f"Your key {new}", "was deleted", step=2)
        assert LAPTOP not in it.stage.organization.api_keys
        assert it.our_keys() == []


@pytest.mark.parametrize("verb", ["edit", "delete", "drop"])
async def test_a_store_that_goes_in_the_midst_of_a_change_finds_it_done_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: Any
) -> None:
    monkeypatch.setattr(worker, "POLL", 0.05)  # its clock runs fast
    async with crew(tmp_path) as (it, _), own_redis(it.stage) as redis, bot_of(it.stage, redis_url=redis.url):
        if verb == "drop":
            await rotated(it)
        else:
            await opened(it.dana, verb, LAPTOP)
            await it.dana.fill(
                {"Name": "new name", "Reason": "It has a new name"}
                if verb == "edit"
                else {"word": "CONFIRM", "Reason": "It is no longer used"}
            )
        async with held(it.stage.faults.hold_after, "edit" if verb == "edit" else "delete") as gate:
            await (it.dana.click("Delete old key now") if verb == "drop" else it.dana.submit())
            await reached(gate)
            await redis.kill()
        await redis.start()
        it.advance(seconds=61)  # the lease of what could not be written

        ended = {"edit": "The key was updated", "delete": "The key was deleted", "drop": "for orders-dev was deleted."}
        await in_time(it, it.dana, ended[verb])
        lines = await audit_of(it.stage, REDIS_URL=redis.url)

    assert actions(lines).count("key:edited" if verb == "edit" else "key:deleted") == 1
    assert "key:found-gone" not in actions(lines)
    assert (LAPTOP in it.stage.organization.api_keys) is (verb == "edit")


# --- clicks at once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["edit", "delete", "rotate"])
async def test_a_double_click_on_a_submit_asks_once(tmp_path: Path, verb: str) -> None:
    async with two_replicas(tmp_path) as it:
        await opened(it.dana, verb, LAPTOP)
        typed = {
            "edit": {"Name": "new name", "Reason": "It has a new name"},
            "delete": {"word": "CONFIRM", "Reason": "It is no longer used"},
            "rotate": {"Reason": "It leaked"},
        }[verb]
        await it.dana.fill(typed)
        await asyncio.gather(it.dana.submit(), it.dana.submit())

        said = "Request sent." if verb == "rotate" else "Latchkey will message you when it's done."
        # The answer to the second delivery may be the last one that Slack applies.
        await it.dana.wait_for(lambda: it.dana.sees(said) or it.dana.sees("was already sent"), "an answer")
        ended = {"edit": "The key was updated", "delete": "The key was deleted", "rotate": "Needs 1 approval"}[verb]
        await it.dana.see(ended)
        await it.dana.command("/apikey whoami")  # what was clicked before it was carried out already
        await it.dana.see("u-dana01")
        lines = await audit_of(it.stage)

    assert actions(lines).count("request:submitted") == 1
    assert len(it.cards()) == (1 if verb == "rotate" else 0)


async def test_a_double_click_on_keep_a_day_longer_keeps_it_one_day_longer(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as it:
        await rotated(it)
        it.advance(hours=1)
        told_until = ("is kept until", "is already kept until")
        await asyncio.gather(it.dana.click("Keep 1 more day"), it.dana.click("Keep 1 more day"))
        for text in told_until:
            await it.dana.wait_for(
                lambda text=text: sum(text in str(each) for each in it.dana.ephemerals) == 1,  # type: ignore[misc]  # mypy infers no lambda with a default
                f"one answer with {text!r}",
            )
        lines = await audit_of(it.stage)

    assert actions(lines).count("key:overlap-changed") == 1


async def test_a_double_click_on_delete_old_key_now_deletes_it_once_and_both_are_answered(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as it:
        await rotated(it)
        known = len(it.dana.ephemerals)
        await asyncio.gather(it.dana.click("Delete old key now"), it.dana.click("Delete old key now"))
        await it.dana.wait_for(lambda: len(it.dana.ephemerals) == known + 2, "an answer to each click")
        await it.dana.see(f"The old key {LAPTOP} for orders-dev was deleted.")
        lines = await audit_of(it.stage)

    assert actions(lines).count("key:deleted") == 1


async def test_two_people_delete_the_same_key_at_once_and_both_are_told_that_it_is_gone(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as it:
        for person in (it.dana, it.erin):
            await opened(person, "delete", LAPTOP)
            await person.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        await asyncio.gather(it.dana.submit(), it.erin.submit())

        for person in (it.dana, it.erin):
            await person.wait_for(lambda person=person: is_told_gone(person), "what became of it")  # type: ignore[misc]
        lines = await audit_of(it.stage)

    assert LAPTOP not in it.stage.organization.api_keys
    assert actions(lines).count("key:deleted") + actions(lines).count("key:found-gone") >= 1


async def test_two_people_approve_a_rotation_at_once_and_one_key_is_made(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as it:
        await ask_to_rotate(it)
        olga = it.person("U0OLGA")
        await asyncio.gather(*(each.click("Approve", in_channel=APPROVALS_CHANNEL) for each in (it.erin, olga)))
        await it.dana.see("is ready.")
        lines = await audit_of(it.stage)

    assert actions(lines).count("request:approved") == actions(lines).count("key:created") == 1
    assert len(it.our_keys()) == 1


# --- what people do here ---------------------------------------------------------------------------------------------


def break_(it: Play, trouble: tuple[str, str], change: str) -> None:
    """Have the next changes of this kind go wrong."""
    switch, value = trouble
    it.stage.faults.set(switch, value.format(change))


def count(lines: Any, action: str) -> int:
    return sum(line["action"] == action for line in lines)


def another(it: Play, name: str) -> ApiKey:
    """One more key of Dana's own, made elsewhere."""
    organization = it.stage.organization
    key, _ = organization.create_key(organization.resource("lkc-dev001"), "u-dana01", name=name)
    return key


def accounts(it: Play, name: str) -> list[str]:
    """Ids of the service accounts of this name."""
    return [id_ for id_, each in it.stage.organization.service_accounts.items() if each.name == name]


def described(it: Play, account: str) -> str:
    (id_,) = accounts(it, account)
    return it.stage.organization.service_accounts[id_].description


async def until_called(it: Play, method: str, path: str) -> None:
    """Wait until Confluent has answered, or failed to answer, such a call."""
    await it.until(
        lambda: any(call.method == method and call.path.startswith(path) for call in it.stage.organization.journal),
        f"a {method} of {path}",
        step=30,
    )


async def ask_to_delete(it: Play, key: str) -> None:
    """Dana has the page before her, with the word typed."""
    await opened(it.dana, "delete", key)
    await it.dana.fill({"word": "CONFIRM", "Reason": "It is no longer used"})


async def ask_to_rotate(it: Play) -> None:
    """Dana asks for another key in place of her laptop's, as far as the card."""
    await opened(it.dana, "rotate", LAPTOP)
    await it.dana.fill({"Name of the new key": "laptop 2", "Reason": "It leaked"})
    await sent(it.dana, "Request sent.")
    await it.erin.wait_for(lambda: it.card_reads("Approve"), "the card")


async def rotated(it: Play) -> str:
    """As far as the new secret is shown, with the old key to live for a day; the id of the new key."""
    await ask_to_rotate(it)
    await it.approve()
    new = await it.key_is_there()
    await it.dana.click("Show secret")
    await it.dana.see(f"The old key {LAPTOP} still works.")
    return new


async def a_key(it: Play, name: str) -> str:
    """A key of Dana's own that Latchkey made, whose secret she has."""
    assert "Send request" in await review(it.dana, Wish(OWN, name=name))
    assert await it.dana.submit() == {}
    # The first request ends on a page; a later one closes the modal, as messages reach her.
    await it.dana.wait_for(
        lambda: not it.dana.modal or "Latchkey is creating the key" in says(it.dana.modal), "that it was sent"
    )
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.dana.wait_for(lambda: "Show secret" in buttons_beside(it.dana, f"({name})"), f"the key {name}")
    key = next(id_ for id_ in it.our_keys() if it.stage.organization.api_keys[id_].name == name)
    await it.dana.click("Show secret", beside=f"({name})", in_channel=it.dana.dm)
    await it.dana.see(f"API key: {key}")
    await it.dana.click("I saved it", beside=f"API key: {key}")
    await it.dana.wait_for(lambda: "you saved the secret for key" in told(it.dana, key), f"that {key} is hers")
    return key


def is_told_gone(person: PersonAtClient) -> bool:
    gone = (
        "The key was deleted",
        "Someone else had already deleted it.",
        "No key with that ID",
        "no longer exists in Confluent Cloud: it was deleted",
        "This key is being deleted.",
    )
    return any(text in person.describe() for text in gone)


@asynccontextmanager
async def two_replicas(folder: Path) -> AsyncGenerator[Play]:
    """Two processes with one store."""
    async with crew(folder) as (it, bots):
        await asyncio.gather(bots.start(), bots.start())
        yield it
