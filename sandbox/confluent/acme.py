"""Acme's organisation: the cast of the sandbox, two environments, and keys that were there before Latchkey."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sandbox.cast import BOT_PRINCIPAL, CAST, DEV, ORG_CRN, ORGANIZATION, PROD, SECOND_TESS, TEAM_NAME
from sandbox.confluent.model import (
    ComputePool,
    Environment,
    KafkaCluster,
    KsqlCluster,
    Quota,
    Region,
    SchemaRegistry,
    ServiceAccount,
    User,
)
from sandbox.confluent.organization import Organization

BOT_KEY = "LATCHKEYBOTKEY00"
"""The id of the bot's own Cloud key; `organization.secrets_issued[BOT_KEY]` is its secret, new in every process."""

_ACCOUNTS = (
    ("sa-orders", "orders-service", "Orders service, all environments"),
    ("sa-payments", "payments-service", "Payments service"),
    ("sa-etl001", "nightly-etl", ""),
    (BOT_PRINCIPAL, "latchkey-bot", "Latchkey's own account"),
)
# id, days old, resource, environment, owner, name, description; empty names as the Confluent CLI leaves them
_KEYS = (
    (BOT_KEY, 200, "cloud", None, BOT_PRINCIPAL, "latchkey", "Latchkey's own key"),
    ("ORDERSPROD000001", 410, "lkc-prod01", None, "sa-orders", "", "orders service, made by hand"),
    ("ORDERSDEV0000001", 30, "lkc-dev001", None, "sa-orders", "orders-service dev", ""),
    ("ORDERSSCHEMA0001", 120, "lsrc-dev01", None, "sa-orders", "", "orders schemas"),
    ("PAYMENTSPROD0001", 95, "lkc-prod02", None, "sa-payments", "payments-service", "rotated every quarter"),
    ("NIGHTLYETLCLOUD1", 700, "cloud", None, "sa-etl001", "", ""),
    ("NIGHTLYETLFLINK1", 60, "aws.us-east-1", PROD, "sa-etl001", "nightly flink job", ""),
    ("ENRICHMENTKSQL01", 45, "lksqlc-dev01", None, "sa-orders", "", "enrichment"),
    ("DANASLAPTOP00001", 12, "lkc-dev001", None, "u-dana01", "Dana's laptop", ""),
    ("CONFLUENTINTERN1", 500, "lkc-prod01", None, None, "", "internal"),
)
_QUOTAS = (
    ("iam.max_cloud_api_keys.per_user", "USER_ACCOUNT", "Cloud API Keys Per User", 10, 10),
    ("iam.max_cluster_api_keys.per_user", "USER_ACCOUNT", "Cluster API Keys Per User", 10, 10),
    ("iam.max_cloud_api_keys.per_service_account", "SERVICE_ACCOUNT", "Cloud API Keys Per Service Account", 100, 10),
    (
        "iam.max_cluster_api_keys.per_service_account",
        "SERVICE_ACCOUNT",
        "Cluster API Keys Per Service Account",
        100,
        10,
    ),
    ("iam.max_cloud_api_keys.per_org", "ORGANIZATION", "Cloud API Keys Per Organization", 1000, 1000),
    ("iam.max_service_accounts.per_org", "ORGANIZATION", "Service Accounts Per Organization", 1000, 1000),
    ("iam.max_users.per_org", "ORGANIZATION", "Users Per Organization", 1000, 1000),
    ("kafka.max_api_keys.per_cluster", "KAFKA_CLUSTER", "API Keys Per Kafka Cluster", 2000, 2000),
)


def acme(clock: Callable[[], datetime]) -> Organization:
    """Acme as it is when the sandbox starts; `clock` gives aware UTC times."""
    organization = Organization(ORGANIZATION, TEAM_NAME, clock)
    founded = clock() - timedelta(days=900)
    _add_places(organization, founded)
    _add_principals(organization, founded)
    for code, scope, name, limit, default in _QUOTAS:
        organization.quotas[code] = Quota(code, scope, name, limit, default)
    for id_, days, resource, environment, owner, name, description in _KEYS:
        made_for = organization.resource(resource, environment)
        at = clock() - timedelta(days=days)
        organization.add_key(id_, made_for, owner, name=name, description=description, at=at)
    return organization


def _add_places(organization: Organization, at: datetime) -> None:
    for environment in (Environment(DEV, "dev", "ESSENTIALS", at), Environment(PROD, "production", "ADVANCED", at)):
        organization.environments[environment.id] = environment
    for cluster in (
        KafkaCluster("lkc-dev001", "orders-dev", DEV, "Standard", _host("pkc-dev01", 443), at),
        KafkaCluster("lkc-dev002", "payments-dev", DEV, "Basic", _host("pkc-dev02", 443), at),
        # Enterprise clusters are private: the readiness of their keys cannot be checked from outside.
        KafkaCluster(
            "lkc-dev003",
            "clicks-dev",
            DEV,
            "Enterprise",
            "lkc-dev003.us-east-1.aws.private.confluent.cloud:443",
            at,
            is_public=False,
        ),
        KafkaCluster("lkc-prod01", "orders", PROD, "Dedicated", _host("pkc-prod1", 443), at),
        KafkaCluster("lkc-prod02", "payments", PROD, "Standard", _host("pkc-prod2", 443), at),
    ):
        organization.kafka_clusters[cluster.id] = cluster
    for registry in (
        SchemaRegistry("lsrc-dev01", "Stream Governance Package", DEV, "ESSENTIALS", _host("psrc-dev01"), at),
        SchemaRegistry("lsrc-prod01", "Stream Governance Package", PROD, "ADVANCED", _host("psrc-prod1"), at),
    ):
        organization.schema_registries[registry.id] = registry
    ksql = KsqlCluster("lksqlc-dev01", "enrichment", DEV, "lkc-dev001", _host("pksqlc-dev01", 443), at)
    organization.ksql_clusters[ksql.id] = ksql
    _add_regions(organization, at)


def _add_regions(organization: Organization, at: datetime) -> None:
    virginia, frankfurt = (
        Region("AWS", "us-east-1", "N. Virginia (us-east-1)"),
        Region("AWS", "eu-central-1", "Frankfurt (eu-central-1)"),
    )
    for region in (virginia, frankfurt, Region("GCP", "us-central1", "Iowa (us-central1)")):
        organization.regions[region.id] = region
    for pool in (
        ComputePool("lfcp-dev001", "dev-pool", DEV, virginia, at),
        ComputePool("lfcp-prod01", "prod-pool", PROD, virginia, at),
        ComputePool("lfcp-prod02", "prod-eu-pool", PROD, frankfurt, at),
    ):
        organization.compute_pools[pool.id] = pool


def _add_principals(organization: Organization, at: datetime) -> None:
    for actor in CAST:
        if actor.principal is None:
            continue
        organization.users[actor.principal] = User(actor.principal, actor.email, actor.name, at)
        for role, pattern in actor.bindings:
            organization.bind(actor.principal, role, pattern)
    principal, email, name = SECOND_TESS
    organization.users[principal] = User(principal, email, name, at)
    for account, name, description in _ACCOUNTS:
        organization.service_accounts[account] = ServiceAccount(account, name, description, at, at)
    organization.bind(BOT_PRINCIPAL, "OrganizationAdmin", ORG_CRN)


def _host(name: str, port: int | None = None) -> str:
    host = f"{name}.us-east-1.aws.confluent.cloud"
    return host if port is None else f"{host}:{port}"
