"""An organization of 500 environments, 20,000 clusters, 2,000 accounts and 100,000 keys: everything is found in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.confluent import add_crowd
from sandbox.slack.person import PersonAtClient
from sandbox.stage import stage
from tests.support.play import LOOK_EVERY, STARTED_WITHIN, Play, bot_of
from tests.support.walks import home_of, ids_on, is_drawn, is_made, opened, says, take

pytestmark = pytest.mark.timeout(400)
READ_WITHIN = 100.0
"""Seconds that the start waits for the first reading of 2,000 lists, on a busy machine, too: so it is read once."""
ENVIRONMENT, CLUSTER, ACCOUNT = "stock staging 346", "fraud-12345", "fraud-service-345"
"""Three that belong together: 40 clusters stand in the environment, and 10 keys of the account open this one."""
ON_CLUSTER = [f"CROWD{number:011}" for number in range(12_344, 100_000, 20_000)]


@asynccontextmanager
async def a_crowd(folder: Path) -> AsyncGenerator[Play]:
    """The sandbox with all that, and a bot that has read what there is to choose from."""
    with mock.patch("bot.services.worker.POLL", LOOK_EVERY):
        async with stage(folder) as here:
            add_crowd(here.organization)
            async with bot_of(here, within=READ_WITHIN + STARTED_WITHIN, catalog_seconds=READ_WITHIN):
                yield Play(here, here.slack.person("U0DANA"), here.slack.person("U0OLGA"))


async def test_the_form_finds_one_of_thousands_and_a_key_is_made_for_it(tmp_path: Path) -> None:
    async with a_crowd(tmp_path) as it:
        dana, olga = it.dana, it.erin
        await dana.command("/apikey create")
        await dana.fill({"Account": "service-account"})
        assert len(await dana.options("Service account")) == 100
        assert await dana.options("Service account", "service-1999") == ["pricing-service-1999"]
        assert await dana.options("Service account", "SA-C00345") == [ACCOUNT]
        assert len(await dana.options("Environment")) == 100
        await dana.fill({"Service account": ACCOUNT, "Environment": ENVIRONMENT})
        await dana.wait_for(lambda: "resource:kafka:env-c00346" in str(dana.modal), "the clusters of that environment")
        assert len(await dana.options("Kafka cluster")) == 40
        assert await dana.options("Kafka cluster", "12345") == [CLUSTER]
        await dana.fill({"Kafka cluster": CLUSTER, "Name": "one of many", "Reason": "To see whether it is found"})
        await every_scope_offers_what_is_there(dana)

        assert await dana.submit() == {}
        await dana.see("Review your request")
        for words in (f"{ACCOUNT} (`sa-c00345`)", f"{CLUSTER} (`lkc-c12345`)", f"*Environment*\n{ENVIRONMENT}"):
            assert words in says(dana.front())
        await dana.submit()
        await dana.see("Request sent.")
        await dana.close(everything=True)
        await olga.click("Approve", beside="one of many", in_channel=APPROVALS_CHANNEL)
        key = await is_made(it, "one of many")
        await take(it, "one of many", key)

        made = it.stage.organization.api_keys[key]
        assert (made.owner, made.resource.id) == ("sa-c00345", "lkc-c12345")
        assert dana.notices == []


async def every_scope_offers_what_is_there(dana: PersonAtClient) -> None:
    """Go through the scopes in the open form, and come back to Kafka with what was chosen and typed."""
    for kind, label, texts in (
        ("schema-registry", "Schema Registry", ["Stream Governance Package"]),
        ("ksqldb", "ksqlDB cluster", ["joins-345"]),
    ):
        await dana.fill({"Resource scope": kind})
        await dana.wait_for(lambda kind=kind: f"resource:{kind}:env-c00346" in str(dana.modal), kind)  # type: ignore[misc]
        assert await dana.options(label) == texts
    await dana.fill({"Resource scope": "flink"})
    await dana.wait_for(lambda: "Cloud provider" in str(dana.modal), "the clouds")
    clouds = await dana.options("Cloud provider")
    assert len(clouds) == 3
    await dana.fill({"Resource scope": "kafka"})
    await dana.wait_for(lambda: "resource:kafka:env-c00346" in str(dana.modal), "the clusters again")
    await dana.fill({"Kafka cluster": CLUSTER})
    assert "one of many" in str(dana.typed[dana.front()["id"]])


async def test_the_list_leads_to_any_of_a_hundred_thousand_keys(tmp_path: Path) -> None:
    async with a_crowd(tmp_path) as it:
        olga = it.erin
        await olga.command("/apikey list")
        await olga.wait_for(lambda: is_drawn(olga, "API keys"), "the list")
        first = ids_on(olga.front())
        assert len(first) == 8
        await turned(olga, "Next", first)
        second = ids_on(olga.front())
        assert len(second) == 8
        assert not {*first} & {*second}
        await turned(olga, "Previous", second)
        assert ids_on(olga.front()) == first

        assert len(await olga.options("list:owner")) == 100
        await olga.choose("list:owner", ACCOUNT)
        await olga.wait_for(lambda: ids_on(olga.front()) not in ([], first), "the keys of one account")
        assert all(it.stage.organization.api_keys[key].owner == "sa-c00345" for key in ids_on(olga.front()))
        await olga.fill({"Search": CLUSTER})
        await olga.wait_for(lambda: ids_on(olga.front()) == ON_CLUSTER, "the keys for one cluster")
        assert len(await olga.options("list:environment")) == 100
        assert await olga.options("list:environment", ENVIRONMENT) == [ENVIRONMENT]
        await olga.choose("list:environment", "stock staging 46")
        await olga.wait_for(lambda: not ids_on(olga.front()) and "No keys match." in says(olga.front()), "no key")
        await olga.close(everything=True)

        page = await opened(olga, "show", ON_CLUSTER[0])
        for words in ("search key 12344", ACCOUNT, f"{CLUSTER} (`lkc-c12345`) in {ENVIRONMENT}", "made by a script"):
            assert words in page
        await olga.close(everything=True)
        assert "Your API keys" in await home_of(olga)
        assert olga.notices == []


async def turned(person: PersonAtClient, button: str, before: list[str]) -> None:
    await person.click(button, place="modal")
    await person.wait_for(lambda: ids_on(person.front()) not in ([], before), f"the page after {button}")
