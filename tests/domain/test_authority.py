"""Which place a CRN names, and whether a role bound there reaches a resource."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.authority import Target, accounts_in_sight, authority, describe, in_brief, may_see, reaches, weigh_all
from bot.domain.keys import Owner, Person, Resource, ServiceAccount
from bot.domain.roles import Binding, Scope, Table
from tests.support.build import (
    ACCOUNT,
    CLOUD,
    CLUSTER,
    DANA,
    DOCUMENTED,
    ERIN,
    FLINK,
    KSQL,
    NEWEST,
    ORGANIZATION,
    OTHER,
    REGISTRY,
    RESOURCES,
    an_ask,
    crn,
    holding,
    owners,
    shown,
)

HER_OWN = owners(ERIN)["m"]
AT_CLUSTER = "environment=env-dev001/cloud-cluster=lkc-dev001"
TOPIC = f"{AT_CLUSTER}/kafka=lkc-dev001/topic"
SUBJECT = "environment=env-dev001/schema-registry=lsrc-1/subject"


def has(role: str, place: str, owner: Owner = ACCOUNT, resource: Resource = CLUSTER) -> bool:
    """Whether Erin, with this role at this CRN, has authority over such a key."""
    return authority(holding(ERIN, (role, place)), Target(owner, resource)) is not None


def why(role: str, place: str, owner: Owner = ACCOUNT, resource: Resource = CLUSTER) -> str:
    return weigh_all(holding(ERIN, (role, place)), Target(owner, resource))[0].why


@pytest.mark.parametrize(
    ("pattern", "resource", "covers"),
    [
        ("", CLUSTER, True),
        ("environment=env-dev001", CLUSTER, True),
        ("environment=env-dev0012", CLUSTER, False),
        ("environment=env", CLUSTER, False),
        ("environment=ENV-DEV001", CLUSTER, False),
        ("cloud-cluster=lkc-dev001", CLUSTER, False),
        (AT_CLUSTER, CLUSTER, True),
        (AT_CLUSTER, REGISTRY, False),
        (f"{AT_CLUSTER}/kafka=lkc-dev001", CLUSTER, True),
        (f"{AT_CLUSTER}/kafka=lkc-2", CLUSTER, False),
        ("environment=env-dev001/kafka=lkc-dev001", CLUSTER, False),
        ("environment=env-2/cloud-cluster=lkc-dev001", CLUSTER, False),
        ("environment=*", CLUSTER, True),
        ("environment=env-*", CLUSTER, True),
        ("environment=env-dev001*", CLUSTER, True),
        ("environment=env-2*", CLUSTER, False),
        ("environment=*1", CLUSTER, False),
        ("environment=e*1", CLUSTER, False),
        (f"organization={ORGANIZATION}", CLUSTER, False),
        ("*", CLUSTER, False),
        ("*=*", CLUSTER, False),
        ("environment=env-dev001/*", CLUSTER, False),
        ("environment=env-dev001/cloud-cluster=*", CLUSTER, True),
        ("environment=*/cloud-cluster=lkc-dev001", CLUSTER, True),
        ("environment=*/cloud-cluster=lkc-2", CLUSTER, False),
        ("environment=env-dev001/cloud-cluster=*", REGISTRY, False),
        ("environment=env-dev001/cloud-cluster=*", KSQL, True),
        ("environment=env-dev001/schema-registry=lsrc-*", REGISTRY, True),
        (f"{AT_CLUSTER}/ksql=app", KSQL, True),
        (f"{AT_CLUSTER}/ksql=lksqlc-1", KSQL, True),
        (f"{AT_CLUSTER}/ksql=ap*", KSQL, True),
        (f"{AT_CLUSTER}/ksql=application", KSQL, False),
        ("environment=env-dev001/cloud-cluster=lkc-2/ksql=app", KSQL, False),
        ("environment=env-dev001/flink-region=aws.us-east-1", FLINK, True),
        ("environment=env-dev001/flink-region=aws.*", FLINK, True),
        ("environment=env-dev001/flink-region=gcp.us-east-1", FLINK, False),
        ("", CLOUD, True),
        ("environment=*", CLOUD, False),
    ],
)
def test_a_pattern_covers_what_it_is_an_element_wise_prefix_of(
    pattern: str, resource: Resource, *, covers: bool
) -> None:
    assert has("OrganizationAdmin", crn(pattern), resource=resource) is covers


@pytest.mark.parametrize(("owner", "table"), [(ACCOUNT, DOCUMENTED), (ACCOUNT, NEWEST), (HER_OWN, DOCUMENTED)])
@pytest.mark.parametrize("called", [KSQL.name, KSQL.id])
def test_a_ksqldb_cluster_is_named_by_its_name_or_by_its_id(called: str, owner: Owner, table: Table) -> None:
    """Confluent's own CRN of it ends in its name; some bindings name it by its id."""
    erin = holding(ERIN, ("KsqlAdmin", crn(f"{AT_CLUSTER}/ksql={called}")), table=table)

    def holds(resource: Resource) -> bool:
        return authority(erin, Target(owner, resource)) is not None

    assert holds(KSQL)
    assert not holds(replace(KSQL, id="lksqlc-2", name="app-2"))
    assert not holds(replace(KSQL, kafka_cluster="lkc-2"))
    assert not holds(replace(KSQL, environment="env-2"))


