"""Access with a key: chosen in the form, granted by the approval, never more than that, and taken back unused."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.access import OFFERS
from bot.services.form.access import NOT_OFFERED
from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, crn
from sandbox.slack import payloads
from sandbox.slack.blocks import Json, plain_words
from sandbox.slack.delivery import Envelope
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, block_of, fields, play
from tests.support.walks import is_made, obtain, take
from tests.support.wishes import NEW, OWN, Wish, ask, buttons, choose_access, fill_in, review, words_of

TOPICS = crn("environment=env-dev001", "cloud-cluster=lkc-dev001", "kafka=lkc-dev001")
ACCESS = (("Write topics", "clicks-"), ("Use consumer groups", "clicks-ci, clicks-batch"))
WITH_ACCESS = Wish(NEW, name="clicks writer", access=ACCESS)
WRITE = "DeveloperWrite on topics starting with `clicks-`"
OTHER_KIND = OFFERS[3].id
GRANTED = [
    ("DeveloperRead", f"{TOPICS}/group=clicks-batch*"),
    ("DeveloperRead", f"{TOPICS}/group=clicks-ci*"),
    ("DeveloperWrite", f"{TOPICS}/topic=clicks-*"),
]


def held(it: Play, account: str) -> list[tuple[str, str]]:
    """What an account can do at Confluent."""
    every = it.stage.organization.role_bindings.values()
    return sorted((each.role, each.crn_pattern) for each in every if each.principal == account)


def made_account(it: Play, name: str = WITH_ACCESS.account_name) -> str:
    """The service account of this name; "" where there is none."""
    return next((id_ for id_, each in it.stage.organization.service_accounts.items() if each.name == name), "")


def admin(it: Play) -> PersonAtClient:
    return it.person("U0OLGA")


async def test_a_key_of_a_new_account_comes_with_the_access_that_was_approved(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        said = await review(it.dana, WITH_ACCESS)
        assert "Access requested with the key:" in said
        assert "topics starting with" in said
        await it.dana.submit()
        await it.card_says("Approving also grants:")
        assert held(it, made_account(it)) == []

        await admin(it).click("Approve", beside=WITH_ACCESS.name, in_channel=APPROVALS_CHANNEL)
        key = await is_made(it, WITH_ACCESS.name)

        assert held(it, made_account(it)) == GRANTED
        await take(it, WITH_ACCESS.name, key)
        it.advance(hours=30)
        await it.until(lambda: held(it, made_account(it)) == GRANTED, "access that stays with a key in use")
        (submitted,) = await it.audit("request:submitted")
        assert "DeveloperWrite environment=env-dev001/" in str(submitted["details"])


async def test_access_of_a_key_whose_secret_nobody_views_is_taken_back(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, WITH_ACCESS)
        await admin(it).click("Approve", beside=WITH_ACCESS.name, in_channel=APPROVALS_CHANNEL)
        await is_made(it, WITH_ACCESS.name)
        account = made_account(it)
        it.advance(hours=25)

        await it.until(lambda: not held(it, account) and not it.our_keys(), "everything taken back", step=60)


async def test_an_existing_account_keeps_what_it_had_and_gets_the_rest(tmp_path: Path) -> None:
    wish = Wish(name="orders reader", access=(("Read topics", "clicks-"),))
    async with play(tmp_path) as it:
        before = held(it, "sa-orders")
        await obtain(it, wish)

        assert held(it, "sa-orders") == sorted([*before, ("DeveloperRead", f"{TOPICS}/topic=clicks-*")])


async def test_access_that_is_not_valid_keeps_the_form_and_says_what_is_wrong(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(NEW, access=(("Write topics", "orders/é"), ("Read topics", "orders-"))))
        (problem,) = (await it.dana.submit()).values()
        assert problem == "Use only a–z, A–Z, 0–9, dots, underscores and dashes, up to 249 characters."

        await it.dana.fill({"Write topics: name prefix": "clicks-"})
        assert await it.dana.submit() == {}
        await it.dana.see("Review your request")
        await it.dana.click("Edit request")
        await it.dana.see("Write topics: name prefix")
        assert {"clicks-", "orders-"} <= set(_typed(it))

        await it.dana.fill({"Kafka cluster": "payments-dev"})
        assert await it.dana.submit() == {}
        await it.dana.see("This is a Basic cluster, where roles on topics and consumer groups don't work.")
        assert {"clicks-", "orders-"} <= set(_typed(it))


def _typed(it: Play) -> list[str]:
    return [str(block.get("element", {}).get("initial_value")) for block in it.dana.front()["blocks"]]


async def test_only_access_that_goes_with_account_and_key_can_be_chosen_and_is_kept_out_of_sight(
    tmp_path: Path,
) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(NEW))
        await choose_access(it.dana, *ACCESS)
        await it.dana.fill({"Account": "me"})
        await it.dana.wait_for(lambda: "access:kafka" not in fields(it.dana.modal), "no access of one's own")
        await it.dana.fill({"Account": "new", "Resource scope": "schema-registry"})
        await it.dana.wait_for(lambda: "access:schema-registry" in fields(it.dana.modal), "access to subjects")
        assert await it.dana.options("Access") == ["Read subjects", "Write subjects"]
        await it.dana.fill({"Resource scope": "cloud"})
        await it.dana.wait_for(lambda: "environment" not in fields(it.dana.modal), "a form without places")
        assert not any(each.startswith("access") for each in fields(it.dana.modal))

        await it.dana.fill({"Resource scope": "kafka"})
        await it.dana.see("Write topics: name prefix")
        assert {"clicks-", "clicks-ci, clicks-batch"} <= set(_typed(it))


async def test_people_who_have_keys_of_their_own_are_offered_no_access(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(OWN))

        assert not any(each.startswith("access") for each in fields(it.dana.modal))


async def test_a_request_that_expired_is_opened_again_with_its_access(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, WITH_ACCESS)
        it.advance(hours=25)
        await it.dana.see("Request again")
        await it.dana.click("Request again")
        await it.dana.see("Write topics: name prefix")

        assert {"clicks-", "clicks-ci, clicks-batch"} <= set(_typed(it))


async def test_access_to_everything_is_asked_about_once_more(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        card = await ask(it, it.dana, Wish(NEW, name="all", access=(("Write topics", "*"),)))

        said = words_of(card)
        assert "High risk." in said
        assert "access to all topics" in said
        assert "Approve" in buttons(card)


# What people try.


async def test_an_approver_who_cannot_grant_the_access_cannot_approve_it(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, Wish(name="orders writer", access=(("Write topics", "clicks-"),)))
        card = it.cards()[-1]
        await it.press("U0SAMI", APPROVALS_CHANNEL, card, "Approve")  # he owns the account, and no topic

        await it.person("U0SAMI").see(f"Your Confluent roles don't let you grant {WRITE}")
        assert it.our_keys() == []


async def test_an_approver_who_loses_the_right_to_grant_the_access_approves_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        organization = it.stage.organization
        await ask(it, it.dana, Wish(name="orders writer", access=(("Write topics", "clicks-"),)))
        before = held(it, "sa-orders")
        (erins,) = (id_ for id_, each in organization.role_bindings.items() if each.principal == "u-erin01")
        del organization.role_bindings[erins]
        organization.bind("u-erin01", "ResourceOwner", crn("service-account=sa-orders"))
        await it.approve()

        await it.erin.see(f"Your Confluent roles don't let you grant {WRITE}")
        assert (it.our_keys(), held(it, "sa-orders")) == ([], before)


async def submit_changed(it: Play, change: Callable[[Json], None]) -> str:
    """Submit Dana's modal as if she had changed what her client sends; what is said to be wrong."""
    slack, view = it.stage.slack, it.dana.front()
    slack.views.keep_state(view, it.dana.typed.get(view["id"], {}))
    sent = copy.deepcopy(view)
    change(sent)
    person = slack.workspace.people[it.dana.user]
    payload = payloads.view_submission(person, sent, trigger=slack.views.new_trigger(person.slack))
    answer = await slack.delivery.send(Envelope("interactive", payload, takes_answer=True), person.slack)
    return " ".join(slack.interactions._take_submit_answer(person.slack, view, answer).values())


