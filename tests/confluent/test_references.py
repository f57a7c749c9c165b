"""What a key opens, in every form that Confluent spells it: `confluent-api.md` §6, in both directions."""

import json
from typing import Any

import httpx
import pytest

from bot.confluent import wire
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.references import ResourceId, place_of, places_of
from bot.domain.errors import Unknown
from bot.domain.keys import (
    Cluster,
    FlinkRegion,
    KeyId,
    KsqlCluster,
    OrganizationScope,
    Principal,
    Resource,
    ServiceAccount,
)
from bot.domain.kinds import Kind
from bot.services.ports.cloud import NewKey
from tests.confluent.fake import KEYS, FakeConfluent, Json, api_key, refusal, sample

OWNER = ServiceAccount(Principal("sa-abc123"), "orders-service")
FLINK = FlinkRegion("aws.us-east-1", "env-abc123", "dev")
RESOURCES: dict[str, Resource] = {
    "kafka": Cluster(Kind.KAFKA, "lkc-abc123", "orders", "env-abc123", "dev"),
    "schema-registry": Cluster(Kind.SCHEMA_REGISTRY, "lsrc-abc123", "schemas", "env-abc123", "dev"),
    "ksqldb": KsqlCluster("lksqlc-abc123", "enrichment", "env-abc123", "dev", "lkc-abc123"),
    "flink": FLINK,
    "cloud": OrganizationScope(Kind.CLOUD),
    "tableflow": OrganizationScope(Kind.TABLEFLOW),
    "global": OrganizationScope(Kind.GLOBAL),
}


def classified(**reference: str) -> ResourceId:
    return place_of(wire.Reference.model_validate(reference))


@pytest.mark.parametrize("kind", RESOURCES)
async def test_a_request_for_a_key_of_every_kind_is_the_sample(
    cloud: ConfluentCloud, fake: FakeConfluent, kind: str
) -> None:
    said = sample(f"api-keys/create-request-{kind}")["spec"]
    fake.script.append(httpx.Response(202, json=sample(f"api-keys/create-response-{kind}")))

    key, _ = await cloud.create_key(NewKey(OWNER, RESOURCES[kind], said["display_name"], said["description"]))

    assert json.loads(fake.requests[0].content)["spec"] == said
    assert (key.kind, key.resource) == (Kind(kind), RESOURCES[kind].id)
    assert key.environment == RESOURCES[kind].environment


