"""The two role tables, written down by hand from the pages and held against what the code decides.

A line reads: who holds this role at that place has authority over the keys of these owners, for each kind of key.

    m  the holder's own account          a  the service account that the binding `account` names
    u  another person's account          b  another service account
    .  nobody's                          n  a service account that is still to be made

A role gives nothing at a place that has no line. `anywhere` stands for every place of our organization. An admin
has authority over another person's keys to edit and delete them; nobody makes one, whatever this table says.

A service account that is still to be made takes a role over the key and one that makes service accounts: `n` where one
binding is both. `PAIRS` has what two bindings are together.
"""

from collections.abc import Mapping

import pytest

from bot.domain.authority import Target, authority, bases, weigh_all
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, decide
from bot.domain.keys import MyAccount, Operation
from bot.domain.roles import Scope, Table
from tests.support.build import (
    ACCOUNT,
    CHANGING,
    DANA,
    DOCUMENTED,
    NEW,
    NEWEST,
    ORGANIZATION,
    OTHER,
    OTTO,
    PLACES,
    RESOURCES,
    a_rule,
    an_approval,
    an_ask,
    crn,
    holding,
    owners,
    policy_of,
)

# The page's words, and how they are read. "Owned by the principal" is said of keys: clusters have no owner. For the
# roles that administer a place, the keys are everybody's there. A key of one's own needs a role that reaches the
# resource, be it only a topic of the cluster; a key of someone else needs one that covers it. A ksqlDB cluster stands
# on a Kafka cluster, so who holds a role on that one holds it there too.
PAGE = """
                                 kafka   registry  ksqldb  flink   cloud   tableflow  global

# "Clusters (Kafka, ksqlDB, and Schema Registry) and Flink in the organization and resource management APIs."
OrganizationAdmin  organization  muabn   muabn     muabn   muabn   muabn   muabn      muabn
OrganizationAdmin  environment   muab    muab      muab    muab    .       .          .
OrganizationAdmin  cluster       muab    .         muab    .       .       .          .
OrganizationAdmin  registry      .       muab      .       .       .       .          .
OrganizationAdmin  ksqldb        m       .         muab    .       .       .          .
OrganizationAdmin  region        .       .         .       muab    .       .          .
OrganizationAdmin  topic         m       .         .       .       .       .          .
OrganizationAdmin  subject       .       m         .       .       .       .          .
OrganizationAdmin  pool          .       .         .       m       .       .          .

# "Clusters (Kafka, Schema Registry and ksqlDB) and Flink regions owned by the principal."
EnvironmentAdmin   organization  muab    muab      muab    muab    .       .          .
EnvironmentAdmin   environment   muab    muab      muab    muab    .       .          .
EnvironmentAdmin   cluster       muab    .         muab    .       .       .          .
EnvironmentAdmin   registry      .       muab      .       .       .       .          .
EnvironmentAdmin   ksqldb        m       .         muab    .       .       .          .
EnvironmentAdmin   region        .       .         .       muab    .       .          .
EnvironmentAdmin   topic         m       .         .       .       .       .          .
EnvironmentAdmin   subject       .       m         .       .       .       .          .
EnvironmentAdmin   pool          .       .         .       m       .       .          .

# "Kafka clusters owned by the principal."
CloudClusterAdmin  organization  muab    .         .       .       .       .          .
CloudClusterAdmin  environment   muab    .         .       .       .       .          .
CloudClusterAdmin  cluster       muab    .         .       .       .       .          .
CloudClusterAdmin  ksqldb        m       .         .       .       .       .          .
CloudClusterAdmin  topic         m       .         .       .       .       .          .

# "ksqlDB clusters that the principal has access to."
KsqlAdmin          organization  .       .         muab    .       .       .          .
KsqlAdmin          environment   .       .         muab    .       .       .          .
KsqlAdmin          cluster       .       .         muab    .       .       .          .
KsqlAdmin          ksqldb        .       .         muab    .       .       .          .

# "Clusters (Kafka, ksqlDB, and Schema Registry) and Flink regions the principal has access to,
#  but cannot create API keys for itself."
ResourceKeyAdmin   organization  uab     uab       uab     uab     .       .          .
ResourceKeyAdmin   environment   uab     uab       uab     uab     .       .          .
ResourceKeyAdmin   cluster       uab     .         uab     .       .       .          .
ResourceKeyAdmin   registry      .       uab       .       .       .       .          .
ResourceKeyAdmin   ksqldb        .       .         uab     .       .       .          .
ResourceKeyAdmin   region        .       .         .       uab     .       .          .

# "Clusters (Kafka, ksqlDB, and Schema Registry) owned by the principal."
# It owns a service account when it is bound to that very account.
ResourceOwner      account       a       a         a       .       .       .          .
ResourceOwner      organization  m       m         m       .       .       .          .
ResourceOwner      environment   m       m         m       .       .       .          .
ResourceOwner      cluster       m       .         m       .       .       .          .
ResourceOwner      registry      .       m         .       .       .       .          .
ResourceOwner      ksqldb        m       .         m       .       .       .          .
ResourceOwner      topic         m       .         .       .       .       .          .
ResourceOwner      subject       .       m         .       .       .       .          .

# "Clusters (Kafka, Schema Registry, Flink, and ksqlDB) owned by the principal."
Operator           organization  m       m         m       m       .       .          .
Operator           environment   m       m         m       m       .       .          .
Operator           cluster       m       .         m       .       .       .          .
Operator           registry      .       m         .       .       .       .          .
Operator           ksqldb        m       .         m       .       .       .          .
Operator           region        .       .         .       m       .       .          .
Operator           topic         m       .         .       .       .       .          .
Operator           subject       .       m         .       .       .       .          .
Operator           pool          .       .         .       m       .       .          .

# "Clusters (Kafka, ksqlDB, and Schema Registry) owned by the principal.", three times over.
DeveloperManage    organization  m       m         m       .       .       .          .
DeveloperManage    environment   m       m         m       .       .       .          .
DeveloperManage    cluster       m       .         m       .       .       .          .
DeveloperManage    registry      .       m         .       .       .       .          .
DeveloperManage    ksqldb        m       .         m       .       .       .          .
DeveloperManage    topic         m       .         .       .       .       .          .
DeveloperManage    subject       .       m         .       .       .       .          .
DeveloperRead      organization  m       m         m       .       .       .          .
DeveloperRead      environment   m       m         m       .       .       .          .
DeveloperRead      cluster       m       .         m       .       .       .          .
DeveloperRead      registry      .       m         .       .       .       .          .
DeveloperRead      ksqldb        m       .         m       .       .       .          .
DeveloperRead      topic         m       .         .       .       .       .          .
DeveloperRead      subject       .       m         .       .       .       .          .
DeveloperWrite     organization  m       m         m       .       .       .          .
DeveloperWrite     environment   m       m         m       .       .       .          .
DeveloperWrite     cluster       m       .         m       .       .       .          .
DeveloperWrite     registry      .       m         .       .       .       .          .
DeveloperWrite     ksqldb        m       .         m       .       .       .          .
DeveloperWrite     topic         m       .         .       .       .       .          .
DeveloperWrite     subject       .       m         .       .       .       .          .

# "Schema Registry clusters owned by the principal."
DataDiscovery      organization  .       m         .       .       .       .          .
DataDiscovery      environment   .       m         .       .       .       .          .
DataDiscovery      registry      .       m         .       .       .       .          .
DataDiscovery      subject       .       m         .       .       .       .          .
"""

