"""Acme's organization: the sandbox's cast, two environments, and keys from before Latchkey."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sandbox.cast import BOT_PRINCIPAL, CAST, DEV, ORG_CRN, ORGANIZATION, PROD, SECOND_TESS, TEAM_NAME
from sandbox.confluent.model import (
    PLAIN,
    ComputePool,
    Environment,
    KafkaCluster,
    KsqlCluster,
    PlainCluster,
    Quota,
    Region,
    SchemaRegistry,
    ServiceAccount,
    User,
)
from sandbox.confluent.organization import Organization

BOT_KEY = "LATCHKEYBOTKEY00"
"""The ID of the bot's own Cloud key. `organization.secrets_issued[BOT_KEY]` is its secret, new in every process."""

_ACCOUNTS = (
    ("sa-orders", "orders-service", "Orders service, all environments"),
    ("sa-payments", "payments-service", "Payments service"),
    ("sa-etl001", "nightly-etl", ""),
    (BOT_PRINCIPAL, "latchkey-bot", "Latchkey's own account"),
)
GONE = "sa-gone01"
"""Owns a key and isn't in any list, like the account of the audit log."""
# ID, age in days, resource, environment, owner, name, description. Names are empty where the Confluent CLI sets none.
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
    # The other form of a Flink region's ID, which responses repeat.
    ("ORDERSFLINK00001", 75, f"{DEV}.aws.us-east-1", None, "sa-orders", "orders statements", "SQL workspace"),
    ("PAYMENTSTABLEFL1", 20, "tableflow", None, "sa-payments", "payments in Iceberg", ""),
    ("BILLINGPROD00001", 320, "lkc-prod02", None, GONE, "billing", "its owner is in no list"),
    ("SAMISNOTEBOOK001", 230, "lsrc-prod01", None, "u-sami01", "Sami's notebook", ""),
    # A script creates a key each month and deletes none. With one more, nightly-etl reaches its limit.
    *(
        (f"NIGHTLYETLCLOUD{month}", 700 - 30 * month, "cloud", None, "sa-etl001", "nightly-etl", f"run {month}")
        for month in range(2, 10)
    ),
)
_OLD_STYLE = "NIGHTLYETLCLOUD1"
"""A Cloud key that responses show without a resource."""
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
    ("iam.max_environments.per_org", "ORGANIZATION", "Environments Per Organization", 25, 25),
    ("kafka.max_kafka_clusters.per_env", "ENVIRONMENT", "Kafka Clusters Per Environment", 20, 20),
    ("kafka.max_api_keys.per_cluster", "KAFKA_CLUSTER", "API Keys Per Kafka Cluster", 2000, 2000),
)
_OWN_LIMITS = {("iam.max_cloud_api_keys.per_service_account", "sa-etl001"): 10}
_REGIONS = (
    ("AWS", "us-east-1", "N. Virginia"),
    ("AWS", "us-east-2", "Ohio"),
    ("AWS", "us-west-2", "Oregon"),
    ("AWS", "eu-central-1", "Frankfurt"),
    ("AWS", "eu-west-1", "Ireland"),
    ("AWS", "ap-southeast-2", "Sydney"),
    ("AZURE", "eastus", "Virginia"),
    ("AZURE", "westeurope", "Netherlands"),
    ("AZURE", "southeastasia", "Singapore"),
    ("GCP", "us-central1", "Iowa"),
    ("GCP", "europe-west3", "Frankfurt"),
    ("GCP", "asia-south1", "Mumbai"),
)
_POOLS = (
    ("lfcp-dev001", "dev-pool", DEV, "aws.us-east-1"),
    ("lfcp-dev002", "dev-azure-pool", DEV, "azure.westeurope"),
    ("lfcp-prod01", "prod-pool", PROD, "aws.us-east-1"),
    ("lfcp-prod02", "prod-eu-pool", PROD, "aws.eu-central-1"),
)


def acme(clock: Callable[[], datetime]) -> Organization:
    """Acme as it is when the sandbox starts. `clock` returns times with time zone UTC."""
    organization = Organization(ORGANIZATION, TEAM_NAME, clock)
    founded = clock() - timedelta(days=900)
    _add_places(organization, founded)
    _add_principals(organization, founded)
    for code, scope, name, limit, default in _QUOTAS:
        organization.quotas[code] = Quota(code, scope, name, limit, default)
    for (code, holder), limit in _OWN_LIMITS.items():
        organization.quotas[code].limits[holder] = limit
    for id_, days, resource, environment, owner, name, description in _KEYS:
        made_for = organization.resource(resource, environment)
        at = clock() - timedelta(days=days)
        organization.add_key(id_, made_for, owner, name=name, description=description, at=at)
    organization.api_keys[_OLD_STYLE].says_resource = False
    return organization


def _add_places(organization: Organization, at: datetime) -> None:
    for environment in (Environment(DEV, "dev", "ESSENTIALS", at), Environment(PROD, "production", "ADVANCED", at)):
        organization.environments[environment.id] = environment
    for cluster in (
        KafkaCluster("lkc-dev001", "orders-dev", DEV, "Standard", _host("pkc-dev01"), at),
        KafkaCluster("lkc-dev002", "payments-dev", DEV, "Basic", _host("pkc-dev02"), at),
        # Enterprise clusters are private, so whether their keys work yet can't be tested from outside.
        KafkaCluster(
            "lkc-dev003",
            "clicks-dev",
            DEV,
            "Enterprise",
            "lkc-dev003.us-east-1.aws.private.confluent.cloud:443",
            at,
            is_public=False,
        ),
        KafkaCluster("lkc-prod01", "orders", PROD, "Dedicated", _host("pkc-prod1"), at),
        KafkaCluster("lkc-prod02", "payments", PROD, "Standard", _host("pkc-prod2"), at),
    ):
        organization.kafka_clusters[cluster.id] = cluster
    for registry in (
        SchemaRegistry("lsrc-dev01", "Stream Governance Package", DEV, "ESSENTIALS", at),
        SchemaRegistry("lsrc-prod01", "Stream Governance Package", PROD, "ADVANCED", at),
    ):
        organization.schema_registries[registry.id] = registry
    for ksql in (
        KsqlCluster("lksqlc-dev01", "enrichment", DEV, "lkc-dev001", _host("pksqlc-dev01"), at),
        KsqlCluster("lksqlc-dev02", "old-joins", DEV, "lkc-dev002", _host("pksqlc-dev02"), at, is_paused=True),
        KsqlCluster("lksqlc-prod1", "fraud-scoring", PROD, "lkc-prod01", _host("pksqlc-prod1"), at),
    ):
        organization.ksql_clusters[ksql.id] = ksql
    for kind in PLAIN:
        for environment_id, name in ((DEV, "dev"), (PROD, "prod")):
            id_ = f"{kind.row.prefix}{name}01"
            plain = PlainCluster(kind, id_, f"{kind.value}-{name}", environment_id, at)
            organization.plain_clusters[id_] = plain
    for cloud, name, place in _REGIONS:
        region = Region(cloud, name, f"{place} ({name})")
        organization.regions[region.id] = region
    for id_, name, environment_id, region_id in _POOLS:
        organization.compute_pools[id_] = ComputePool(id_, name, environment_id, organization.regions[region_id], at)


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


def _host(name: str) -> str:
    return f"{name}.us-east-1.aws.confluent.cloud:443"