@pytest.mark.parametrize(
    ("pattern", "resource", "reaches_into"),
    [
        (f"{TOPIC}=orders", CLUSTER, True),
        (f"{TOPIC}=orders-*", CLUSTER, True),
        (f"{TOPIC}=*", CLUSTER, True),
        (f"{AT_CLUSTER}/kafka=lkc-dev001/group=readers", CLUSTER, True),
        (f"{AT_CLUSTER}/connector=sink", CLUSTER, True),
        ("environment=env-dev001/cloud-cluster=*/kafka=*/topic=*", CLUSTER, True),
        ("environment=env-dev001/cloud-cluster=lkc-2/kafka=lkc-2/topic=orders", CLUSTER, False),
        (f"{TOPIC}=orders", KSQL, False),
        (f"{TOPIC}=orders", REGISTRY, False),
        (f"{SUBJECT}=orders-value", REGISTRY, True),
        (f"{SUBJECT}=clicks-*", REGISTRY, True),
        (f"{SUBJECT}=orders-value", CLUSTER, False),
    ],
)
def test_a_binding_inside_a_resource_is_enough_for_own_keys_alone(
    pattern: str, resource: Resource, *, reaches_into: bool
) -> None:
    assert has("DeveloperRead", crn(pattern), HER_OWN, resource) is reaches_into
    assert not has("EnvironmentAdmin", crn(pattern), ACCOUNT, resource)
    assert not has("ResourceOwner", crn(pattern), ACCOUNT, resource)


def test_a_role_inside_the_organization_is_no_role_over_all_of_it() -> None:
    assert has("OrganizationAdmin", crn(), HER_OWN, CLOUD)
    assert not has("OrganizationAdmin", crn("environment=env-dev001"), HER_OWN, CLOUD)
    assert not has("OrganizationAdmin", crn("service-account=sa-abc001"), HER_OWN, CLOUD)


@pytest.mark.parametrize("name", ["orders: all", "a/b=c", "übergröße", "100%", "a%2Fb", "*x", "a+b"])
def test_percent_encoding_is_decoded_once_and_after_the_path_was_cut(name: str) -> None:
    scope = Scope.parse(crn(f"{AT_CLUSTER}/ksql={quote(name, safe='')}"))

    assert scope.path[-1] == ("ksql", name)
    assert len(scope.path) == 3


def test_the_organization_may_be_percent_encoded_too() -> None:
    assert has("OrganizationAdmin", f"crn://confluent.cloud/organization={ORGANIZATION.replace('-', '%2D')}")


@pytest.mark.parametrize(
    "authority", ["crn://confluent.cloud", "crn://api.confluent.cloud", "https://api.confluent.cloud"]
)
def test_the_authority_of_a_crn_does_not_matter(authority: str) -> None:
    assert has("EnvironmentAdmin", f"{authority}/organization={ORGANIZATION}/environment=env-dev001")
    assert has("EnvironmentAdmin", f"{authority}/organization={ORGANIZATION}/environment=env-dev001/")


