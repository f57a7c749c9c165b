"""What can go wrong at the sandbox's Confluent Cloud, over real connections where it matters."""

import asyncio
import gzip
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from sandbox.cast import BOT_PRINCIPAL, ORG_CRN, ORGANIZATION
from sandbox.clock import SandboxClock
from sandbox.confluent import Faults, Gate, Organization, create_app
from sandbox.confluent.faults import Change
from sandbox.serving import serve
from tests.sandbox.confluent_client import ACCOUNTS, BINDINGS, KEYS, Clock

ASK = {"spec": {"owner": {"id": "sa-orders"}, "resource": {"id": "lkc-dev001"}, "description": "[lk:R1/1]"}}


def marked(organization: Organization) -> list[str]:
    return [key.id for key in organization.api_keys.values() if key.description == "[lk:R1/1]"]


# ------------------------------------------------------------------------------------------------------- lost answers


async def test_a_lost_create_takes_effect_and_drops_the_connection(
    served: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    faults.answer_lost = "next create"

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await served.post(KEYS, json=ASK)
    assert len(marked(organization)) == 1
    assert organization.journal[-1].status is None

    assert (await served.post(KEYS, json=ASK)).status_code == 202
    assert len(marked(organization)) == 2


async def test_every_create_may_be_lost(served: httpx.AsyncClient, organization: Organization, faults: Faults) -> None:
    faults.answer_lost = "every create"

    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            await served.post(KEYS, json=ASK)
    assert len(marked(organization)) == 2
    assert (await served.get(KEYS)).status_code == 200


@dataclass(frozen=True, slots=True)
class Changing:
    """A change of the organization, as a client asks for it, and how to tell whether it happened."""

    name: Change
    call: tuple[str, str, dict[str, Any] | None]
    happened: Callable[[Organization], bool]

    async def ask(self, client: httpx.AsyncClient) -> httpx.Response:
        method, path, body = self.call
        return await client.request(method, path, json=body)


@dataclass(frozen=True, slots=True)
class Unbinding(Changing):
    """The deletion of a role binding, which the organization names by an id of its own."""

    async def ask(self, client: httpx.AsyncClient) -> httpx.Response:
        method, path, query = self.call
        (found,) = (await client.get(path, params=query)).json()["data"]
        return await client.request(method, f"{path}/{found['id']}")


def held(organization: Organization, binding: dict[str, Any]) -> bool:
    """Whether there is such a role binding."""
    wanted = (binding["principal"].removeprefix("User:"), binding["role_name"])
    return wanted in {(each.principal, each.role) for each in organization.role_bindings.values()}


def account(organization: Organization, name: str) -> bool:
    return name in {each.name for each in organization.service_accounts.values()}


ORDERS = f"{KEYS}/ORDERSPROD000001"
RENAME = {"spec": {"display_name": "renamed"}}
GRANT = {
    "principal": "User:sa-etl001",
    "role_name": "DeveloperWrite",
    "crn_pattern": f"{ORG_CRN}/environment=env-dev001",
}
READS = {"principal": "User:u-dana01", "role_name": "DeveloperRead", "crn_pattern": f"{ORG_CRN}/*"}
CHANGES = [
    Changing("create", ("POST", KEYS, ASK), lambda it: len(marked(it)) == 1),
    Changing("edit", ("PATCH", ORDERS, RENAME), lambda it: it.api_keys["ORDERSPROD000001"].name == "renamed"),
    Changing("delete", ("DELETE", ORDERS, None), lambda it: "ORDERSPROD000001" not in it.api_keys),
    Changing("account", ("POST", ACCOUNTS, {"display_name": "new one"}), lambda it: account(it, "new one")),
    Changing(
        "account edit",
        ("PATCH", f"{ACCOUNTS}/sa-etl001", {"description": "new"}),
        lambda it: it.service_accounts["sa-etl001"].description == "new",
    ),
    Changing(
        "account delete", ("DELETE", f"{ACCOUNTS}/sa-etl001", None), lambda it: "sa-etl001" not in it.service_accounts
    ),
    Changing("role binding", ("POST", BINDINGS, GRANT), lambda it: held(it, GRANT)),
    Unbinding("role binding delete", ("DELETE", BINDINGS, READS), lambda it: not held(it, READS)),
]
OF_EVERY_KIND = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)