# The page of 2026: everybody with a role makes keys of their own, of any kind, but for who is only a ResourceKeyAdmin
# (it separates duties). A service account's keys: OrganizationAdmin, and who owns that account, all seven kinds; the
# other admins their kinds within their place. No Tableflow for EnvironmentAdmin and no Flink for ResourceKeyAdmin any
# more; ksqlDB for CloudClusterAdmin and Tableflow for ResourceKeyAdmin are new, and so is FlinkAdmin. Service accounts
# are made by OrganizationAdmin and AccountAdmin on the organization, and by every EnvironmentAdmin, CloudClusterAdmin,
# KsqlAdmin and ResourceOwner.
PAGE_2026 = """
                                 kafka   registry  ksqldb  flink   cloud   tableflow  global

OrganizationAdmin  anywhere      m       m         m       m       m       m          m
OrganizationAdmin  organization  muabn   muabn     muabn   muabn   muabn   muabn      muabn
OrganizationAdmin  environment   muab    muab      muab    muab    m       m          m
OrganizationAdmin  cluster       muab    m         muab    m       m       m          m
OrganizationAdmin  registry      m       muab      m       m       m       m          m
OrganizationAdmin  ksqldb        m       m         muab    m       m       m          m
OrganizationAdmin  region        m       m         m       muab    m       m          m

EnvironmentAdmin   anywhere      m       m         m       m       m       m          m
EnvironmentAdmin   organization  muabn   muabn     muabn   muabn   m       m          m
EnvironmentAdmin   environment   muabn   muabn     muabn   muabn   m       m          m
EnvironmentAdmin   cluster       muabn   m         muabn   m       m       m          m
EnvironmentAdmin   registry      m       muabn     m       m       m       m          m
EnvironmentAdmin   ksqldb        m       m         muabn   m       m       m          m
EnvironmentAdmin   region        m       m         m       muabn   m       m          m

CloudClusterAdmin  anywhere      m       m         m       m       m       m          m
CloudClusterAdmin  organization  muabn   m         muabn   m       m       m          m
CloudClusterAdmin  environment   muabn   m         muabn   m       m       m          m
CloudClusterAdmin  cluster       muabn   m         muabn   m       m       m          m
CloudClusterAdmin  ksqldb        m       m         muabn   m       m       m          m

KsqlAdmin          anywhere      m       m         m       m       m       m          m
KsqlAdmin          organization  m       m         muabn   m       m       m          m
KsqlAdmin          environment   m       m         muabn   m       m       m          m
KsqlAdmin          cluster       m       m         muabn   m       m       m          m
KsqlAdmin          ksqldb        m       m         muabn   m       m       m          m

FlinkAdmin         anywhere      m       m         m       m       m       m          m
FlinkAdmin         organization  m       m         m       muab    m       m          m
FlinkAdmin         environment   m       m         m       muab    m       m          m
FlinkAdmin         region        m       m         m       muab    m       m          m

ResourceKeyAdmin   organization  uab     uab       uab     .       .       uab        .
ResourceKeyAdmin   environment   uab     uab       uab     .       .       .          .
ResourceKeyAdmin   cluster       uab     .         uab     .       .       .          .
ResourceKeyAdmin   registry      .       uab       .       .       .       .          .
ResourceKeyAdmin   ksqldb        .       .         uab     .       .       .          .

ResourceOwner      anywhere      m       m         m       m       m       m          m
ResourceOwner      account       ma      ma        ma      ma      ma      ma         ma

Operator           anywhere      m       m         m       m       m       m          m
DeveloperManage    anywhere      m       m         m       m       m       m          m
DeveloperRead      anywhere      m       m         m       m       m       m          m
DeveloperWrite     anywhere      m       m         m       m       m       m          m
DataDiscovery      anywhere      m       m         m       m       m       m          m
AccountAdmin       anywhere      m       m         m       m       m       m          m
MetricsViewer      anywhere      m       m         m       m       m       m          m
RoleOfNextYear     anywhere      m       m         m       m       m       m          m
"""

