"""The panel's API: switches, the clock, and what people do at Confluent behind Latchkey's back."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.confluent import Size, add_crowd, console
from sandbox.control import Control
from sandbox.stage import BotProcess, Stage, stage

SIGN = {"X-Sandbox": "1"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Stage]:
    control = Control()
    async with stage(tmp_path, extra=control.routes()) as here:
        control.attach(here, BotProcess({}, tmp_path / "clock", tmp_path / "bot.log"))
        yield here


@pytest.fixture
async def http(here: Stage) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=here.slack_url, headers=SIGN, trust_env=False) as client:
        yield client


async def switches(http: httpx.AsyncClient, side: str) -> dict[str, dict[str, Any]]:
    shown = (await http.get("/control")).json()
    return {each["name"]: each for each in shown["faults"][side]}


async def test_a_switch_is_turned_and_all_are_turned_back_at_once(here: Stage, http: httpx.AsyncClient) -> None:
    for side, name, value in (("confluent", "low_quota_limit", 0), ("slack", "hash_conflict", "next")):
        body = {"side": side, "name": name, "value": value}
        assert (await http.post("/control/fault", json=body)).status_code == 200
        turned = (await switches(http, side))[name]
        assert turned["value"] == value != turned["usual"]

    await http.post("/control/reset", json={})

    for side in ("confluent", "slack"):
        assert all(each["value"] == each["usual"] for each in (await switches(http, side)).values())
    assert here.faults.low_quota_limit == 1


@pytest.mark.parametrize(
    ("asked", "ahead"),
    [
        ({"advance": 604_800}, timedelta(days=7)),
        ({"to": timedelta(days=30)}, timedelta(days=30)),
        ({"to": timedelta(days=30), "lead": 86_400}, timedelta(days=29)),
        ({"to": timedelta(hours=2), "lead": -60}, timedelta(hours=2, minutes=1)),
    ],
)
async def test_the_clock_goes_to_a_moment_or_to_so_long_before_it(
    here: Stage, http: httpx.AsyncClient, asked: dict[str, Any], ahead: timedelta
) -> None:
    start = here.clock.now()
    if "to" in asked:
        asked = {**asked, "to": (start + asked["to"]).isoformat()}

    shown = await http.post("/control/clock", json=asked)

    assert shown.status_code == 200
    assert ahead <= here.clock.now() - start < ahead + timedelta(minutes=1)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"advance": -1},
        {"advance": "soon"},
        {"advance": 1e300},
        {"to": "2020-01-01T00:00:00+00:00"},
        {"to": "2120-01-01T00:00:00"},
        {"to": "tomorrow"},
        {"to": 7},
    ],
)
async def test_the_clock_refuses_what_it_cannot_do(here: Stage, http: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    refused = await http.post("/control/clock", json=asked)

    assert refused.status_code == 400
    assert refused.json()["error"]
    assert here.clock.offset() == timedelta()


async def test_the_console_finds_keys_by_any_of_their_words(here: Stage, http: httpx.AsyncClient) -> None:
    found = (await http.get("/control/console", params={"q": "ORDERS-service schemas"})).json()
    everything = (await http.get("/control/console")).json()

    assert [(key["id"], key["owner"], key["days"]) for key in found["keys"]] == [
        ("ORDERSSCHEMA0001", "orders-service", 120)
    ]
    ids = [key["id"] for key in everything["keys"]]
    assert everything["found"] == len(ids) == len(here.organization.api_keys) - 1
    assert "CONFLUENTINTERN1" not in ids
    assert ids[0] == "DANASLAPTOP00001"
    assert not any(secret in str(everything) for secret in here.organization.secrets_issued.values())


async def test_the_console_deletes_and_renames_and_removes_owners(here: Stage, http: httpx.AsyncClient) -> None:
    keys = here.organization.api_keys

    async def act(do: str, key: str, **more: str) -> int:
        return (await http.post("/control/console", json={"do": do, "key": key, **more})).status_code

    assert await act("rename", "ORDERSPROD000001", name="renamed elsewhere") == 200
    assert keys["ORDERSPROD000001"].name == "renamed elsewhere"
    assert await act("delete", "ORDERSDEV0000001") == 200
    assert "ORDERSDEV0000001" not in keys
    assert await act("delete owner", "PAYMENTSPROD0001") == 200
    assert "sa-payments" not in {key.owner for key in keys.values()}
    assert await act("delete owner", "BILLINGPROD00001") == 400
    assert await act("delete", "ORDERSDEV0000001") == 400
    assert await act("nonsense", "ORDERSPROD000001") == 400
    assert await act("rename", "nonsense") == 400


def test_the_console_shows_the_newest_of_very_many(here: Stage) -> None:
    add_crowd(here.organization, Size(environments=2, clusters=5, ksql_clusters=0, accounts=5, users=0, keys=200))

    listing = console.listing(here.organization, "crowd")

    assert (len(listing["keys"]), listing["found"]) == (console.MOST, 200)
    assert [key["days"] for key in listing["keys"]] == sorted(key["days"] for key in listing["keys"])


async def test_slacks_manners_are_turned_one_by_one_and_all_at_once(here: Stage, http: httpx.AsyncClient) -> None:
    shown = (await http.get("/control")).json()["manners"]
    assert shown["seed"] == here.slack.manners.seed

    assert (await http.post("/control/manners", json={"name": "input", "value": "sticks"})).status_code == 200
    assert here.slack.manners.value("input") == "sticks"

    await http.post("/control/manners", json={"all": "unkind"})
    assert here.slack.manners.value("acks") == "late"
    await http.post("/control/manners", json={"all": "kind"})
    assert here.slack.manners.value("suggestion_state") == "whole"

    for wrong in ({"name": "acks", "value": "never"}, {"all": "nonsense"}, {}):
        assert (await http.post("/control/manners", json=wrong)).status_code == 400
