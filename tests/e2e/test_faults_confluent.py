"""Confluent Cloud refuses, stumbles, is slow or loses its answer: never two live keys, and people are told."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest
import stamina

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.confluent.model import ApiKey
from sandbox.confluent.organization import AnsweredCall
from sandbox.slack.blocks import plain_words
from tests.support.play import Play, play
from tests.support.walks import buttons_beside, is_made
from tests.support.wishes import OWN_IN_DEV, Wish, ask, buttons

CHECKING = "is checking whether a key was created"
KEYS = "/iam/v2/api-keys"


@pytest.fixture(autouse=True)
def _no_pauses() -> Generator[None]:
    """The client repeats as often as it does for real, without the pauses between."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


async def test_what_confluent_refuses_is_read_in_its_own_words_by_requester_and_approvers(tmp_path: Path) -> None:
    quota = ("Your organization is currently limited to 1000 API keys", "A Confluent quota is full.")
    cases = {
        "400": (quota[0], "A Confluent quota may be full. If so, delete an unused key"),
        "402": quota,
        "403": ("Forbidden Access", "Ask your Latchkey administrator: its service account isn't allowed"),
        "409": ("The API key already exists", ""),
        "422": ("The property spec.resource is not valid", ""),
    }
    async with play(tmp_path) as it:
        for status, (words, step) in cases.items():
            await it.ask(name=f"key {status}")
            it.stage.faults.set("create_refused", status)
            await it.approve()
            await it.card_says("Failed")
            await it.until(lambda: _failed_in_the_dm(it, f"key {status}"), "both messages to say so")  # noqa: B023 - over before the next one

            call = _calls(it, "POST", KEYS)[-1]
            for message in (it.cards()[-1], it.dana.messages()[-1]):
                said = "".join(plain_words(message))
                for text in (words, "Nothing changed in Confluent Cloud.", step, call.request_id):
                    assert text in said
                assert buttons(message) in ([], ["Request again"])
        assert len(_calls(it, "POST", KEYS)) == len(cases)
        assert it.our_keys() == []
        assert [line["action"] for line in await it.audit()][-2:] == ["key:create-intended", "request:failed"]
        assert it.dana.notices == it.erin.notices == []