# What two bindings are together for a key of a new service account: the kinds of key.
PAIRS = """
documented  EnvironmentAdmin@environment        AccountAdmin@organization           kafka registry ksqldb flink
documented  CloudClusterAdmin@cluster           AccountAdmin@organization           kafka
documented  KsqlAdmin@ksqldb                    AccountAdmin@organization           ksqldb
documented  ResourceKeyAdmin@organization       AccountAdmin@organization           kafka registry ksqldb flink
documented  EnvironmentAdmin@other-environment  AccountAdmin@organization           -
documented  EnvironmentAdmin@environment        AccountAdmin@environment            -
documented  EnvironmentAdmin@environment        AccountAdmin@other-organization     -
documented  EnvironmentAdmin@environment        OrganizationAdmin@environment       -
documented  EnvironmentAdmin@environment        ResourceOwner@account               -
documented  EnvironmentAdmin@environment        CloudClusterAdmin@cluster           -
documented  DeveloperManage@cluster             AccountAdmin@organization           -
documented  Operator@organization               AccountAdmin@organization           -
documented  ResourceOwner@account               AccountAdmin@organization           -
2026        ResourceKeyAdmin@organization       AccountAdmin@organization           kafka registry ksqldb tableflow
2026        ResourceKeyAdmin@organization       ResourceOwner@topic                 kafka registry ksqldb tableflow
2026        ResourceKeyAdmin@organization       ResourceKeyAdmin@environment        -
2026        FlinkAdmin@region                   AccountAdmin@organization           flink
2026        FlinkAdmin@region                   EnvironmentAdmin@other-environment  flink
2026        FlinkAdmin@region                   CloudClusterAdmin@other-cluster     flink
2026        FlinkAdmin@region                   KsqlAdmin@ksqldb                    flink ksqldb
2026        FlinkAdmin@region                   AccountAdmin@region                 -
2026        FlinkAdmin@region                   OrganizationAdmin@environment       -
2026        Operator@organization               AccountAdmin@organization           -
"""