@pytest.mark.parametrize("value", ["0badcafe", "ResourceOwner", OTHER_KIND, "environment=env-prod01"])
async def test_access_that_the_form_does_not_offer_is_not_granted(tmp_path: Path, value: str) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(NEW, access=(("Write topics", "clicks-"),)))

        def change(view: Json) -> None:
            chosen = view["state"]["values"][block_of(view, "access")][ids.FORM_ACCESS]
            chosen["selected_options"][0]["value"] = value

        said = await submit_changed(it, change)

        assert said == ("" if value == OTHER_KIND else NOT_OFFERED)
        if value == OTHER_KIND:
            await it.dana.see("Review your request")
            assert "also granted" not in str(plain_words(it.dana.front()))


async def test_names_that_would_leave_the_cluster_of_the_key_are_refused(tmp_path: Path) -> None:
    escapes = ("x/../cloud-cluster=lkc-prod01/kafka=lkc-prod01/topic=orders", "x%2Ftopic=orders", "orders*-x")
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(NEW, access=(("Write topics", "clicks-"),)))
        for each in escapes:
            await it.dana.fill({"Write topics: name prefix": each})
            (problem,) = (await it.dana.submit()).values()
            assert problem.startswith("Use only a–z, A–Z, 0–9")


async def test_access_that_was_put_into_the_forms_private_metadata_is_seen_by_everyone_or_refused(
    tmp_path: Path,
) -> None:
    hidden = OFFERS[1].id
    async with play(tmp_path) as it:
        await fill_in(it.dana, Wish(NEW, name="sneaky"))
        metadata = f'{{"names:{hidden}": "secrets-"}}'
        unknown = metadata.replace(hidden, "0badcafe")
        assert await submit_changed(it, lambda view: view.update(private_metadata=unknown)) == NOT_OFFERED
        await submit_changed(it, lambda view: view.update(private_metadata=metadata))
        await it.dana.see("Review your request")
        said = " ".join(plain_words(it.dana.front()))
        assert ("topics starting with" in said, "secrets-" in said) == (True, True)
        await it.dana.submit()
        await it.card_says("secrets-")