@pytest.mark.parametrize("kind", [*RESOURCES, "flink-combined-id"])
async def test_a_key_of_every_kind_is_known_again(cloud: ConfluentCloud, fake: FakeConfluent, kind: str) -> None:
    fake.script.append(httpx.Response(200, json=sample(f"api-keys/create-response-{kind}")))
    resource = RESOURCES[kind.removesuffix("-combined-id")]

    key = await cloud.key(KeyId("K"))

    assert key is not None
    assert (key.kind, key.resource) == (resource.kind, resource.id)
    says_where = {Kind.SCHEMA_REGISTRY, Kind.KSQLDB, Kind.FLINK}
    assert key.environment == ("env-abc123" if resource.kind in says_where else "")


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        # as the table has them
        ({"id": "lkc-x", "kind": "Cluster", "api_version": "cmk/v2"}, ResourceId(Kind.KAFKA, "lkc-x")),
        ({"id": "lsrc-x", "kind": "SchemaRegistry"}, ResourceId(Kind.SCHEMA_REGISTRY, "lsrc-x")),
        ({"id": "lsrc-x", "kind": "Cluster", "api_version": "srcm/v2"}, ResourceId(Kind.SCHEMA_REGISTRY, "lsrc-x")),
        ({"id": "lsrc-x", "kind": "Cluster", "api_version": "srcm/v3"}, ResourceId(Kind.SCHEMA_REGISTRY, "lsrc-x")),
        ({"id": "lksqlc-x", "kind": "ksqlDB", "api_version": "ksqldbcm/v2"}, ResourceId(Kind.KSQLDB, "lksqlc-x")),
        ({"id": "lksqlc-x", "kind": "Cluster", "api_version": "ksqldbcm/v2"}, ResourceId(Kind.KSQLDB, "lksqlc-x")),
        ({"id": "cloud", "kind": "Cloud", "api_version": "iam/v2"}, ResourceId(Kind.CLOUD, "cloud")),
        (
            {"id": "tableflow", "kind": "Tableflow", "api_version": "tableflow/v1"},
            ResourceId(Kind.TABLEFLOW, "tableflow"),
        ),
        ({"id": "global", "kind": "Global", "api_version": "global/v1"}, ResourceId(Kind.GLOBAL, "global")),
        ({"id": "global", "kind": "Global", "api_version": "iam/v2"}, ResourceId(Kind.GLOBAL, "global")),
        # both forms of a Flink region
        (
            {"id": "aws.us-east-1", "environment": "env-x", "kind": "Region", "api_version": "fcpm/v2"},
            ResourceId(Kind.FLINK, "aws.us-east-1", "env-x"),
        ),
        ({"id": "env-x.aws.us-east-1", "api_version": "fcpm/v2"}, ResourceId(Kind.FLINK, "aws.us-east-1", "env-x")),
        ({"id": "env-x.AWS.us-east-1", "kind": "region"}, ResourceId(Kind.FLINK, "aws.us-east-1", "env-x")),
        (
            {"id": "aws.us-east-1", "kind": "Region", "resource_name": "crn://c/environment=env-x/flink-region=r"},
            ResourceId(Kind.FLINK, "aws.us-east-1", "env-x"),
        ),
        ({"id": "env-x.aws.us-east-1", "environment": "env-x"}, ResourceId(Kind.FLINK, "aws.us-east-1", "env-x")),
        ({"id": "aws.us-east-1"}, ResourceId(Kind.FLINK, "aws.us-east-1")),
        # by one thing alone, in the order of what is asked first
        ({"id": "cloud"}, ResourceId(Kind.CLOUD, "cloud")),
        ({"id": "tableflow"}, ResourceId(Kind.TABLEFLOW, "tableflow")),
        ({"id": "global"}, ResourceId(Kind.GLOBAL, "global")),
        ({"id": "global", "kind": "Cluster", "api_version": "cmk/v2"}, ResourceId(Kind.GLOBAL, "global")),
        ({"id": "lkc-x", "kind": "ksqlDB", "api_version": "srcm/v3"}, ResourceId(Kind.SCHEMA_REGISTRY, "lkc-x")),
        ({"id": "lkc-x", "kind": "KSQLDB", "api_version": "iam/v2"}, ResourceId(Kind.KSQLDB, "lkc-x")),
        ({"id": "lkc-x"}, ResourceId(Kind.KAFKA, "lkc-x")),
        ({"id": "lsrc-x", "kind": "Cluster"}, ResourceId(Kind.SCHEMA_REGISTRY, "lsrc-x")),
        ({"id": "lksqlc-x"}, ResourceId(Kind.KSQLDB, "lksqlc-x")),
        ({"id": "opaque", "api_version": "CMK/v9"}, ResourceId(Kind.KAFKA, "opaque")),
        ({"kind": "Cloud"}, ResourceId(Kind.CLOUD, "cloud")),
        ({"id": "Cloud", "kind": "CLOUD"}, ResourceId(Kind.CLOUD, "cloud")),
        # where it is, if Confluent says
        (
            {"id": "lsrc-x", "resource_name": "crn://c/organization=o/environment=env-x/schema-registry=lsrc-x"},
            ResourceId(Kind.SCHEMA_REGISTRY, "lsrc-x", "env-x"),
        ),
        ({"id": "lkc-x", "resource_name": "crn://c/organization=o/cluster=lkc-x"}, ResourceId(Kind.KAFKA, "lkc-x")),
        # something new
        ({"id": "nt-1", "kind": "NewThing", "api_version": "newthing/v1"}, ResourceId(None, "nt-1")),
        ({"id": "new.thing", "kind": "NewThing"}, ResourceId(None, "new.thing")),
        ({"id": "pool-1", "kind": "Cluster"}, ResourceId(None, "pool-1")),
        ({"kind": "NewThing"}, ResourceId(None, "")),
        ({"id": "not a region", "api_version": "fcpm/v2"}, ResourceId(Kind.FLINK, "not a region")),
    ],
    ids=str,
)
def test_what_a_reference_means(reference: dict[str, str], place: ResourceId) -> None:
    assert classified(**reference) == place


@pytest.mark.parametrize(
    ("spec", "kinds"),
    [
        ({}, [Kind.CLOUD]),
        ({"resource": None, "resources": None}, [Kind.CLOUD]),
        ({"resource": {}}, [Kind.CLOUD]),
        ({"resource": {"id": None, "kind": 7}}, [Kind.CLOUD]),
        ({"resources": [{"id": "lkc-1"}, {"id": "lsrc-1"}]}, [Kind.KAFKA, Kind.SCHEMA_REGISTRY]),
        ({"resource": {"id": "x"}, "resources": [{"id": "lkc-1"}]}, [None, Kind.KAFKA]),
    ],
    ids=str,
)
async def test_a_key_without_a_resource_is_a_cloud_key(spec: Json, kinds: list[Kind | None]) -> None:
    row = wire.ApiKey.model_validate({"id": "K", "spec": spec})

    assert [place.kind for place in places_of(row)] == kinds


@pytest.mark.parametrize(
    ("resources", "kind"),
    [
        ([{"id": "lkc-abc123"}], Kind.KAFKA),
        ([{"id": "lkc-abc123", "kind": "Cluster", "api_version": "cmk/v2"}], Kind.KAFKA),
        ([{"id": "lkc-abc123", "environment": "env-abc123"}], Kind.KAFKA),
        ([{"id": "lkc-abc123"}, {"id": "lkc-prod01"}], None),
        ([{"id": "lkc-prod01"}], None),
    ],
    ids=str,
)
async def test_a_key_of_several_clusters_is_of_no_kind_that_somebody_manages_by_one_of_them(
    cloud: ConfluentCloud, fake: FakeConfluent, resources: list[Json], kind: Kind | None
) -> None:
    fake.collections[KEYS] = [api_key("K1", resource="lkc-abc123", resources=resources)]

    key = await cloud.key(KeyId("K1"))

    assert key is not None
    assert key.kind is kind