ROLES = (
    "OrganizationAdmin",
    "EnvironmentAdmin",
    "CloudClusterAdmin",
    "KsqlAdmin",
    "FlinkAdmin",
    "ResourceKeyAdmin",
    "ResourceOwner",
    "Operator",
    "DeveloperManage",
    "DeveloperRead",
    "DeveloperWrite",
    "DataDiscovery",
    "AccountAdmin",
    "MetricsViewer",
    "RoleOfNextYear",
)

Lines = Mapping[tuple[str, str], tuple[str, ...]]


def read(text: str) -> Lines:
    """The lines of a table, by role and place: for each kind the letters of the owners."""
    lines = [line.split() for line in text.strip().splitlines()[1:] if line.strip() and not line.startswith("#")]
    table = {(role, place): tuple(cells) for role, place, *cells in lines}
    assert len(table) == len(lines), "a line stands there twice"
    assert {len(cells) for cells in table.values()} == {len(RESOURCES)}
    assert {place for _, place in table} <= {*PLACES, "anywhere"}
    assert set("".join("".join(cells) for cells in table.values())) <= {*owners(), "."}
    return table


def expected(lines: Lines, role: str, place: str) -> tuple[str, ...]:
    """What the table says about a role at a place."""
    if (role, place) in lines:
        return lines[role, place]
    everywhere = lines.get((role, "anywhere"))
    return everywhere if everywhere and place != "other-organization" else (".",) * len(RESOURCES)


EVERY_LINE = [
    pytest.param(table, role, place, expected(lines, role, place), id=f"{table.name}: {role} at {place}")
    for table, lines in ((DOCUMENTED, read(PAGE)), (NEWEST, read(PAGE_2026)))
    for role in ROLES
    for place in PLACES
]
OF_OTHERS = {"u": MyAccount(DANA.principal), "a": ACCOUNT, "b": OTHER, "n": NEW}
ASKED = [
    (number, letter, an_ask(operation=operation, owner=owner, resource=resource))
    for number, resource in enumerate(RESOURCES)
    for letter, owner in owners().items()
    for operation in Operation
]
"""Everything that can be asked for, with the column and the letter that decide it; made once, for many lines."""
APPROVED = [
    (number, letter, ask, an_approval(OTTO, ask))
    for number, resource in enumerate(RESOURCES)
    for letter, owner in OF_OTHERS.items()
    for ask in [an_ask(owner=owner, resource=resource)]
]


def letters(of: set[str]) -> str:
    return "".join(letter for letter in owners() if letter in of) or "."


@pytest.mark.parametrize(("table", "role", "place", "cells"), EVERY_LINE)
def test_a_role_has_the_authority_that_its_page_gives(
    table: Table, role: str, place: str, cells: tuple[str, ...]
) -> None:
    holder = holding(DANA, (role, PLACES[place]), table=table)

    found = tuple(
        letters({letter for letter, owner in owners().items() if authority(holder, Target(owner, resource))})
        for resource in RESOURCES
    )

    assert found == cells