@pytest.mark.parametrize(
    ("place", "owner", "owns"),
    [
        ("service-account=sa-abc001", ACCOUNT, True),
        ("service-account=sa-abc001", OTHER, False),
        ("service-account=sa-abc00", ACCOUNT, False),
        ("service-account=sa-ab*", ACCOUNT, True),
        ("service-account=*", OTHER, True),
        ("", ACCOUNT, False),
        ("environment=env-dev001", ACCOUNT, False),
        (AT_CLUSTER, ACCOUNT, False),
        ("service-account=sa-abc001/api-key=KEY", ACCOUNT, False),
        ("environment=env-dev001/service-account=sa-abc001", ACCOUNT, False),
        ("user=sa-abc001", ACCOUNT, False),
        ("identity-pool=sa-abc001", ACCOUNT, False),
    ],
)
def test_a_resource_owner_owns_the_accounts_that_it_is_bound_to(
    place: str, owner: ServiceAccount, *, owns: bool
) -> None:
    assert has("ResourceOwner", crn(place), owner) is owns
    newest = holding(ERIN, ("ResourceOwner", crn(place)), table=NEWEST)
    assert (authority(newest, Target(owner, CLOUD)) is not None) is owns


@pytest.mark.parametrize("role", ["OrganizationAdmin", "EnvironmentAdmin", "ResourceKeyAdmin", "Operator", "Assigner"])
def test_a_service_account_is_a_place_for_resource_owner_alone(role: str) -> None:
    assert not has(role, crn("service-account=sa-abc001"))


def test_an_account_of_another_organization_is_another_account() -> None:
    assert not has("ResourceOwner", crn("service-account=sa-abc001", organization="o-2"))


MALFORMED = [
    "",
    "/",
    "crn:",
    "crn://",
    "crn://confluent.cloud",
    "crn://confluent.cloud/",
    "crn://confluent.cloud/organization",
    "crn://confluent.cloud/organization=",
    f"organization={ORGANIZATION}",
    f"/organization={ORGANIZATION}",
    f"crn://organization={ORGANIZATION}",
    f"crn:confluent.cloud/organization={ORGANIZATION}",
    "crn://confluent.cloud/environment=env-dev001",
    f"crn://confluent.cloud/environment={ORGANIZATION}",
    "crn://confluent.cloud/organization=*",
    f"crn://confluent.cloud/environment=env-dev001/organization={ORGANIZATION}",
    f"crn://confluent.cloud/organization=o-2/organization={ORGANIZATION}",
    # Each of these would be the whole organization, or the environment, if what cannot be read were left out.
    f"{crn()}/environment",
    f"{crn()}/environment=",
    f"{crn()}/=env-dev001",
    f"{crn()}/env-dev001",
    f"{crn()}//environment=env-dev001",
    f"{crn()}/environment:env-dev001",
    f"{crn('environment=env-dev001')}/lkc-dev001",
    f"{crn('environment=env-dev001')}/cloud-cluster",
]


@pytest.mark.parametrize("place", MALFORMED)
def test_a_malformed_crn_gives_no_authority(place: str) -> None:
    assert not any(has("OrganizationAdmin", place, resource=resource) for resource in RESOURCES)
    assert not has("ResourceOwner", place)
    assert not has("DeveloperRead", place, HER_OWN)
    assert authority(holding(ERIN, ("OrganizationAdmin", place), table=NEWEST), Target(HER_OWN, CLUSTER)) is None


@pytest.mark.parametrize("place", MALFORMED)
def test_not_knowing_the_own_organization_makes_no_crn_count(place: str) -> None:
    lost = holding(ERIN, ("OrganizationAdmin", place), organization="", table=NEWEST)

    assert authority(lost, Target(ACCOUNT, CLUSTER)) is None
    assert authority(lost, Target(HER_OWN, CLUSTER)) is None
    assert not reaches(lost, Target(HER_OWN, CLUSTER))


PIECES = ("crn:", "//", "/", "=", "*", "%", "%2F", "%zz", "?", "organization", "organization=o-1/", "environment", "é")


@given(st.one_of(st.text(), st.lists(st.sampled_from((*PIECES, "o-1", "kafka"))).map("".join)))
@example("crn://confluent.cloud/organization=o-1/%ff=%fe")
def test_reading_and_weighing_a_crn_never_fails(text: str) -> None:
    holder = holding(ERIN, ("OrganizationAdmin", text))

    for resource in RESOURCES:
        weighed = weigh_all(holder, Target(ACCOUNT, resource))
        assert all(each.why for each in weighed)
    assert describe(holder.bindings[0], {}).startswith("OrganizationAdmin on ")