def test_changes_of_every_kind_are_tried() -> None:
    assert [change.name for change in CHANGES] == list(get_args(Change))


@OF_EVERY_KIND
@pytest.mark.parametrize(("switch", "happens"), [("answer_lost", True), ("request_lost", False)])
async def test_any_change_can_be_lost_before_or_after_it_happens(
    served: httpx.AsyncClient,
    organization: Organization,
    faults: Faults,
    change: Changing,
    switch: str,
    *,
    happens: bool,
) -> None:
    faults.set(switch, f"next {change.name}")

    with pytest.raises(httpx.RemoteProtocolError):
        await change.ask(served)

    assert change.happened(organization) is happens
    assert organization.journal[-1].status is None
    assert getattr(faults, switch) == "off"
    if not happens:
        faults.set(switch, f"every {change.name}")
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                await change.ask(served)
        faults.set(switch, "off")
        assert (await change.ask(served)).is_success
        assert change.happened(organization)


@OF_EVERY_KIND
async def test_any_change_can_fail_before_or_after_it_happens(
    api: httpx.AsyncClient, organization: Organization, faults: Faults, change: Changing
) -> None:
    faults.set("failing", change.name)
    assert (await change.ask(api)).status_code == 500
    assert not change.happened(organization)

    faults.set("failing", f"{change.name}, after the effect")
    assert (await change.ask(api)).status_code == 500
    assert change.happened(organization)


@OF_EVERY_KIND
@pytest.mark.parametrize("happened", [False, True])
async def test_any_change_can_be_held_on_either_side_of_its_effect(
    served: httpx.AsyncClient,
    organization: Organization,
    faults: Faults,
    change: Changing,
    *,
    happened: bool,
) -> None:
    held = Gate()
    (faults.hold_after if happened else faults.hold_before)[change.name] = held
    asking = asyncio.create_task(change.ask(served))
    await asyncio.wait_for(held.reached.wait(), 30)

    assert change.happened(organization) is happened
    held.opened.set()
    assert (await asking).is_success
    assert change.happened(organization)