@pytest.mark.parametrize(("table", "role", "place", "cells"), EVERY_LINE)
def test_where_no_approval_is_needed_the_requester_needs_that_authority(
    table: Table, role: str, place: str, cells: tuple[str, ...]
) -> None:
    requester = holding(DANA, (role, PLACES[place]), table=table)
    alone, refusing = policy_of(a_rule(approvals=0)), policy_of(a_rule(approvals=0, otherwise=None))

    for number, letter, ask in ASKED:
        is_change = ask.operation in CHANGING
        may = letter in cells[number] or (is_change and letter == "m")  # what exists: its owner needs no role
        never = letter == "u" and not is_change  # nobody gets a key of another person's account
        expected = Forbidden if never else Allowed if may else NeedsApproval
        assert isinstance(decide(alone, ask, requester), expected), ask
        assert isinstance(decide(refusing, ask, requester), Allowed if expected is Allowed else Forbidden), ask


@pytest.mark.parametrize(("table", "role", "place", "cells"), EVERY_LINE)
def test_where_approval_is_needed_the_approver_needs_that_authority(
    table: Table, role: str, place: str, cells: tuple[str, ...]
) -> None:
    requester, approver = holding(DANA, table=table), holding(OTTO, (role, PLACES[place]), table=table)
    policy = policy_of(a_rule())

    for number, letter, ask, approval in APPROVED:
        verdict = decide(policy, ask, requester, [(approval, approver)])
        assert isinstance(verdict, Allowed if letter in cells[number] else NeedsApproval), ask


NAMES = dict(zip(("kafka", "registry", "ksqldb", "flink", "cloud", "tableflow", "global"), RESOURCES, strict=True))
TABLES_BY_NAME = {table.name: table for table in (DOCUMENTED, NEWEST)}


@pytest.mark.parametrize("line", PAIRS.strip().splitlines())
def test_two_bindings_together_make_a_key_of_a_new_service_account(line: str) -> None:
    name, *two, kinds = line.split(maxsplit=3)
    held = [(role, PLACES[place]) for role, _, place in (each.partition("@") for each in two)]

    for roles in (held, held[::-1]):
        holder = holding(DANA, *roles, table=TABLES_BY_NAME[name])
        targets = {kind: Target(NEW, resource) for kind, resource in NAMES.items()}
        found = {kind for kind, target in targets.items() if authority(holder, target)}
        assert found == set(kinds.split()) - {"-"}
        for kind, target in targets.items():
            assert any(each.counts for each in weigh_all(holder, target)) is (kind in found)
            assert bool(bases(holder, target)) is (kind in found)


@pytest.mark.parametrize("table", [DOCUMENTED, NEWEST])
def test_owning_an_account_is_enough_where_a_role_for_owners_has_the_kind(table: Table) -> None:
    owner = holding(DANA, ("ResourceOwner", PLACES["account"]), table=table)

    for resource in RESOURCES:
        manages = authority(owner, Target(ACCOUNT, resource)) is not None
        assert table.has_owners_of_accounts(resource.kind) is manages


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        ("environment=env-dev001/cloud-cluster=lkc-dev001", True),
        ("environment=env-*/cloud-cluster=lkc-dev001", False),
        ("environment=env-dev001", False),
        ("environment=env-prod01/cloud-cluster=lkc-dev001", False),
        ("", False),
    ],
)
def test_a_place_is_inside_another_where_it_is_written_below_it(place: str, *, inside: bool) -> None:
    environment = Scope.parse(crn("environment=env-dev001"))

    assert Scope.parse(crn(place)).is_inside(environment) is inside
    assert not Scope.parse(crn(place).replace(ORGANIZATION, "another")).is_inside(environment)


def test_a_wildcard_stands_for_the_rest_of_a_value_and_for_no_other_key() -> None:
    some = Scope.parse(crn("environment=env-*"))

    assert some.covers((("environment", "env-dev001"),))
    assert not some.covers((("environment", "dev-1"),))
    assert not some.covers((("flink-region", "env-dev001"),))
