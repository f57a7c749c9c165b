"""The adapter against the sandbox's Confluent Cloud, over a real connection."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bot.confluent.client import Client
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.readiness import ConfluentProber
from bot.domain.catalog import Account, Endpoints, Environment
from bot.domain.errors import CloudRefused, Throttled, Unavailable, Unknown
from bot.domain.keys import ApiKey, Cluster, KeyId, MyAccount, Principal, Resource, Secret, ServiceAccount
from bot.domain.kinds import Kind
from bot.services.ports.cloud import Cloud, NewKey
from sandbox.cast import CAST, DEV, ORGANIZATION, PROD
from sandbox.confluent import BOT_KEY, Faults, Organization, acme, create_app
from sandbox.confluent.model import PLAIN
from sandbox.serving import serve

ORDERS = Cluster(Kind.KAFKA, "lkc-dev001", "orders-dev", DEV, "dev")
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


@pytest.fixture
async def sandbox_prober(sandbox_cloud: ConfluentCloud) -> AsyncIterator[ConfluentProber]:
    async with ConfluentProber(sandbox_cloud._client.endpoint, version="0") as prober:
        yield prober


async def marked(cloud: Cloud) -> list[str]:
    return [key.id for key in await cloud.keys(OWNER.id, ORDERS) if key.description == NEW.description]


async def test_the_catalog(sandbox_cloud: Cloud) -> None:
    assert await sandbox_cloud.organization() == ORGANIZATION
    dev, _ = await sandbox_cloud.environments()
    assert dev == Environment(DEV, "dev")
    assert [each.name for each in await sandbox_cloud.resources(Kind.KAFKA, dev)] == [
        "clicks-dev",
        "orders-dev",
        "payments-dev",
    ]
    assert OWNER in await sandbox_cloud.service_accounts()
    assert await sandbox_cloud.service_account(OWNER.id) == OWNER
    assert {each.email for each in await sandbox_cloud.users()} >= {"erin@acme.example", "tess@acme.example"}


async def test_a_cluster_has_addresses(sandbox_cloud: Cloud) -> None:
    for cluster, lacks_roles in (("lkc-dev001", False), ("lkc-dev002", True), ("lkc-dev003", False)):
        found = await sandbox_cloud.resource(Kind.KAFKA, DEV, cluster)
        assert found is not None
        assert "://" not in found[1].bootstrap
        assert found[1].bootstrap.partition(":")[2]
        assert found[1].rest.startswith(("https://", "http://127.0.0.1:"))
        assert found[1].lacks_roles is lacks_roles
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


# ------------------------------------------------------------------------------------------------- every kind of key

RESOURCES: dict[Kind, tuple[str, str]] = {
    **{kind: (DEV, f"{kind.row.prefix}dev01") for kind in PLAIN},
    Kind.KAFKA: (DEV, "lkc-dev001"),
    Kind.SCHEMA_REGISTRY: (DEV, "lsrc-dev01"),
    Kind.KSQLDB: (DEV, "lksqlc-dev01"),
    Kind.FLINK: (DEV, "aws.us-east-1"),
    Kind.CLOUD: ("", ""),
    Kind.TABLEFLOW: ("", ""),
    Kind.GLOBAL: ("", ""),
}


async def resource_of(cloud: Cloud, kind: Kind) -> tuple[Resource, Endpoints]:
    found = await cloud.resource(kind, *RESOURCES[kind])
    assert found is not None
    return found


@pytest.mark.parametrize("kind", Kind)
async def test_a_key_of_every_kind_lives_is_edited_and_dies(sandbox_cloud: Cloud, kind: Kind) -> None:
    resource, _ = await resource_of(sandbox_cloud, kind)
    others = {key.id for key in await sandbox_cloud.keys(OWNER.id, resource)}

    key, _ = await sandbox_cloud.create_key(NewKey(OWNER, resource, "name", "why [lk:R/1]"))
    edited = await sandbox_cloud.edit_key(key.id, "new name", "new why [lk:R/1]")

    assert (key.kind, key.resource, key.environment) == (kind, resource.id, resource.environment)
    assert (edited.name, edited.description) == ("new name", "new why [lk:R/1]")
    assert (edited.kind, edited.resource, edited.created_at) == (kind, resource.id, key.created_at)
    assert await sandbox_cloud.key(key.id) == edited
    assert {each.id for each in await sandbox_cloud.keys(OWNER.id, resource)} == {*others, key.id}
    assert edited in await sandbox_cloud.keys_of(OWNER.id)

    assert await sandbox_cloud.delete_key(key.id, OWNER.id, resource) is True
    assert await sandbox_cloud.delete_key(key.id, OWNER.id, resource) is False
    assert await sandbox_cloud.key(key.id) is None
    assert {each.id for each in await sandbox_cloud.keys(OWNER.id, resource)} == others


@pytest.mark.parametrize("kind", Kind)
async def test_a_new_key_of_every_kind_is_refused_until_it_has_spread(
    sandbox_cloud: Cloud, sandbox_prober: ConfluentProber, faults: Faults, kind: Kind
) -> None:
    resource, endpoints = await resource_of(sandbox_cloud, kind)
    key, secret = await sandbox_cloud.create_key(NewKey(OWNER, resource, "name", "why"))
    assert sandbox_prober.can_probe(resource, endpoints)

    faults.propagation = 60
    early = await sandbox_prober.probe(resource, endpoints, key.id, secret)
    faults.propagation = 0
    ready = await sandbox_prober.probe(resource, endpoints, key.id, secret)
    wrong = await sandbox_prober.probe(resource, endpoints, key.id, Secret("wrong"))

    assert (early.status, ready.status, wrong.status) == (401, 200, 401)
    assert "Unauthorized" in early.detail
    assert ready.detail == ""


@pytest.mark.parametrize(("data_plane", "status"), [("reject", 403), ("unreachable", 0)])
async def test_clusters_that_forbid_or_are_away(
    sandbox_cloud: Cloud, sandbox_prober: ConfluentProber, faults: Faults, data_plane: str, status: int
) -> None:
    faults.propagation = 0
    resource, endpoints = await resource_of(sandbox_cloud, Kind.KAFKA)
    key, secret = await sandbox_cloud.create_key(NewKey(OWNER, resource, "name", "why"))
    faults.set("data_plane", data_plane)

    answer = await sandbox_prober.probe(resource, endpoints, key.id, secret)

    assert answer.status == status
    assert answer.detail


async def test_a_private_cluster_and_a_paused_one(sandbox_cloud: Cloud, sandbox_prober: ConfluentProber) -> None:
    private = await sandbox_cloud.resource(Kind.KAFKA, DEV, "lkc-dev003")
    paused = await sandbox_cloud.resource(Kind.KSQLDB, DEV, "lksqlc-dev02")

    assert private is not None
    assert private[1].is_private
    assert private[1].rest.startswith("https://lkc-dev003.")
    assert paused is not None
    assert paused[1].is_paused
    assert not sandbox_prober.can_probe(*paused)


async def test_what_is_elsewhere_or_nowhere_is_none(sandbox_cloud: Cloud) -> None:
    for kind, (environment, id_) in RESOURCES.items():
        if environment:
            assert await sandbox_cloud.resource(kind, environment, f"{id_}x") is None
    for kind, id_ in ((Kind.SCHEMA_REGISTRY, "lsrc-dev01"), (Kind.KSQLDB, "lksqlc-dev01")):
        assert await sandbox_cloud.resource(kind, PROD, id_) is None


async def test_all_regions_are_more_than_those_in_use(sandbox_cloud: Cloud) -> None:
    regions = await sandbox_cloud.regions()
    used = {each.id for each in await sandbox_cloud.resources(Kind.FLINK, Environment(DEV, "dev"))}

    assert used < {each.id for each in regions}
    assert {each.cloud for each in regions} == {"AWS", "AZURE", "GCP"}
    assert [each.id for each in regions] == sorted(each.id for each in regions)


async def test_keys_that_were_there_before(sandbox_cloud: Cloud, organization: Organization) -> None:
    found = [key async for key in every_key(sandbox_cloud)]

    assert {key.id for key in found} == {key.id for key in organization.api_keys.values() if key.owner}
    assert {key.kind for key in found} >= {*Kind} - {Kind.GLOBAL, *PLAIN}
    for key in found:
        made_for = organization.api_keys[key.id].resource
        assert key.kind == made_for.kind.value
        if key.kind is Kind.FLINK:
            assert key.resource == "aws.us-east-1"
            assert key.environment in {DEV, PROD}


async def every_key(cloud: Cloud) -> AsyncIterator[ApiKey]:
    token, is_more = "", True
    while is_more:
        keys, token = await cloud.key_page(token)
        is_more = bool(token)
        for key in keys:
            yield key


# ------------------------------------------------------------------------------------ what can be lost on the way there


@pytest.mark.parametrize("fault", ["answer_lost", "request_lost"])
async def test_a_really_lost_edit(sandbox_cloud: Cloud, faults: Faults, fault: str) -> None:
    key, _ = await sandbox_cloud.create_key(NEW)
    faults.set(fault, "next edit")

    edited = await sandbox_cloud.edit_key(key.id, "new", "new")

    assert (edited.name, edited.description) == ("new", "new")


async def test_edits_whose_answers_are_all_lost(sandbox_cloud: Cloud, faults: Faults) -> None:
    key, _ = await sandbox_cloud.create_key(NEW)
    faults.answer_lost = "every edit"

    with pytest.raises(Unavailable, match="PATCH"):
        await sandbox_cloud.edit_key(key.id, "new", "new")

    found = await sandbox_cloud.key(key.id)
    assert found is not None
    assert found.name == "new"


async def test_an_edit_of_a_key_that_is_gone(sandbox_cloud: Cloud) -> None:
    with pytest.raises(CloudRefused) as caught:
        await sandbox_cloud.edit_key(KeyId("NOSUCHKEY0000000"), "new", "new")

    assert caught.value.status == 403


@pytest.mark.parametrize("fault", ["answer_lost", "request_lost"])
async def test_a_really_lost_delete_ends_with_no_key(sandbox_cloud: Cloud, faults: Faults, fault: str) -> None:
    key, _ = await sandbox_cloud.create_key(NEW)
    faults.set(fault, "next delete")

    may_be_ours = await sandbox_cloud.delete_key(key.id, OWNER.id, ORDERS)

    assert may_be_ours
    assert await marked(sandbox_cloud) == []


async def test_a_key_for_somebody_may_be_refused(sandbox_cloud: Cloud, faults: Faults) -> None:
    faults.user_keys = "refused"

    with pytest.raises(CloudRefused) as caught:
        await sandbox_cloud.create_key(NewKey(MyAccount(Principal("u-dana01")), ORDERS, "mine", "why"))

    assert caught.value.status == 403


# ---------------------------------------------------------------------------------------------------------- accounts


async def test_an_account_lives_and_dies_with_its_keys(sandbox_cloud: Cloud, organization: Organization) -> None:
    made = await sandbox_cloud.create_account("web shop", "why [lk:R/0]")
    await sandbox_cloud.describe_account(made.id, "because [lk:R/0]")
    owner = ServiceAccount(made.id, made.name)
    key, _ = await sandbox_cloud.create_key(NewKey(owner, ORDERS, "name", "why"))

    assert await sandbox_cloud.accounts_named("web shop") == (Account(made.id, "web shop", "because [lk:R/0]"),)
    assert await sandbox_cloud.accounts_named("web") == ()
    assert await sandbox_cloud.service_account(made.id) == owner
    with pytest.raises(CloudRefused, match="already in use") as caught:
        await sandbox_cloud.create_account("web shop", "")
    assert caught.value.status == 409

    await sandbox_cloud.delete_account(made.id)
    await sandbox_cloud.delete_account(made.id)

    assert await sandbox_cloud.accounts_named("web shop") == ()
    assert await sandbox_cloud.key(key.id) is None
    assert key.id not in organization.api_keys


@pytest.mark.parametrize(("name", "description"), [("x" * 65, ""), ("fine", "x" * 129), ("", "")])
async def test_an_account_that_cannot_be_is_refused(sandbox_cloud: Cloud, name: str, description: str) -> None:
    with pytest.raises(CloudRefused) as caught:
        await sandbox_cloud.create_account(name, description)

    assert caught.value.status in {400, 422}


async def test_a_really_lost_account_is_found_by_its_name(sandbox_cloud: Cloud, faults: Faults) -> None:
    faults.answer_lost = "next account"

    with pytest.raises(Unknown):
        await sandbox_cloud.create_account("web shop", "[lk:R/0]")

    assert [each.description for each in await sandbox_cloud.accounts_named("web shop")] == ["[lk:R/0]"]


@pytest.mark.parametrize("fault", ["answer_lost", "request_lost"])
async def test_an_account_whose_changes_are_lost(sandbox_cloud: Cloud, faults: Faults, fault: str) -> None:
    made = await sandbox_cloud.create_account("web shop", "")

    faults.set(fault, "next account edit")
    await sandbox_cloud.describe_account(made.id, "new")
    [found] = await sandbox_cloud.accounts_named("web shop")
    faults.set(fault, "next account delete")
    await sandbox_cloud.delete_account(made.id)

    assert found.description == "new"
    assert await sandbox_cloud.accounts_named("web shop") == ()


# ------------------------------------------------------------------------------------------------------------- quotas


async def test_quotas_count_what_there_is(sandbox_cloud: Cloud) -> None:
    code = "iam.max_cluster_api_keys.per_service_account"

    async def used() -> dict[tuple[str, str], int | None]:
        return {(each.code, each.of): each.usage for each in await sandbox_cloud.quotas(OWNER, ORDERS.id, DEV)}

    before = await used()
    await sandbox_cloud.create_key(NEW)
    after = await used()

    changed = {quota: (before[quota], count) for quota, count in after.items() if before[quota] != count}
    assert changed.keys() == {(code, OWNER.id), ("kafka.max_api_keys.per_cluster", ORDERS.id)}
    assert all(earlier is not None and later == earlier + 1 for earlier, later in changed.values())
    assert {of for _, of in after} == {"", OWNER.id, ORDERS.id}


async def test_quotas_of_a_user_are_their_own(sandbox_cloud: Cloud) -> None:
    dana = MyAccount(Principal("u-dana01"))

    found = {each.code: each for each in await sandbox_cloud.quotas(dana) if each.of}

    assert {each.of for each in found.values()} == {dana.id}
    assert found["iam.max_cluster_api_keys.per_user"].usage == 1


@pytest.mark.parametrize(("told", "expected"), [("without their use", {None}), ("refused", set())])
async def test_quotas_without_use_or_refused(
    sandbox_cloud: Cloud, faults: Faults, told: str, expected: set[int | None]
) -> None:
    faults.set("quotas", told)

    assert {each.usage for each in await sandbox_cloud.quotas(OWNER, ORDERS.id, DEV)} == expected


# ------------------------------------------------------------------------------------------------------------ our own


async def test_a_refused_own_key(organization: Organization, faults: Faults) -> None:
    app = create_app(organization, faults, clock=now)
    async with serve(app) as endpoint, Client(endpoint, BOT_KEY, Secret("wrong"), version="0") as client:
        with pytest.raises(Unavailable) as caught:
            await ConfluentCloud(client).environments()

    assert "rejects Latchkey's own key" in caught.value.tell


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
