"""The adapter against the sandbox's Confluent Cloud, over a real connection."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bot.confluent.client import Client
from bot.confluent.cloud import ConfluentCloud
from bot.domain.catalog import Environment
from bot.domain.errors import CloudRefused, Throttled, Unavailable, Unknown
from bot.domain.keys import KafkaCluster, KeyId, Kind, Principal, Secret, ServiceAccount
from bot.services.cloud import Cloud, NewKey
from sandbox.cast import CAST, DEV, ORGANIZATION
from sandbox.confluent import BOT_KEY, Faults, Organization, acme, create_app
from sandbox.serving import serve

ORDERS = KafkaCluster("lkc-dev001", "orders-dev", DEV, "dev")
OWNER = ServiceAccount(Principal("sa-orders"), "orders-service")
NEW = NewKey(OWNER, ORDERS, "orders consumer", "Reads orders [lk:REQUEST/1]")


def now() -> datetime:
    return datetime(2026, 3, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def organization() -> Organization:
    return acme(now)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def sandbox_cloud(organization: Organization, faults: Faults) -> AsyncIterator[Cloud]:
    secret = Secret(organization.secrets_issued[BOT_KEY])
    app = create_app(organization, faults, clock=now)
    async with serve(app) as endpoint, Client(endpoint, BOT_KEY, secret, version="0") as client:
        yield ConfluentCloud(client)


async def marked(cloud: Cloud) -> list[str]:
    return [key.id for key in await cloud.keys(OWNER.id, ORDERS) if key.description == NEW.description]


async def test_the_catalog(sandbox_cloud: Cloud) -> None:
    assert await sandbox_cloud.organization() == ORGANIZATION
    dev, _ = await sandbox_cloud.environments()
    assert dev == Environment(DEV, "dev")
    assert [each.name for each in await sandbox_cloud.kafka_clusters(dev)] == [
        "clicks-dev",
        "orders-dev",
        "payments-dev",
    ]
    assert OWNER in await sandbox_cloud.service_accounts()
    assert await sandbox_cloud.service_account(OWNER.id) == OWNER
    assert {each.email for each in await sandbox_cloud.users()} >= {"erin@acme.example", "tess@acme.example"}


async def test_a_cluster_has_addresses(sandbox_cloud: Cloud) -> None:
    for cluster in ("lkc-dev001", "lkc-dev003"):
        found = await sandbox_cloud.resource(Kind.KAFKA, DEV, cluster)
        assert found is not None
        assert "://" not in found[1].bootstrap
        assert found[1].bootstrap.partition(":")[2]
        assert found[1].rest.startswith(("https://", "http://127.0.0.1:"))
    assert await sandbox_cloud.resource(Kind.KAFKA, DEV, "lkc-nosuch") is None
    assert await sandbox_cloud.resource(Kind.KAFKA, DEV, "lkc-prod01") is None


async def test_everybodys_role_bindings(sandbox_cloud: Cloud) -> None:
    for actor in CAST:
        if actor.principal is not None:
            held = await sandbox_cloud.role_bindings(Principal(actor.principal))
            assert {(each.role, each.crn) for each in held} == set(actor.bindings)


async def test_a_key_lives_and_dies(sandbox_cloud: Cloud, organization: Organization) -> None:
    key, secret = await sandbox_cloud.create_key(NEW)

    assert secret.reveal() == organization.secrets_issued[key.id]
    assert await marked(sandbox_cloud) == [key.id]

    assert await sandbox_cloud.delete_key(key.id, OWNER.id, ORDERS) is True
    assert await sandbox_cloud.delete_key(key.id, OWNER.id, ORDERS) is False

    assert await marked(sandbox_cloud) == []


async def test_a_really_lost_answer_to_a_create(
    sandbox_cloud: Cloud, organization: Organization, faults: Faults
) -> None:
    faults.answer_lost = "every create"

    with pytest.raises(Unknown):
        await sandbox_cloud.create_key(NEW)

    assert len(await marked(sandbox_cloud)) == 1
    assert [call.method for call in organization.journal].count("POST") == 1


async def test_a_really_lost_answer_to_a_delete(sandbox_cloud: Cloud, faults: Faults) -> None:
    key, _ = await sandbox_cloud.create_key(NEW)
    faults.answer_lost = "next delete"

    await sandbox_cloud.delete_key(key.id, OWNER.id, ORDERS)

    assert await marked(sandbox_cloud) == []


async def test_a_create_that_fails_after_the_effect(sandbox_cloud: Cloud, faults: Faults) -> None:
    faults.failing = "create, after the effect"

    with pytest.raises(Unknown):
        await sandbox_cloud.create_key(NEW)

    assert len(await marked(sandbox_cloud)) == 1


async def test_rate_limits_and_refusals(sandbox_cloud: Cloud, faults: Faults) -> None:
    faults.rate_limited = 2
    assert len(await sandbox_cloud.environments()) == 2

    faults.rate_limited = 1
    with pytest.raises(Throttled):
        await sandbox_cloud.create_key(NEW)

    faults.create_refused = "402"
    with pytest.raises(CloudRefused, match="limited to") as caught:
        await sandbox_cloud.create_key(NEW)
    assert caught.value.status == 402
    assert caught.value.reference
    assert await marked(sandbox_cloud) == []


@pytest.mark.parametrize(
    "paging", ["plain", "ends with an empty string", "ends with null", "starts with an empty page"]
)
async def test_every_form_of_paging(
    sandbox_cloud: Cloud, organization: Organization, faults: Faults, paging: str
) -> None:
    faults.set("paging", paging)
    place = organization.resource(ORDERS.id)
    for number in range(250):
        organization.add_key(f"MANY{number:012}", place, OWNER.id, name="", description="many", at=now())

    keys = await sandbox_cloud.keys(OWNER.id, ORDERS)

    assert sum(key.description == "many" for key in keys) == 250


async def test_a_refused_own_key(organization: Organization, faults: Faults) -> None:
    app = create_app(organization, faults, clock=now)
    async with serve(app) as endpoint, Client(endpoint, BOT_KEY, Secret("wrong"), version="0") as client:
        with pytest.raises(Unavailable) as caught:
            await ConfluentCloud(client).environments()

    assert "refuses Latchkey's own key" in caught.value.tell


async def test_nobody_listening_is_unavailable_for_a_create_too(organization: Organization, faults: Faults) -> None:
    async with serve(create_app(organization, faults, clock=now)) as endpoint:
        pass

    async with Client(endpoint, BOT_KEY, Secret("x"), version="0") as client:
        with pytest.raises(Unavailable, match="ConnectError"):
            await ConfluentCloud(client).create_key(NEW)


async def test_no_secret_is_logged_at_debug_by_any_layer(
    sandbox_cloud: Cloud,
    organization: Organization,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)

    key, _ = await sandbox_cloud.create_key(NEW)
    await sandbox_cloud.delete_key(KeyId(key.id), OWNER.id, ORDERS)

    logged = caplog.text + "".join(capsys.readouterr())
    assert {"httpx", "httpcore.http11"} <= {record.name for record in caplog.records}
    for secret in (organization.secrets_issued[key.id], organization.secrets_issued[BOT_KEY]):
        assert secret not in logged