# On the page of the key.


async def test_who_manages_the_key_removes_its_access_on_its_page(tmp_path: Path) -> None:
    wish = Wish(name="orders reader", access=(("Read topics", "clicks-"),))
    async with play(tmp_path) as it:
        before = held(it, "sa-orders")
        key = await obtain(it, wish)
        assert held(it, "sa-orders") != before
        await it.dana.command(f"/apikey show {key}")
        await it.dana.see("API keys in Confluent Cloud")
        assert "Remove access" not in str(it.dana.front())

        await it.erin.command(f"/apikey show {key}")
        await it.erin.see("topics starting with")
        await it.erin.click("Remove access")
        await it.erin.see("Anything that needs this access will stop working. The key stays")
        await it.until(lambda: held(it, "sa-orders") == before, "access taken back", step=1)
        assert key in it.our_keys()
        await it.erin.close(everything=True)
        await it.erin.command(f"/apikey show {key}")
        await it.erin.wait_for(lambda: "(removed)" in str(it.erin.modal), "the key's page")
        assert "Remove access" not in str(it.erin.front())
        await it.dana.wait_for(lambda: "(removed)" in str(it.dana.messages()), "that it is gone in her own message")


# Where nothing is chosen.


@pytest.mark.parametrize(
    ("wish", "flags"),
    [
        (
            Wish(NEW),
            (
                "--role DeveloperRead --environment env-dev001 --cloud-cluster lkc-dev001 --kafka-cluster lkc-dev001 "
                "--resource Topic:PREFIX --prefix"
            ),
        ),
        (
            Wish(NEW, kind="schema-registry", cluster="lsrc-dev01"),
            (
                "--role DeveloperRead --environment env-dev001 --schema-registry-cluster lsrc-dev01 "
                "--resource Subject:PREFIX --prefix"
            ),
        ),
    ],
    ids=["kafka", "schema-registry"],
)
async def test_a_new_account_without_access_comes_with_the_command_that_grants_it(
    tmp_path: Path, wish: Wish, flags: str
) -> None:
    command = "confluent iam rbac role-binding create \\\n  --principal User:"
    flags = flags.replace(" --", " \\\n  --")
    async with play(tmp_path) as it:
        assert "The new service account won't have any access." in await review(it.dana, wish)
        await it.dana.submit()
        await it.card_says("the account can't do anything until someone grants it roles.")
        assert "role-binding create" not in str(it.cards())
        await admin(it).click("Approve", beside=wish.name, in_channel=APPROVALS_CHANNEL)
        await is_made(it, wish.name)

        await it.dana.see(f"{command}{made_account(it)} \\\n  {flags}")


async def test_an_account_that_exists_and_one_with_access_come_without_that_command(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for wish in (Wish(name="no new account"), WITH_ACCESS):
            assert "role-binding create" not in words_of(await ask(it, it.dana, wish))
