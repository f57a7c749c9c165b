"""One small organization: what stands in it, and where in it a role can be bound. People come from `build`."""

from bot.domain.authority import HeldRoles
from bot.domain.keys import (
    Cluster,
    FlinkRegion,
    KsqlCluster,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Person,
    Principal,
    Resource,
    ServiceAccount,
)
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Policy, Rule
from bot.domain.roles import TABLES, Binding, Table
from tests.support.build import DANA, ERIN, ORGANIZATION

DOCUMENTED, NEWEST = TABLES["documented"], TABLES["2026"]
MAKING = (Operation.CREATE, Operation.ROTATE)
LENGTHENING = (*MAKING, Operation.EXTEND)
"""What gives somebody a key for longer than before."""
CHANGING = (Operation.EDIT, Operation.DELETE)

KAFKA = Cluster(Kind.KAFKA, "lkc-1", "orders", "env-1", "dev")
REGISTRY = Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", "env-1", "dev")
KSQL = KsqlCluster("lksqlc-1", "app", "env-1", "dev", "lkc-1")
FLINK = FlinkRegion("aws.us-east-1", "env-1", "dev")
CLOUD, TABLEFLOW, GLOBAL = (
    OrganizationScope(Kind.CLOUD),
    OrganizationScope(Kind.TABLEFLOW),
    OrganizationScope(Kind.GLOBAL),
)
RESOURCES: tuple[Resource, ...] = (KAFKA, REGISTRY, KSQL, FLINK, CLOUD, TABLEFLOW, GLOBAL)

OWNED, OTHER = ServiceAccount(Principal("sa-owned"), "orders"), ServiceAccount(Principal("sa-other"), "billing")
NEW = NewServiceAccount("payments", "for the payments service")
HERS = MyAccount(ERIN.principal)


def crn(path: str = "", organization: str = ORGANIZATION) -> str:
    """A CRN as Confluent writes it, from the elements below the organization."""
    return "/".join(filter(None, (f"crn://confluent.cloud/organization={organization}", path)))


PLACES = {
    "organization": crn(),
    "environment": crn("environment=env-1"),
    "cluster": crn("environment=env-1/cloud-cluster=lkc-1"),
    "registry": crn("environment=env-1/schema-registry=lsrc-1"),
    "ksqldb": crn("environment=env-1/cloud-cluster=lkc-1/ksql=app"),
    "region": crn("environment=env-1/flink-region=aws.us-east-1"),
    "topic": crn("environment=env-1/cloud-cluster=lkc-1/kafka=lkc-1/topic=orders"),
    "subject": crn("environment=env-1/schema-registry=lsrc-1/subject=orders-value"),
    "pool": crn("environment=env-1/flink-region=aws.us-east-1/compute-pool=lfcp-1"),
    "account": crn("service-account=sa-owned"),
    "other-environment": crn("environment=env-2"),
    "other-cluster": crn("environment=env-1/cloud-cluster=lkc-2"),
    "other-organization": crn(organization="o-2"),
}
"""Where a role is bound. The cluster, the registry, the ksqlDB cluster and the region are those of `RESOURCES`."""


def holding(
    person: Person, *held: tuple[str, str], table: Table = DOCUMENTED, organization: str = ORGANIZATION
) -> HeldRoles:
    """A person who holds these roles, each at its CRN."""
    bindings = tuple(Binding(person.principal, role, place) for role, place in held)
    return HeldRoles(person, bindings, organization, table)


def policy(*rules: Rule) -> Policy:
    return Policy(rules)


def a_rule(approvals: int = 1, match: Match | None = None, *, forbid: str = "", user_keys: bool = True) -> Rule:
    name = f"{approvals} approvals"
    return Rule(name, match or Match(), "C01", approvals, forbid=forbid, user_keys=user_keys)


def owners(requester: Person = DANA) -> dict[str, Owner]:
    """Whose key it can be, by the letter that the role tables write for it."""
    return {"m": MyAccount(requester.principal), "u": HERS, "a": OWNED, "b": OTHER, "n": NEW}