def test_no_slip_in_a_crn_makes_it_the_whole_organization() -> None:
    place = crn("environment=env-dev001")
    start = len(crn())
    slips = [place[:at] + piece + place[at:] for piece in PIECES for at in range(start, len(place) + 1)]
    slips += [place[:at] + place[at + 1 :] for at in range(start, len(place))]
    slips += [place[:at] for at in range(start + 2, len(place))]

    assert [slip for slip in slips if has("OrganizationAdmin", slip, resource=CLOUD)] == []


def test_bindings_of_somebody_else_are_not_even_weighed() -> None:
    holder = holding(ERIN)
    foreign = Binding(DANA.principal, "OrganizationAdmin", crn())

    assert weigh_all(type(holder)(ERIN, (foreign,), ORGANIZATION), Target(ACCOUNT, CLUSTER)) == ()


@pytest.mark.parametrize(
    ("role", "place", "owner", "resource", "said"),
    [
        ("EnvironmentAdmin", crn(organization="o-2"), ACCOUNT, CLUSTER, "it's bound in another organization"),
        ("EnvironmentAdmin", "crn://nonsense", ACCOUNT, CLUSTER, "its CRN can't be read"),
        ("BillingAdmin", crn(), ACCOUNT, CLUSTER, "this role doesn't manage API keys"),
        ("KsqlAdmin", crn(), ACCOUNT, CLUSTER, "this role doesn't manage kafka keys"),
        ("ResourceKeyAdmin", crn(), HER_OWN, CLUSTER, "this role can't create keys for its own holder"),
        ("Operator", crn(), ACCOUNT, CLUSTER, "this role manages only its holder's own keys"),
        ("ResourceOwner", crn("service-account=sa-abc001"), ACCOUNT, CLUSTER, "it owns the service account sa-abc001"),
        (
            "ResourceOwner",
            crn("service-account=sa-other"),
            ACCOUNT,
            CLUSTER,
            "it doesn't own the service account sa-abc001",
        ),
        ("EnvironmentAdmin", crn("environment=env-dev001"), ACCOUNT, CLUSTER, "it covers the resource"),
        ("EnvironmentAdmin", crn("environment=env-2"), ACCOUNT, CLUSTER, "it's bound to another resource"),
        ("EnvironmentAdmin", crn(f"{TOPIC}=a"), ACCOUNT, CLUSTER, "it covers only part of the resource"),
        (
            "DeveloperRead",
            crn(f"{TOPIC}=a"),
            HER_OWN,
            CLUSTER,
            "it covers part of the resource: enough for a personal key",
        ),
    ],
)
def test_every_binding_says_why_it_counts_or_not(
    role: str, place: str, owner: Owner, resource: Resource, said: str
) -> None:
    assert why(role, place, owner, resource) == said


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (crn(), "DeveloperRead on the whole organization"),
        (crn("environment=env-dev001"), "DeveloperRead on env-dev001"),
        (crn(f"{TOPIC}=orders%3Aall"), "DeveloperRead on env-dev001 / lkc-dev001 / topic orders:all"),
        ("crn://nonsense", "DeveloperRead on crn://nonsense"),
    ],
)
def test_a_binding_is_described_by_the_names_on_its_path(place: str, words: str) -> None:
    assert describe(Binding(ERIN.principal, "DeveloperRead", place), {}) == words


@pytest.mark.parametrize(
    ("role", "place", "words"),
    [
        ("OrganizationAdmin", crn(), "OrganizationAdmin"),
        ("MetricsViewer", crn(), "MetricsViewer on the whole organization"),
        ("EnvironmentAdmin", crn("environment=env-dev001"), "EnvironmentAdmin on dev"),
        ("EnvironmentAdmin", crn("environment=env-9"), "EnvironmentAdmin on environment env-9"),
        ("DeveloperRead", crn(f"{TOPIC}=orders-*"), "DeveloperRead on topics starting with orders- in orders (dev)"),
        ("DeveloperRead", crn(f"{TOPIC}=*"), "DeveloperRead on all topics in orders (dev)"),
        ("DeveloperRead", crn(f"{TOPIC}=lkc-dev001"), "DeveloperRead on topic lkc-dev001 in orders (dev)"),
        ("DeveloperRead", crn("pool=a-*"), "DeveloperRead on pool a-*"),
        ("DeveloperRead", "crn://nonsense", "DeveloperRead on crn://nonsense"),
    ],
)
def test_people_read_where_a_role_is_bound_without_ids_that_have_names(role: str, place: str, words: str) -> None:
    names = {"env-dev001": "dev", "lkc-dev001": "orders"}
    assert in_brief(Binding(ERIN.principal, role, place), names) == words


