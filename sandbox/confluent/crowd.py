"""Adds a large organization quickly, for tests and benchmarks of everything that has to stay fast in one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.kinds import Kind
from sandbox.confluent.model import (
    ApiKey,
    ComputePool,
    Environment,
    KafkaCluster,
    KeyResource,
    KsqlCluster,
    SchemaRegistry,
    ServiceAccount,
    User,
)
from sandbox.confluent.organization import Organization

NOBODY_KNOWS = b""
"""The digest of no secret: these keys open nothing."""
_TEAMS = ("orders", "payments", "clicks", "billing", "search", "fraud", "stock", "shipping", "reviews", "pricing")
_STAGES = ("dev", "test", "staging", "live")
_KINDS = ("Basic", "Standard", "Enterprise", "Dedicated")
_OLDEST_DAYS = 720


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each to add. Every environment also gets a Schema Registry and a Flink compute pool."""

    environments: int = 500
    clusters: int = 20_000
    ksql_clusters: int = 500
    accounts: int = 2_000
    users: int = 500
    keys: int = 100_000


def add_crowd(organization: Organization, size: Size | None = None) -> None:
    """Add all that to an organization with at least one region. Names repeat; IDs are counted from 1.

    IDs are `env-c00001`, `lkc-c00001`, `lsrc-c00001`, `lksqlc-c00001`, `sa-c00001`, `u-c00001` and `CROWD00000000001`.
    Keys are spread evenly over accounts, clusters and two years; none has a secret.
    """
    size = size or Size()
    founded = organization.clock() - timedelta(days=_OLDEST_DAYS)
    places = _add_places(organization, size, founded)
    for number in range(1, size.users + 1):
        id_, name = f"u-c{number:05}", f"Colleague {number}"
        organization.users[id_] = User(id_, f"colleague{number}@acme.example", name, founded)
    accounts = [f"sa-c{number:05}" for number in range(1, size.accounts + 1)]
    for number, id_ in enumerate(accounts, start=1):
        name, description = f"{_team(number)}-service-{number}", f"Service {number} of the {_team(number)} team"
        organization.service_accounts[id_] = ServiceAccount(id_, name, description, founded, founded)
    _add_keys(organization, size, accounts, places)


def _team(number: int) -> str:
    return _TEAMS[number % len(_TEAMS)]


def _add_places(organization: Organization, size: Size, at: datetime) -> list[KeyResource]:
    regions = list(organization.regions.values())
    environments = [f"env-c{number:05}" for number in range(1, size.environments + 1)]
    for number, id_ in enumerate(environments, start=1):
        region = regions[number % len(regions)]
        name = f"{_team(number)} {_STAGES[number % len(_STAGES)]} {number}"
        organization.environments[id_] = Environment(id_, name, "ESSENTIALS", at)
        registry = SchemaRegistry(f"lsrc-c{number:05}", "Stream Governance Package", id_, "ESSENTIALS", at)
        organization.schema_registries[registry.id] = registry
        pool = ComputePool(f"lfcp-c{number:05}", f"pool {number}", id_, region, at)
        organization.compute_pools[pool.id] = pool
    clusters = [
        _cluster(number, environments[number % len(environments)], at) for number in range(1, size.clusters + 1)
    ]
    organization.kafka_clusters |= {each.id: each for each in clusters}
    for number, kafka in zip(range(1, size.ksql_clusters + 1), clusters, strict=False):
        host = f"pksqlc-c{number:05}.us-east-1.aws.confluent.cloud:443"
        ksql = KsqlCluster(f"lksqlc-c{number:05}", f"joins-{number}", kafka.environment, kafka.id, host, at)
        organization.ksql_clusters[ksql.id] = ksql
    return [KeyResource(Kind.KAFKA, each.id, organization.cluster_crn(each)) for each in clusters]


def _cluster(number: int, environment: str, at: datetime) -> KafkaCluster:
    kind = _KINDS[number % len(_KINDS)]
    host = f"pkc-c{number:05}.us-east-1.aws.confluent.cloud:443"
    return KafkaCluster(f"lkc-c{number:05}", f"{_team(number)}-{number}", environment, kind, host, at)


def _add_keys(organization: Organization, size: Size, accounts: list[str], places: list[KeyResource]) -> None:
    now = organization.clock()
    for number in range(1, size.keys + 1):
        id_, owner, resource = f"CROWD{number:011}", accounts[number % len(accounts)], places[number % len(places)]
        at = now - timedelta(days=number % _OLDEST_DAYS, seconds=number)
        name, description = f"{_team(number)} key {number}", f"made by a script, {number}"
        organization.api_keys[id_] = ApiKey(id_, name, description, owner, resource, NOBODY_KNOWS, at, at)