async def test_a_new_kind_of_key_is_listed_and_its_kind_is_not_known(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.collections[KEYS] = [api_key("K1", resource="nt-1")]

    [key] = await cloud.keys_of(OWNER.id)

    assert (key.kind, key.resource) == (None, "nt-1")


FLINK_KEYS = [
    api_key("APART", resource=None) | {"spec": {"owner": {"id": OWNER.id}, "resource": reference}}
    for reference in [{"id": "aws.us-east-1", "environment": "env-abc123", "api_version": "fcpm/v2", "kind": "Region"}]
] + [
    api_key("COMBINED", resource="env-abc123.aws.us-east-1"),
    api_key("ELSEWHERE", resource="env-other1.aws.us-east-1"),
    api_key("OTHERREGION", resource="env-abc123.aws.eu-west-1"),
    api_key("KAFKA"),
]


async def test_the_keys_of_a_flink_region_have_either_form(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    """Confluent's filter compares ids as they were written, so it would miss one of the forms."""
    fake.collections[KEYS] = [*FLINK_KEYS]

    keys = await cloud.keys(OWNER.id, FLINK)

    assert [(key.id, key.resource, key.environment) for key in keys] == [
        ("APART", "aws.us-east-1", "env-abc123"),
        ("COMBINED", "aws.us-east-1", "env-abc123"),
    ]
    assert dict(fake.requests[0].url.params) == {"page_size": "100", "spec.owner": OWNER.id}


@pytest.mark.parametrize("key", ["APART", "COMBINED"])
async def test_a_flink_key_in_either_form_that_is_listed_was_not_deleted(
    cloud: ConfluentCloud, fake: FakeConfluent, key: str
) -> None:
    fake.collections[KEYS] = [*FLINK_KEYS]
    fake.script.append(refusal(403))

    with pytest.raises(Exception, match="403"):
        await cloud.delete_key(KeyId(key), OWNER.id, FLINK)

    fake.collections[KEYS] = [row for row in FLINK_KEYS if row["id"] != key]
    fake.script.append(refusal(403))
    assert await cloud.delete_key(KeyId(key), OWNER.id, FLINK) is False


@pytest.mark.parametrize(
    ("kind", "filtered"),
    [("cloud", None), ("tableflow", "tableflow"), ("global", "global"), ("ksqldb", "lksqlc-abc123")],
)
async def test_the_keys_of_every_kind_are_told_apart(
    cloud: ConfluentCloud, fake: FakeConfluent, kind: str, filtered: str | None
) -> None:
    resources = ["cloud", None, "tableflow", "global", "lkc-abc123", "lksqlc-abc123"]
    fake.collections[KEYS] = [api_key(f"{each}", resource=each) for each in resources]
    fake.ignores = {"spec.resource"}

    keys = await cloud.keys(OWNER.id, RESOURCES[kind])

    assert [key.id for key in keys] == (["cloud", "None"] if kind == "cloud" else [RESOURCES[kind].id])
    assert {key.kind for key in keys} == {Kind(kind)}
    assert fake.requests[0].url.params.get("spec.resource") == filtered


@pytest.mark.parametrize(
    "made",
    [
        {"id": "env-other1.aws.us-east-1", "api_version": "fcpm/v2"},
        {"id": "aws.eu-west-1", "environment": "env-abc123", "kind": "Region"},
        {"id": "cloud"},
        {"id": "aws.us-east-1", "api_version": "cmk/v2"},
    ],
    ids=str,
)
async def test_a_key_for_something_else_is_not_handed_out(
    cloud: ConfluentCloud, fake: FakeConfluent, made: dict[str, Any]
) -> None:
    answer = sample("api-keys/create-response-flink")
    answer["spec"]["resource"] = made
    fake.script.append(httpx.Response(202, json=answer))

    with pytest.raises(Unknown, match=r"instead of aws\.us-east-1"):
        await cloud.create_key(NewKey(OWNER, FLINK, "n", "d"))


async def test_a_key_made_in_the_other_form_is_the_one_asked_for(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(202, json=sample("api-keys/create-response-flink-combined-id")))

    key, _ = await cloud.create_key(NewKey(OWNER, FLINK, "n", "d"))

    assert (key.kind, key.resource, key.environment) == (Kind.FLINK, "aws.us-east-1", "env-abc123")


@pytest.mark.parametrize("kind", [Kind.CLOUD, Kind.GLOBAL, Kind.TABLEFLOW])
def test_the_words_for_what_is_no_cluster_come_in_any_case(kind: Kind) -> None:
    for id_ in (kind.value, kind.value.upper(), kind.value.title()):
        assert classified(id=id_) == ResourceId(kind, kind.value)
        assert classified(id=id_, api_version="iam/v2") == ResourceId(kind, kind.value)