@pytest.mark.parametrize(
    ("place", "resource", "touched"),
    [
        (crn(), CLUSTER, True),
        (crn(f"{TOPIC}=orders"), CLUSTER, True),
        (crn("environment=env-2"), CLUSTER, False),
        (crn(f"{SUBJECT}=orders"), CLUSTER, False),
        (crn("environment=env-2"), CLOUD, True),
        (crn(organization="o-2"), CLUSTER, False),
    ],
)
def test_a_key_opens_something_where_any_role_touches_the_resource(
    place: str, resource: Resource, *, touched: bool
) -> None:
    holder = holding(ERIN, ("MetricsViewer", place))

    assert reaches(holder, Target(HER_OWN, resource)) is touched


@pytest.mark.parametrize("table", [DOCUMENTED, NEWEST])
@pytest.mark.parametrize(
    ("held", "owner", "resource", "sees"),
    [
        (None, HER_OWN, CLUSTER, True),
        (None, ACCOUNT, CLUSTER, False),
        (None, owners(DANA)["m"], CLUSTER, False),
        (("OrganizationAdmin", crn()), ACCOUNT, CLUSTER, True),
        (("ResourceOwner", crn(f"service-account={ACCOUNT.id}")), ACCOUNT, CLUSTER, True),
        (("ResourceOwner", crn(f"service-account={OTHER.id}")), ACCOUNT, CLUSTER, False),
        (("Operator", crn()), ACCOUNT, CLUSTER, True),
        (("Operator", crn("environment=env-dev001")), ACCOUNT, CLUSTER, True),
        (("Operator", crn("environment=env-prod01")), ACCOUNT, CLUSTER, False),
        (("Operator", crn().replace(ORGANIZATION, "another")), ACCOUNT, CLUSTER, False),
        (("Operator", crn()), ACCOUNT, CLOUD, False),
        (("MetricsViewer", crn()), ACCOUNT, CLUSTER, False),
    ],
)
def test_a_key_is_seen_by_its_owner_by_who_manages_it_and_by_operators_in_reach(
    table: Table, held: tuple[str, str] | None, owner: Owner, resource: Resource, *, sees: bool
) -> None:
    person = replace(holding(ERIN, *([held] if held else [])), table=table)
    somebody = replace(person, bindings=tuple(replace(each, principal=DANA.principal) for each in person.bindings))

    assert may_see(person, Target(owner, resource)) is sees
    assert may_see(somebody, Target(owner, resource)) is (owner == HER_OWN), "what others hold is not hers"


@pytest.mark.parametrize(
    ("asker", "sees"),
    [
        (ERIN, True),
        (replace(ERIN, slack=DANA.slack), False),
        (replace(ERIN, principal=DANA.principal), False),
    ],
)
def test_a_key_is_seen_by_who_asked_for_it(asker: Person, *, sees: bool) -> None:
    request = shown(ask=an_ask(requester=asker))

    assert may_see(holding(ERIN), Target(ACCOUNT, CLUSTER), request) is sees


@pytest.mark.parametrize(
    ("held", "seen"),
    [
        (("OrganizationAdmin", crn()), [ACCOUNT, OTHER]),
        (("ResourceKeyAdmin", crn("environment=env-dev001")), [ACCOUNT, OTHER]),
        (("Operator", crn("environment=env-dev001")), [ACCOUNT, OTHER]),
        (("ResourceOwner", crn(f"service-account={ACCOUNT.id}")), [ACCOUNT]),
        (("ResourceOwner", crn()), []),
        (("DeveloperRead", crn(f"service-account={ACCOUNT.id}")), []),
        (("OrganizationAdmin", crn().replace(ORGANIZATION, "another")), []),
    ],
)
def test_accounts_in_sight_are_those_whose_keys_a_role_shows(held: tuple[str, str], seen: list[ServiceAccount]) -> None:
    assert list(accounts_in_sight(holding(ERIN, held), (ACCOUNT, OTHER))) == seen