async def test_keys_of_users_that_confluent_refuses_lead_to_a_service_account(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.faults.user_keys = "refused"
        before = set(it.stage.organization.api_keys)
        await ask(it, it.dana, replace(OWN_IN_DEV, name="laptop"))
        await it.approve()
        await it.until(lambda: _failed_in_the_dm(it, "laptop"), "both messages to say so")
        await it.card_says("Failed")

        (call,) = _calls(it, "POST", KEYS)
        assert call.status == 403
        assert set(it.stage.organization.api_keys) == before
        assert it.stage.organization.deleted == {}
        assert await it.audit("key:created") == []
        for message in (it.cards()[-1], it.dana.messages()[-1]):
            said = "".join(plain_words(message))
            for text in ("Nothing changed in Confluent Cloud.", "Request a key for a service account instead"):
                assert text in said
        assert [each for each in it.dana.messages() if "Show secret" in buttons(each)] == []

        await it.dana.click("Use a service account")
        await it.dana.wait_for(lambda: it.dana.modal and "laptop" in str(it.dana.modal), "the form as it was")
        await it.dana.fill({"Service account": "orders-service"})
        assert await it.dana.submit() == {}
        await it.dana.see("Review your request")
        await it.dana.submit()
        await it.card_says("orders-service")
        await it.approve()
        made = it.stage.organization.api_keys[await it.key_is_there()]
        assert (made.name, made.owner) == ("laptop", "sa-orders")
        assert set(it.stage.organization.api_keys) == {*before, made.id}


async def test_a_create_that_nobody_knows_about_is_looked_for_deleted_and_tried_again(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        keys = _Watched.of(it)
        for name, fault in (
            ("answer_lost", "next create"),
            ("failing", "create, after the effect"),
            ("failing", "create"),
        ):
            await it.ask(name=fault)
            before = len(_calls(it, "POST", KEYS))
            it.stage.faults.set(name, fault)
            await it.approve()
            await it.card_says(CHECKING)
            await it.dana.wait_for(lambda: CHECKING in str(it.dana.messages()[-1]), "where it is")
            it.stage.faults.failing = "none"
            await it.until(lambda: it.our_keys() == [], "the first key to go")
            await it.until(lambda: it.card_reads("to view the secret"), "the second key", step=6)

            key = await it.key_is_there()
            assert it.stage.organization.api_keys[key].description.endswith("/2]")
            assert len(_calls(it, "POST", KEYS)) == before + 2
            await it.dana.click("Show secret")
            await it.dana.see(it.stage.organization.secrets_issued[key])
            await it.dana.click("I saved it")
            await it.card_says("saved the secret")
            del keys[key]
        assert keys.most == 1
        assert len(await it.audit("key:create-unknown")) == 6  # that nobody knew, and what came of it
        assert it.dana.notices == it.erin.notices == []


async def test_after_five_lost_answers_the_request_fails_and_no_key_is_left(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        keys = _Watched.of(it)
        await it.ask()
        it.stage.faults.answer_lost = "every create"
        await it.approve()
        await it.until(lambda: it.card_reads("Failed"), "the request to fail", step=6)

        assert it.our_keys() == []
        assert keys.most == 1
        assert len(_calls(it, "POST", KEYS)) == len(_calls(it, "DELETE")) == 5
        await it.dana.see("Latchkey tried 5 times to create the key and got no clear answer from Confluent Cloud.")
        await it.dana.see("No key is left behind.")
        await it.dana.see("Request again")


async def test_a_key_that_lands_after_its_attempt_was_given_up_is_swept(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        it.stage.faults.failing = "create"
        await it.approve()
        await it.card_says(CHECKING)
        it.stage.faults.failing = "none"
        await it.until(lambda: it.card_reads("to view the secret"), "the second key", step=6)
        second = await it.key_is_there()

        _land_late(it, it.stage.organization.api_keys[second].description.replace("/2]", "/1]"))
        assert len(it.our_keys()) == 2
        await it.until(lambda: it.our_keys() == [second], "the straggler to go", step=20)
        await it.dana.click("Show secret")
        await it.dana.see(it.stage.organization.secrets_issued[second])


async def test_a_key_that_lands_after_its_request_failed_is_swept(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        it.stage.faults.failing = "create"
        await it.approve()
        await it.until(lambda: it.card_reads("Failed"), "the request to fail", step=6)
        created = await it.audit("key:create-intended")
        markers = [line["details"]["marker"] for line in created]  # type: ignore[index]
        assert len(markers) == 5

        _land_late(it, f"orders {markers[-1]}")
        await it.until(lambda: it.our_keys() == [], "the straggler to go", step=20)


async def test_a_key_of_somebody_else_is_never_swept(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        others = dict(it.stage.organization.api_keys)
        await it.ask()
        _land_late(it, "made by hand, looks like ours [lk:0123456789abcdef0123/1]")
        it.stage.faults.answer_lost = "next create"
        await it.approve()
        await it.until(lambda: it.card_reads("to view the secret"), "the second key", step=6)
        lists = len(_lists(it))
        await it.until(lambda: len(_lists(it)) > lists, "the sweep", step=60)
        assert others.items() <= it.stage.organization.api_keys.items()
        assert len(it.our_keys()) == 2


async def test_a_create_refused_with_429_waits_as_long_as_asked_and_is_sent_again(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        _Journal.of(it).when(_last_read_before_the_create, lambda: setattr(it.stage.faults, "rate_limited", 1))
        await it.approve()
        await it.until(lambda: it.card_reads("to view the secret"), "the key", step=1)

        assert [call.status for call in _calls(it, "POST", KEYS)] == [429, 202]
        key = await it.key_is_there()
        assert it.stage.organization.api_keys[key].description.endswith("/1]")
        assert await it.audit("key:create-unknown") == []


BEFORE_THE_CREATE = {"second key": "/srcm/v3/clusters/", "first key": "/cmk/v2/clusters/"}
"""Of a pair, in the order in which its keys are created: the last read before that."""


async def test_whatever_a_create_of_a_pair_meets_there_are_two_keys_and_then_none(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        faults, journal, keys = it.stage.faults, _Journal.of(it), _Watched.of(it)
        for name, fault in (("answer_lost", "next create"), ("failing", "create"), ("rate_limited", 1)):
            for which, path in BEFORE_THE_CREATE.items():
                wish = Wish(name=f"{name} at the {which}", also=True)
                await ask(it, it.dana, wish)

                def arm(name: str = name, fault: str | float = fault) -> None:
                    faults.set(name, fault)
                    journal.when(lambda call: call.method == "POST", lambda: faults.set("failing", "none"))

                journal.when(lambda call, path=path: call.path.startswith(path), arm)  # type: ignore[misc]  # a default of a lambda
                await it.erin.click("Approve", beside=wish.name, in_channel=APPROVALS_CHANNEL)
                ready = f"({wish.name})"
                await it.until(lambda ready=ready: "Show secrets" in buttons_beside(it.dana, ready), ready, step=6)  # type: ignore[misc]  # a default
                assert sorted(keys[key].resource.id[:4] for key in it.our_keys()) == ["lkc-", "lsrc"]

                faults.answer_lost = "next delete"
                it.stage.slack.faults.response_url = "500"
                await it.dana.click("Show secrets", beside=ready, in_channel=it.dana.dm)
                await it.until(lambda: it.our_keys() == [], "both keys to go", step=6)
                it.stage.slack.faults.response_url = "works"
        assert keys.most == 2
        assert it.dana.notices == it.erin.notices == []


async def test_which_key_of_a_pair_still_works_is_said_until_it_is_deleted(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, Wish(name="orders service", also=True))
        await it.approve()
        await is_made(it, "orders service")
        keys = it.our_keys()
        (registry,) = (key for key in keys if it.stage.organization.api_keys[key].resource.id.startswith("lsrc"))
        it.stage.faults.failing = "delete"
        it.advance(hours=25)
        await it.card_says("couldn't be deleted yet, so it still works.")
        await it.dana.see("To stop it now, delete it in Confluent Cloud.")
        assert registry in str(it.cards()[-1])
        assert it.our_keys() == keys

        it.stage.faults.failing = "none"
        await it.until(lambda: it.card_reads("Both keys were deleted"), "both keys to go", step=30)
        assert it.our_keys() == []
        failed = [line["details"]["key"] for line in await it.audit("key:delete-failed")]  # type: ignore[index]  # JSON
        assert sorted(failed) == sorted(keys)


async def test_reads_refused_with_429_or_500_are_repeated_without_anybody_noticing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.faults.rate_limited = 3
        await it.ask()
        it.stage.faults.rate_limited = 3
        await it.approve()
        await it.key_is_there()
        assert [call.status for call in it.stage.organization.journal].count(429) == 6
        assert it.dana.notices == it.erin.notices == []


async def test_an_approved_request_waits_for_a_confluent_that_is_away_and_says_so(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        _Journal.of(it).when(_bindings_of_the_effect(it), lambda: setattr(it.stage.faults, "failing", "all"))
        await it.approve()
        await it.card_says("hasn't been created yet")
        await it.dana.see("Confluent Cloud reported an error. Latchkey will try again ")
        assert _calls(it, "POST", KEYS) == []

        it.stage.faults.failing = "none"
        await it.until(lambda: it.card_reads("to view the secret"), "the key", step=3)
        await it.key_is_there()


async def test_while_confluent_is_away_everybody_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        it.advance(minutes=2)
        it.stage.faults.failing = "all"
        await it.approve()
        await it.erin.see("Confluent Cloud reported an error. Nothing changed.")
        await it.dana.command("/apikey whoami")
        await it.dana.see("Confluent Cloud reported an error. Nothing changed.")
        await it.fill_in(name="second", reason="typed for a long time")
        await it.dana.submit()
        await it.dana.wait_for(lambda: "reported an error" in str(it.dana.modal), "the answer in the modal")
        assert "Needs 1 approval" in str(it.cards()[-1])

        it.stage.faults.failing = "none"
        await it.approve()
        await it.key_is_there()
        assert it.dana.notices == it.erin.notices == []


async def test_while_a_create_is_checked_and_confluent_is_away_nobody_claims_that_nothing_changed(
    tmp_path: Path,
) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        it.stage.faults.answer_lost = "next create"
        created = _Journal.of(it).when(lambda call: call.method == "POST", lambda: _away(it))
        await it.approve()
        await it.card_says(CHECKING)
        await it.until(lambda: created.looked >= 4, "a look that fails")
        assert len(it.our_keys()) == 1
        for message in (it.cards()[-1], it.dana.messages()[0]):
            assert "Nothing changed" not in str(message)
            assert CHECKING in str(message)

        it.stage.faults.failing = "none"
        await it.until(lambda: it.card_reads("to view the secret"), "the second key", step=12)
        assert len(it.our_keys()) == 1


async def test_a_delete_whose_answer_is_lost_is_repeated_until_it_is_sure(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for lost in ("next delete", "every delete"):
            await it.ask(name=lost)
            await it.approve()
            key = await it.key_is_there()
            it.stage.faults.set("answer_lost", lost)
            it.stage.slack.faults.response_url = "500"
            await it.dana.click("Show secret")
            await it.card_says("was deleted")
            assert key not in it.stage.organization.api_keys
            it.stage.slack.faults.response_url = "works"


async def test_a_delete_that_fails_is_said_and_goes_on_until_it_works(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        it.stage.faults.failing = "all"
        it.advance(hours=24)
        await it.card_says("couldn't be deleted yet, so it still works. Latchkey will keep trying.")
        await it.dana.see("couldn't be deleted yet, so it still works. Latchkey will keep trying.")
        assert it.our_keys() == [key]

        it.stage.faults.failing = "none"
        await it.until(lambda: it.our_keys() == [], "the key to go", step=30)
        await it.card_says("was deleted")


async def test_a_slow_confluent_makes_nobody_wait_for_slack(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        it.advance(minutes=2)
        it.stage.faults.slow = 3.2  # longer than Slack waits for an answer
        await it.dana.command("/apikey create")
        await it.dana.wait_for(lambda: it.dana.modal, "the form")
        await it.dana.fill({"Account": "service-account"})
        await it.dana.fill({"Service account": "orders-service", "Environment": "dev"})
        await it.dana.command("/apikey whoami")
        await it.dana.command("/apikey requests")
        await it.dana.open_home()
        await it.approve()
        assert it.dana.notices == it.erin.notices == []
        it.stage.faults.slow = 0
        await it.key_is_there()
        await it.dana.see("u-dana01")


class _Watched(dict[str, ApiKey]):
    """The keys of an organization. `most` is how many of ours there ever were at the same time."""

    most = 0

    @classmethod
    def of(cls, it: Play) -> "_Watched":
        watched = cls(it.stage.organization.api_keys)
        it.stage.organization.api_keys = watched
        return watched

    def __setitem__(self, id_: str, key: ApiKey) -> None:
        super().__setitem__(id_, key)
        self.most = max(self.most, sum("[lk:" in each.description for each in self.values()))


class _Journal(deque[AnsweredCall]):
    """The journal of an organization, which does something once after a certain call. `looked` counts from there."""

    looked, _done = 0, True

    @classmethod
    def of(cls, it: Play) -> "_Journal":
        journal = cls(it.stage.organization.journal)
        it.stage.organization.journal = journal
        return journal

    def when(self, is_it: Callable[[AnsweredCall], bool], then: Callable[[], None]) -> "_Journal":
        self._is_it, self._then, self._done = is_it, then, False
        return self

    def append(self, call: AnsweredCall) -> None:
        super().append(call)
        if self._done:
            self.looked += 1
        elif self._is_it(call):
            self._done = True
            self._then()


def _last_read_before_the_create(call: AnsweredCall) -> bool:
    return call.path == "/cmk/v2/clusters/lkc-dev001"


def _bindings_of_the_effect(it: Play) -> Callable[[AnsweredCall], bool]:
    """The first list of keys: after the approval, before the create."""
    return lambda call: call.path == KEYS


def _away(it: Play) -> None:
    it.stage.faults.failing = "all"


def _failed_in_the_dm(it: Play, name: str) -> bool:
    """Whether both of Dana's messages about this request say that it failed."""
    failed = [each for each in it.dana.messages() if "Failed" in " ".join(plain_words(each))]
    first = {each["ts"] for each in failed if name in " ".join(plain_words(each))}
    return sum(each["ts"] in first or each.get("thread_ts") in first for each in failed) == 2


def _calls(it: Play, method: str, path: str = "") -> list[AnsweredCall]:
    return [call for call in it.stage.organization.journal if call.method == method and call.path.startswith(path)]


def _lists(it: Play) -> list[AnsweredCall]:
    return _calls(it, "GET", KEYS)


def _land_late(it: Play, description: str) -> None:
    """A create of long ago has its effect now."""
    organization = it.stage.organization
    organization.create_key(organization.resource("lkc-dev001"), "sa-orders", name="late", description=description)
