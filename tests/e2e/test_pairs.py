"""A Kafka key with its Schema Registry's, as people click it: one request, one approval, one message."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json
from tests.e2e.test_access import held, made_account, submit_changed
from tests.support.play import Play, block_of, fields, play
from tests.support.walks import is_made
from tests.support.wishes import NEW, Wish, ask, choose_scope, fill_in, review, words_of

BOTH = Wish(name="orders service", also=True)
ACCESS = (("Write topics", "clicks-"), ("Write subjects", "clicks-"))
WITH_ACCOUNT = Wish(NEW, name="clicks service", also=True, access=ACCESS)


def kinds(it: Play) -> list[str]:
    """What the keys that we made open, by the ids."""
    every = it.stage.organization.api_keys
    return sorted(every[key].resource.id.partition("-")[0] for key in it.our_keys())


@pytest.mark.parametrize("wish", [BOTH, WITH_ACCOUNT], ids=["account", "new account"])
async def test_one_request_and_one_approval_give_both_keys_in_one_message(tmp_path: Path, wish: Wish) -> None:
    """B8: both keys of a new service, in one request."""
    async with play(tmp_path) as it:
        said = await review(it.dana, wish)
        assert "Kafka and Schema Registry API keys" in said
        await it.dana.submit()
        await it.card_says("and a Schema Registry API key")
        assert it.our_keys() == []
        await it.person("U0OLGA").click("Approve", beside=wish.name, in_channel=APPROVALS_CHANNEL)
        await is_made(it, wish.name)

        assert kinds(it) == ["lkc", "lsrc"]
        if wish.access:
            granted = held(it, made_account(it, wish.account_name))
            assert [(role, crn.rpartition("/")[2]) for role, crn in granted] == [
                ("DeveloperWrite", "topic=clicks-*"),
                ("DeveloperWrite", "subject=clicks-*"),
            ]
        await it.dana.click("Show secrets", beside=f"({wish.name})", in_channel=it.dana.dm)
        await it.dana.see("Schema Registry API secret:")
        (shown,) = [each for each in it.dana.ephemerals if "API secret:" in words_of(each)]
        issued = it.stage.organization.secrets_issued
        assert all(words_of(shown).count(issued[key]) == 1 for key in it.our_keys())
        await it.dana.click("I saved them", beside="Schema Registry API key:")
        await it.dana.see("you saved the secrets for keys")
        assert kinds(it) == ["lkc", "lsrc"]
        (paired,) = await it.audit("request:paired")
        (submitted,) = await it.audit("request:submitted")
        assert cast("Mapping[str, str]", paired["details"])["beside"] == submitted["request"]


async def test_secrets_that_nobody_views_cost_both_keys_and_the_new_account(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, WITH_ACCOUNT)
        await it.person("U0OLGA").click("Approve", beside=WITH_ACCOUNT.name, in_channel=APPROVALS_CHANNEL)
        await is_made(it, WITH_ACCOUNT.name)
        it.advance(hours=25)

        accounts = it.stage.organization.service_accounts
        await it.until(
            lambda: not it.our_keys() and all(each.name != WITH_ACCOUNT.account_name for each in accounts.values()),
            "nothing left",
            step=60,
        )
        await it.dana.see("Your keys for orders-dev and Schema Registry (clicks service) were deleted")


async def test_each_key_is_an_ordinary_one_afterwards(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await ask(it, it.dana, BOTH)
        await it.erin.click("Approve", beside=BOTH.name, in_channel=APPROVALS_CHANNEL)
        await is_made(it, BOTH.name)
        await it.dana.click("Show secrets", beside=f"({BOTH.name})", in_channel=it.dana.dm)
        await it.dana.see("Schema Registry API secret:")
        await it.dana.click("I saved them", beside="Schema Registry API key:")
        await it.dana.see("you saved the secrets for keys")

        every = it.stage.organization.api_keys
        (registry,) = (key for key in it.our_keys() if every[key].resource.id.startswith("lsrc"))
        await it.erin.command(f"/apikey delete {registry}")
        await it.erin.see("Type CONFIRM")
        await it.erin.fill({"Type CONFIRM to delete this API key": "CONFIRM", "Reason": "It is no longer used"})
        await it.erin.submit()
        await it.until(lambda: kinds(it) == ["lkc"], "one key deleted, and the other one not")


async def test_the_second_key_is_offered_where_there_is_a_registry_and_only_with_kafka(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        assert not any(each.startswith("also") for each in fields(it.dana.modal))
        await it.dana.fill({"Account": "me"})
        await choose_scope(it.dana, BOTH)
        assert any(each.startswith("also:") for each in fields(it.dana.modal))
        await it.dana.fill({"Resource scope": "cloud"})
        await it.dana.wait_for(lambda: "environment" not in fields(it.dana.modal), "a form without places")
        assert not any(each.startswith("also") for each in fields(it.dana.modal))


@pytest.mark.parametrize("registry", ["lsrc-prod01", "lsrc-none", "lkc-dev001"])
async def test_a_forged_registry_of_another_environment_is_refused(tmp_path: Path, registry: str) -> None:
    async with play(tmp_path) as it:
        await fill_in(it.dana, BOTH)

        def change(view: Json) -> None:
            chosen = view["state"]["values"][block_of(view, "also")][ids.FORM_ALSO]
            chosen["selected_options"][0]["value"] = registry

        await submit_changed(it, change)
        await it.dana.see("isn't in this environment anymore")
        assert await it.audit("request:submitted") == []
