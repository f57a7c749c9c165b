"""`expires_at` of keys, with an organization that honors, ignores or refuses it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import httpx
import pytest

from bot.confluent import wire
from bot.confluent.client import Client
from bot.confluent.cloud import ConfluentCloud
from bot.domain.errors import CloudRefused
from bot.domain.keys import Cluster, Principal, Secret, ServiceAccount
from bot.domain.kinds import Kind
from bot.services.ports.cloud import NewKey
from sandbox.confluent.acme import BOT_KEY, acme
from sandbox.confluent.faults import Faults
from sandbox.confluent.organization import Organization
from sandbox.confluent.server import create_app
from tests.support import build
from tests.support.fakes import TestClock

OWNER = ServiceAccount(Principal("sa-orders"), "orders-service")
CLUSTER = Cluster(Kind.KAFKA, "lkc-dev001", "orders-dev", "env-dev001", "dev")
END = build.NOW + timedelta(days=14)
NEW = NewKey(OWNER, CLUSTER, "orders consumer", "Reads orders [lk:REQUEST/1]", END)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def organization(clock: TestClock) -> Organization:
    return acme(clock)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def there(organization: Organization, faults: Faults, clock: TestClock) -> AsyncIterator[ConfluentCloud]:
    app = httpx.ASGITransport(create_app(organization, faults, clock=clock))
    own = Secret(organization.secrets_issued[BOT_KEY])
    async with Client("http://confluent.test", BOT_KEY, own, version="0", transport=app) as client:
        yield ConfluentCloud(client)


async def test_an_honored_end_is_told_kept_and_takes_effect(
    there: ConfluentCloud, faults: Faults, clock: TestClock, organization: Organization
) -> None:
    faults.expires_at = "honored"

    key, _ = await there.create_key(NEW)
    read = await there.key(key.id)
    edited = await there.edit_key(key.id, "another", "text")

    assert read is not None
    assert key.expires_at == read.expires_at == edited.expires_at == END
    assert [each.expires_at for each in await there.keys(OWNER.id, CLUSTER) if each.id == key.id] == [END]

    clock.now = END
    assert await there.key(key.id) is None
    assert organization.key_that_opens(key.id, lingering=timedelta()) is None
    assert key.id not in {each.id for each in await there.keys_of(OWNER.id)}
    assert await there.delete_key(key.id, OWNER.id, CLUSTER) is False


@pytest.mark.parametrize("answer", ["ignored", "zero"])
async def test_an_ignored_end_is_not_told(
    there: ConfluentCloud, faults: Faults, clock: TestClock, answer: Literal["ignored", "zero"]
) -> None:
    faults.expires_at = answer
    key, _ = await there.create_key(NEW)

    assert key.expires_at is None
    clock.now = END + timedelta(days=1)
    assert await there.key(key.id) is not None


async def test_a_refused_end_leaves_nothing_behind_and_without_it_the_key_is_created(
    there: ConfluentCloud, faults: Faults, organization: Organization
) -> None:
    faults.expires_at = "refused"
    before = set(organization.api_keys)

    with pytest.raises(CloudRefused) as refused:
        await there.create_key(NEW)

    assert refused.value.status == 400
    assert set(organization.api_keys) == before
    key, _ = await there.create_key(replace(NEW, expires_at=None))
    assert set(organization.api_keys) == {*before, key.id}


async def test_nothing_changes_an_end(there: ConfluentCloud, faults: Faults) -> None:
    faults.expires_at = "honored"
    key, _ = await there.create_key(NEW)

    later = {"spec": {"expires_at": "2030-01-01T00:00:00Z"}}
    await there._client._http.patch(f"/iam/v2/api-keys/{key.id}", json=later)

    read = await there.key(key.id)
    assert read is not None
    assert read.expires_at == END


@pytest.mark.parametrize(
    "told",
    [
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "2020-01-01T00:00:00Z",
        "1700000000",
        4102444800,
        0,
        "",
        None,
        "soon",
    ],
)
def test_what_is_no_moment_to_come_is_no_end(told: object) -> None:
    made = {"created_at": "2026-10-01T00:00:00Z"}

    assert wire.ApiKey.model_validate({"id": "K", "metadata": made, "spec": {"expires_at": told}}).expires_at is None