async def test_what_went_away_while_a_change_was_held_is_refused(
    api: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    held = faults.hold_before["edit"] = Gate()
    editing = asyncio.create_task(api.patch(ORDERS, json=RENAME))
    await asyncio.wait_for(held.reached.wait(), 30)
    organization.delete_key("ORDERSPROD000001")
    held.opened.set()

    assert (await editing).status_code == 403


async def test_a_lost_answer_without_a_server_is_a_reset(
    api: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    faults.answer_lost = "next create"

    with pytest.raises(ConnectionResetError):
        await api.post(KEYS, json=ASK)
    assert len(marked(organization)) == 1


@pytest.mark.parametrize(("gate", "made"), [("hold_before_create", 0), ("hold_after_create", 1)])
async def test_a_create_can_be_held_on_either_side_of_its_effect(
    served: httpx.AsyncClient, organization: Organization, faults: Faults, gate: str, made: int
) -> None:
    held = Gate()
    setattr(faults, gate, held)
    client = asyncio.create_task(served.post(KEYS, json=ASK))
    await asyncio.wait_for(held.reached.wait(), 30)

    assert len(marked(organization)) == made
    held.opened.set()
    assert (await client).status_code == 202
    assert len(marked(organization)) == 1


async def test_a_client_that_dies_while_held_leaves_its_key(
    served: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    held = faults.hold_after_create = Gate()
    client = asyncio.create_task(served.post(KEYS, json=ASK))
    await asyncio.wait_for(held.reached.wait(), 30)
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client
    held.opened.set()

    assert len(marked(organization)) == 1


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("status", ["400", "402", "403", "409", "422"])
async def test_creates_are_refused_without_effect(
    api: httpx.AsyncClient, organization: Organization, faults: Faults, status: str
) -> None:
    faults.set("create_refused", status)
    answer = await api.post(KEYS, json=ASK)

    assert str(answer.status_code) == status == answer.json()["errors"][0]["status"]
    assert marked(organization) == []
    if status in {"400", "402"}:
        assert "is currently limited to" in answer.json()["errors"][0]["detail"]


async def test_a_server_error_may_come_before_or_after_the_effect(
    api: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    faults.failing = "create"
    assert (await api.post(KEYS, json=ASK)).status_code == 500
    assert marked(organization) == []

    faults.failing = "create, after the effect"
    assert (await api.post(KEYS, json=ASK)).status_code == 500
    assert len(marked(organization)) == 1
    assert (await api.get(KEYS)).status_code == 200

    faults.failing = "all"
    assert (await api.get(KEYS)).status_code == 500


async def test_the_rate_limit_counts_down(api: httpx.AsyncClient, faults: Faults) -> None:
    faults.rate_limited = 2
    answers = [await api.get(KEYS) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[0].headers["X-RateLimit-Remaining"] == "0"
    faults.rate_limited = -1
    assert {(await api.get(KEYS)).status_code for _ in range(3)} == {429}


async def test_slow_answers_wait(api: httpx.AsyncClient, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("sandbox.confluent.server.asyncio.sleep", sleep)
    faults.set("slow", "2.5")

    assert (await api.get(KEYS)).status_code == 200
    assert waited == [2.5]


SHAPES: list[tuple[str, Any]] = [
    ("documented", lambda body: body["errors"][0]["code"]),
    ("no code", lambda body: body["errors"][0]["detail"]),
    ("gateway", lambda body: body["error"]["message"]),
    ("message", lambda body: body["message"]),
    ("error_code", lambda body: body["message"]),
    ("2026", lambda body: body["error"]["message"]),
]


@pytest.mark.parametrize(("shape", "read"), SHAPES)
async def test_errors_come_in_every_form_seen(api: httpx.AsyncClient, faults: Faults, shape: str, read: Any) -> None:
    faults.set("error_shape", shape)
    answer = await api.get(f"{KEYS}/NOSUCHKEY0000000")

    assert answer.status_code == 403
    assert read(answer.json()) in {"Forbidden Access", "forbidden_access"}


async def test_errors_may_be_empty_or_compressed_without_saying_so(served: httpx.AsyncClient, faults: Faults) -> None:
    faults.error_shape = "empty"
    assert (await served.get(f"{KEYS}/NOSUCHKEY0000000")).content == b""

    faults.error_shape = "gzip"
    answer = await served.get(f"{KEYS}/NOSUCHKEY0000000")
    assert "content-encoding" not in answer.headers
    assert json.loads(gzip.decompress(answer.content))["errors"][0]["status"] == "403"


@pytest.mark.parametrize(("form", "end"), [("ends with an empty string", ""), ("ends with null", None)])
async def test_a_list_may_end_in_several_ways(
    api: httpx.AsyncClient, faults: Faults, form: str, end: str | None
) -> None:
    faults.set("paging", form)
    body = (await api.get(KEYS, params={"page_size": "100"})).json()

    assert body["metadata"]["next"] == end


async def test_a_list_may_start_with_an_empty_page(
    api: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    faults.paging = "starts with an empty page"
    first = (await api.get(KEYS, params={"page_size": "100"})).json()
    token = httpx.URL(first["metadata"]["next"]).params["page_token"]
    second = (await api.get(KEYS, params={"page_token": token})).json()

    assert first["data"] == []
    assert [key["id"] for key in second["data"]] == list(organization.api_keys)


async def test_page_tokens_may_expire_once_or_for_good(api: httpx.AsyncClient, faults: Faults) -> None:
    first = (await api.get(KEYS, params={"page_size": "3"})).json()
    again = {"page_token": httpx.URL(first["metadata"]["next"]).params["page_token"]}

    faults.set("page_tokens", "expire once")
    expired = await api.get(KEYS, params=again)
    assert (expired.status_code, expired.json()["errors"][0]["source"]) == (400, {"parameter": "page_token"})
    assert (await api.get(KEYS, params=again)).status_code == 200

    faults.set("page_tokens", "expire")
    assert [(await api.get(KEYS, params=again)).status_code for _ in range(2)] == [400, 400]
    assert (await api.get(KEYS, params={"page_size": "3"})).status_code == 200


# ---------------------------------------------------------------------------------------------------------- data plane

PROBES = [
    ("lkc-dev001", None, "/dataplane/lkc-dev001/kafka/v3/clusters/lkc-dev001/topics"),
    ("lsrc-dev01", None, "/dataplane/lsrc-dev01/subjects"),
    ("lksqlc-dev01", None, "/dataplane/lksqlc-dev01/info"),
    (
        "aws.us-east-1",
        "env-dev001",
        f"/dataplane/aws.us-east-1/sql/v1/organizations/{ORGANIZATION}/environments/env-dev001/statements",
    ),
]


@pytest.mark.parametrize(("resource", "environment", "path"), PROBES)
async def test_a_key_works_on_its_cluster_once_it_has_spread(
    api: httpx.AsyncClient,
    organization: Organization,
    faults: Faults,
    clock: Clock,
    resource: str,
    environment: str | None,
    path: str,
) -> None:
    faults.propagation = 60
    key, secret = organization.create_key(organization.resource(resource, environment), "sa-orders")
    auth = (key.id, secret)

    assert (await api.get(path, auth=auth)).status_code == 401
    clock.time += timedelta(seconds=60)
    assert (await api.get(path, auth=auth)).status_code == 200
    assert (await api.get(path, auth=(key.id, "wrong"))).status_code == 401
    faults.data_plane = "reject"
    assert (await api.get(path, auth=auth)).status_code == 403
    del organization.api_keys[key.id]
    assert (await api.get(path, auth=auth)).status_code == 401


@pytest.mark.parametrize(("resource", "environment", "path"), PROBES)
async def test_a_deleted_key_may_go_on_working_for_a_while(
    api: httpx.AsyncClient,
    organization: Organization,
    faults: Faults,
    clock: Clock,
    resource: str,
    environment: str | None,
    path: str,
) -> None:
    faults.propagation, faults.lingering = 0, 60
    key, secret = organization.create_key(organization.resource(resource, environment), "sa-orders")

    assert (await api.delete(f"{KEYS}/{key.id}")).status_code == 204
    assert (await api.get(f"{KEYS}/{key.id}")).status_code == 403
    assert (await api.get(path, auth=(key.id, secret))).status_code == 200
    clock.time += timedelta(seconds=60)
    assert (await api.get(path, auth=(key.id, secret))).status_code == 401


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("lkc-dev003", "/dataplane/lkc-dev003/kafka/v3/clusters/lkc-dev003/topics"),
        ("lksqlc-dev02", "/dataplane/lksqlc-dev02/info"),
    ],
)
async def test_private_and_paused_clusters_do_not_answer(
    served: httpx.AsyncClient, organization: Organization, faults: Faults, resource: str, path: str
) -> None:
    faults.propagation = 0
    key, secret = organization.create_key(organization.resource(resource), "sa-orders")

    with pytest.raises(httpx.RemoteProtocolError):
        await served.get(path, auth=(key.id, secret))


CONTROL_PROBES = [
    ("cloud", "/org/v2/environments"),
    ("global", "/org/v2/environments"),
    ("tableflow", "/tableflow/v1/regions"),
]


@pytest.mark.parametrize(("resource", "path"), CONTROL_PROBES)
async def test_a_key_without_a_cluster_is_tried_on_the_api_itself(
    api: httpx.AsyncClient, faults: Faults, clock: Clock, resource: str, path: str
) -> None:
    faults.propagation, faults.lingering = 30, 5
    made = (await api.post(KEYS, json={"spec": {"owner": {"id": "sa-orders"}, "resource": {"id": resource}}})).json()
    auth = (made["id"], made["spec"]["secret"])

    assert (await api.get(path, params={"page_size": "1"}, auth=auth)).status_code == 401
    clock.time += timedelta(seconds=30)
    assert (await api.get(path, params={"page_size": "1"}, auth=auth)).status_code == 200
    await api.delete(f"{KEYS}/{made['id']}")
    assert (await api.get(path, auth=auth)).status_code == 200
    clock.time += timedelta(seconds=5)
    assert (await api.get(path, auth=auth)).status_code == 401


async def test_kafka_refuses_with_a_page_of_html(api: httpx.AsyncClient) -> None:
    answer = await api.get(PROBES[0][2], auth=("NOSUCHKEY0000000", "x"))

    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_key_opens_no_cluster_but_its_own(api: httpx.AsyncClient, organization: Organization) -> None:
    other = ("PAYMENTSPROD0001", organization.secrets_issued["PAYMENTSPROD0001"])
    assert (await api.get(PROBES[0][2], auth=other)).status_code == 401

    key, secret = organization.add_key(
        "GLOBALKEY0000000",
        organization.resource("global"),
        "sa-orders",
        name="",
        description="",
        at=organization.clock() - timedelta(days=1),
    )
    assert [(await api.get(path, auth=(key.id, secret))).status_code for _, _, path in PROBES] == [200] * 4


async def test_clusters_may_be_unreachable(served: httpx.AsyncClient, faults: Faults) -> None:
    faults.data_plane = "unreachable"

    with pytest.raises(httpx.RemoteProtocolError):
        await served.get(PROBES[0][2])


# --------------------------------------------------------------------------------------------------------------- roles


async def test_somebody_without_roles_is_in_no_list_of_them(served: httpx.AsyncClient, faults: Faults) -> None:
    held = {"crn_pattern": f"{ORG_CRN}/*", "principal": "User:u-erin01"}
    assert len((await served.get(BINDINGS, params=held)).json()["data"]) == 1

    faults.roles_lost = "Erin Castellanos"

    assert (await served.get(BINDINGS, params=held)).json()["data"] == []


async def test_a_bot_without_roles_sees_its_own_key_alone_and_makes_none(
    served: httpx.AsyncClient, faults: Faults
) -> None:
    faults.roles_lost = "Latchkey"

    assert {key["spec"]["owner"]["id"] for key in (await served.get(KEYS)).json()["data"]} == {BOT_PRINCIPAL}
    assert (await served.post(KEYS, json=ASK)).status_code == 403

    faults.reset()
    assert (await served.post(KEYS, json=ASK)).status_code == 202


# ------------------------------------------------------------------------------------------------------------ switches


def test_every_switch_describes_itself_and_takes_its_choices(faults: Faults) -> None:
    for switch in faults.describe():
        assert switch["label"]
        assert switch["value"] in switch["choices"]
        for choice in switch["choices"]:
            faults.set(switch["name"], str(choice))
            assert getattr(faults, switch["name"]) == choice
    json.dumps(faults.describe())

    faults.reset()
    assert faults == Faults()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonsense", "x"),
        ("failing", "sometimes"),
        ("slow", "31"),
        ("slow", "nan"),
        ("slow", "x"),
        ("hold_after_create", ""),
    ],
)
def test_a_switch_refuses_what_it_does_not_know(faults: Faults, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        faults.set(name, value)
    assert faults == Faults()


# ---------------------------------------------------------------------------------------------------- serving and clock


async def test_serving_frees_its_port(organization: Organization, faults: Faults, clock: Clock) -> None:
    app = create_app(organization, faults, clock=clock.now)
    async with serve(app) as base_url:
        port = httpx.URL(base_url).port
        assert port
        with pytest.raises(OSError, match="in use"):
            async with serve(app, port=port):
                pass
    async with serve(app, port=port) as again:
        assert again == base_url


async def test_serving_ends_with_idle_clients_connected(
    organization: Organization, faults: Faults, clock: Clock
) -> None:
    async with httpx.AsyncClient() as client:
        async with serve(create_app(organization, faults, clock=clock.now)) as base_url:
            assert (await client.get(f"{base_url}/org/v2/environments")).status_code == 401
        with pytest.raises(httpx.TransportError):
            await client.get(f"{base_url}/org/v2/environments")


async def test_the_loopback_alone_is_served(organization: Organization, faults: Faults, clock: Clock) -> None:
    async with serve(create_app(organization, faults, clock=clock.now)) as base_url:
        assert httpx.URL(base_url).host == "127.0.0.1"
        port = httpx.URL(base_url).port
        assert port
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert connection.getpeername()[0] == "127.0.0.1"


def test_clocks_on_one_file_show_one_time(tmp_path: Path) -> None:
    one, other = SandboxClock(tmp_path / "clock"), SandboxClock(tmp_path / "clock")
    before = other.now()
    one.advance(timedelta(hours=2))
    one.advance(timedelta(minutes=1))

    assert timedelta(hours=2, minutes=1) <= other.now() - before < timedelta(hours=2, minutes=2)
    assert one.now().tzinfo is UTC
    other.advance(timedelta(days=1))
    assert one.now() - before > timedelta(days=1, hours=2)
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]


def test_a_clock_never_goes_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only goes forward"):
        SandboxClock(tmp_path / "clock").advance(timedelta(seconds=-1))
