"""Whether there is room for a key: asked before anybody approves it, and never in the way when nobody can tell."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from bot.domain.catalog import Quota
from bot.domain.errors import CloudRefused, LatchkeyError, Throttled, Unavailable
from bot.domain.keys import ApiKey, MyAccount, Operation, Owner, Principal, Resource, ServiceAccount
from bot.domain.kinds import Kind
from bot.domain.requests import Ask
from bot.services.catalog import quota
from bot.services.catalog.quota import UNCHECKED, Headroom, look, must_have_room
from bot.services.ports.cloud import Cloud
from tests.support import build
from tests.support.build import ACCOUNT, CLOUD, CLUSTER, DANA, FLINK, GLOBAL, NEW, REGISTRY, TABLEFLOW

ME = MyAccount(DANA.principal)
PER_USER, PER_ACCOUNT = "iam.max_cluster_api_keys.per_user", "iam.max_cluster_api_keys.per_service_account"
CLOUD_PER_USER, CLOUD_PER_ACCOUNT = "iam.max_cloud_api_keys.per_user", "iam.max_cloud_api_keys.per_service_account"
CLOUD_PER_ORG, PER_CLUSTER = "iam.max_cloud_api_keys.per_org", "kafka.max_api_keys.per_cluster"
ACCOUNTS, EVERY_KEY = "iam.max_service_accounts.per_org", "apikeys_per_org"
CODES = (PER_USER, PER_ACCOUNT, CLOUD_PER_USER, CLOUD_PER_ACCOUNT, CLOUD_PER_ORG, PER_CLUSTER, ACCOUNTS, EVERY_KEY)


@dataclass(slots=True)
class Limited:
    """A Confluent with limits, and with keys and accounts that can be counted."""

    limits: Sequence[Quota] = ()
    kinds: Sequence[Kind | None] = ()
    """What the keys of every owner open."""
    accounts: int = 0
    failing: LatchkeyError | None = None
    silent: bool = False
    asked: list[tuple[Owner | None, str, str]] = field(default_factory=list[tuple[Owner | None, str, str]])

    async def quotas(self, owner: Owner | None = None, cluster: str = "", environment: str = "") -> Sequence[Quota]:
        self.asked.append((owner, cluster, environment))
        if self.silent:
            await asyncio.Event().wait()
        if self.failing:
            raise self.failing
        return self.limits

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        return [build.a_key(f"KEY{number}", owner=owner, kind=kind) for number, kind in enumerate(self.kinds)]

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        return [ServiceAccount(Principal(f"sa-{number}"), "") for number in range(self.accounts)]


def at_limit(code: str, used: int | None, limit: int = 10) -> Quota:
    return Quota(code, code, limit, used)


async def answer(cloud: Limited, owner: Owner = ACCOUNT, resource: Resource = CLUSTER, **more: object) -> Headroom:
    ask: Ask = build.an_ask(owner=owner, resource=resource, **more)
    return await look(cast("Cloud", cloud), ask)


MEETS: list[tuple[Owner, Resource, set[str]]] = [
    (ME, CLUSTER, {PER_USER, PER_CLUSTER, EVERY_KEY}),
    (ACCOUNT, CLUSTER, {PER_ACCOUNT, PER_CLUSTER, EVERY_KEY}),
    (NEW, CLUSTER, {ACCOUNTS, PER_CLUSTER, EVERY_KEY}),
    (ME, FLINK, {PER_USER, EVERY_KEY}),
    (ACCOUNT, TABLEFLOW, {PER_ACCOUNT, EVERY_KEY}),
    (ME, CLOUD, {CLOUD_PER_USER, CLOUD_PER_ORG, EVERY_KEY}),
    (ACCOUNT, CLOUD, {CLOUD_PER_ACCOUNT, CLOUD_PER_ORG, EVERY_KEY}),
    (NEW, CLOUD, {ACCOUNTS, CLOUD_PER_ORG, EVERY_KEY}),
    (ME, GLOBAL, {EVERY_KEY}),
    (NEW, GLOBAL, {ACCOUNTS, EVERY_KEY}),
]


@pytest.mark.parametrize(("owner", "resource", "met"), MEETS)
async def test_a_new_key_meets_the_limits_of_its_owner_and_kind_and_no_others(
    owner: Owner, resource: Resource, met: set[str]
) -> None:
    kinds, refusing = [resource.kind] * 10, set[str]()
    for code in CODES:
        cloud = Limited([at_limit(code, 10)], kinds, accounts=10)
        if (await answer(cloud, owner, resource)).full:
            refusing.add(code)

    assert refusing == met


async def test_there_is_room_for_the_last_one_and_none_for_one_more() -> None:
    assert await answer(Limited([at_limit(PER_CLUSTER, 9)])) == Headroom()
    assert (await answer(Limited([at_limit(PER_CLUSTER, 10)]))).full
    assert (await answer(Limited([at_limit(PER_CLUSTER, 0, limit=0)]))).full


async def test_a_limit_of_one_is_of_one_key() -> None:
    assert "limit of 1 API key (6 in use" in (await answer(Limited([at_limit(PER_CLUSTER, 6, limit=1)]))).full


async def test_the_refusal_names_the_limit_how_far_it_is_used_and_what_helps() -> None:
    owner = ServiceAccount(Principal("sa-1"), "orders <!channel>")
    said = (await answer(Limited([at_limit(PER_ACCOUNT, 10)], [Kind.KAFKA] * 10), owner)).full

    assert said == (
        "Service account orders &lt;!channel&gt; is at its Confluent limit of 10 cluster API keys "
        "(10 in use, `iam.max_cluster_api_keys.per_service_account`). "
        "Delete an unused key, or ask Confluent to raise the limit. Then request again."
    )


async def test_where_confluent_does_not_tell_the_use_the_owners_keys_are_counted_by_what_they_open() -> None:
    mixed = [Kind.KAFKA, Kind.FLINK, Kind.CLOUD, Kind.CLOUD, Kind.GLOBAL, None]

    assert (await answer(Limited([at_limit(PER_USER, None, 2)], mixed), ME)).full
    assert await answer(Limited([at_limit(PER_USER, None, 3)], mixed), ME) == Headroom()
    assert (await answer(Limited([at_limit(CLOUD_PER_USER, None, 2)], mixed), ME, CLOUD)).full
    assert await answer(Limited([at_limit(CLOUD_PER_USER, None, 3)], mixed), ME, CLOUD) == Headroom()
    assert (await answer(Limited([at_limit(ACCOUNTS, None, 3)], accounts=3), NEW)).full
    assert await answer(Limited([at_limit(ACCOUNTS, None, 4)], accounts=3), NEW) == Headroom()


async def test_what_can_neither_be_told_nor_counted_forbids_nothing() -> None:
    assert await answer(Limited([at_limit(PER_CLUSTER, None, 0), at_limit(EVERY_KEY, None, 0)])) == Headroom()


async def test_a_key_that_was_just_deleted_makes_room_though_confluents_number_is_older() -> None:
    assert await answer(Limited([at_limit(PER_ACCOUNT, 10)], [Kind.KAFKA] * 9)) == Headroom()


async def test_of_two_numbers_for_one_limit_the_one_with_a_use_is_believed() -> None:
    assert (await answer(Limited([at_limit(PER_CLUSTER, None, 5), at_limit(PER_CLUSTER, 10)]))).full


async def test_a_limit_below_nothing_is_none() -> None:
    assert await answer(Limited([at_limit(PER_CLUSTER, 10, limit=-1)])) == Headroom()


@pytest.mark.parametrize(
    "failing",
    [
        Unavailable("away"),
        Throttled("busy", wait=build.HOUR),
        CloudRefused(status=403, detail="no", reference="r"),
    ],
)
async def test_quotas_that_cannot_be_read_warn_and_forbid_nothing(failing: LatchkeyError) -> None:
    cloud = Limited(failing=failing)

    assert await answer(cloud) == Headroom(unchecked=UNCHECKED)
    assert await must_have_room(cast("Cloud", cloud), build.an_ask()) == Headroom(unchecked=UNCHECKED)


async def test_an_organization_that_tells_no_limit_at_all_warns() -> None:
    assert await answer(Limited()) == Headroom(unchecked=UNCHECKED)


async def test_nobody_waits_for_a_confluent_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "PATIENCE", 0.01)

    assert await answer(Limited(silent=True)) == Headroom(unchecked=UNCHECKED)


async def test_only_what_makes_a_key_needs_room() -> None:
    for operation in (Operation.EDIT, Operation.DELETE, Operation.EXTEND):
        assert await answer(Limited([at_limit(PER_CLUSTER, 10)]), operation=operation) == Headroom()
    assert (await answer(Limited([at_limit(PER_CLUSTER, 10)]), operation=Operation.ROTATE)).full


async def test_confluent_is_asked_about_the_account_that_exists_and_about_the_kafka_cluster() -> None:
    cloud = Limited()
    for owner, resource in ((ACCOUNT, CLUSTER), (NEW, CLUSTER), (ME, FLINK), (ME, CLOUD)):
        await answer(cloud, owner, resource)

    place = (CLUSTER.id, CLUSTER.environment)
    assert cloud.asked == [(ACCOUNT, *place), (None, *place), (ME, "", ""), (ME, "", "")]


async def test_a_pair_needs_room_for_two_keys_and_one_account() -> None:
    for code in (PER_ACCOUNT, EVERY_KEY):
        kinds = [Kind.KAFKA] * 9
        said = (await answer(Limited([at_limit(code, 9)], kinds), also=REGISTRY)).full
        assert "has room for only 1 more under its Confluent limit of 10" in said
        assert "(9 in use" in said
        assert await answer(Limited([at_limit(code, 8)], kinds[:8]), also=REGISTRY) == Headroom()
    assert await answer(Limited([at_limit(PER_CLUSTER, 9)]), also=REGISTRY) == Headroom()
    assert await answer(Limited([at_limit(ACCOUNTS, 9)], accounts=9), NEW, also=REGISTRY) == Headroom()
    assert "is at its Confluent limit" in (await answer(Limited([at_limit(PER_CLUSTER, 10)]), also=REGISTRY)).full
