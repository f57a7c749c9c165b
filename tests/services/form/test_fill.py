"""What the form makes of the choices so far: what follows from them, what they are called, how long a key may live."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.approvals import Ticket
from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.keys import Cluster, FlinkRegion, KsqlCluster, OrganizationScope, Principal, Resource, ServiceAccount
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Policy, Rule, without_a_file
from bot.services.commands import Draft
from bot.services.form.fill import form, used
from bot.services.form.validate import text_problems
from bot.services.pages import FormPage
from bot.slack.blocks.text import Block
from bot.slack.payloads.ids import ResourceField
from bot.slack.views import options as menus
from bot.slack.views.form import form as draw
from tests.support import build

DEV, PROD = Environment("env-dev", "dev"), Environment("env-prod", "production")
ORDERS = Cluster(Kind.KAFKA, "lkc-1", "orders", DEV.id, DEV.name)
REGISTRY = Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", DEV.id, DEV.name)
CATALOG = Catalog(
    "o-1",
    (DEV, PROD),
    (ServiceAccount(Principal("sa-1"), "orders-service"),),
    build.by_kind(
        ORDERS,
        REGISTRY,
        Cluster(Kind.SCHEMA_REGISTRY, "lsrc-2", "a", PROD.id, PROD.name),
        Cluster(Kind.SCHEMA_REGISTRY, "lsrc-3", "b", PROD.id, PROD.name),
        KsqlCluster("lksqlc-1", "app", DEV.id, DEV.name, "lkc-1"),
        FlinkRegion("gcp.us-central1", DEV.id, DEV.name),
        FlinkRegion("aws.eu-west-9", DEV.id, DEV.name),
    ),
    (
        Region("aws.us-east-1", "AWS", "N. Virginia"),
        Region("azure.westeurope", "AZURE", "Netherlands"),
        Region("gcp.us-central1", "GCP", "Iowa"),
    ),
)
POLICY = without_a_file("C01")
DAYS = timedelta(days=1)


def filled(catalog: Catalog | None = CATALOG, policy: Policy = POLICY, **chosen: str) -> FormPage:
    return form(build.a_draft(**chosen), catalog, policy)


def texts(options: list[Block]) -> list[str]:
    return [each["text"]["text"] for each in options]


def test_the_only_schema_registry_of_an_environment_is_chosen_by_itself() -> None:
    assert filled(kind="schema-registry", environment=DEV.id).resource == REGISTRY
    assert filled(kind="schema-registry", environment=PROD.id).resource is None
    assert filled(kind="schema-registry").resource is None
    assert filled(kind="ksqldb", environment=DEV.id).resource is None


def test_a_schema_registry_that_is_gone_is_not_chosen_again_by_itself() -> None:
    page = form(Draft(kind="schema-registry", environment=DEV.id), CATALOG, POLICY, {"resource": "It is gone."})

    assert page.resource is None


@pytest.mark.parametrize(
    ("kind", "cluster", "resource"),
    [
        ("kafka", "lkc-1", ORDERS),
        ("kafka", "lkc-new", Cluster(Kind.KAFKA, "lkc-new", "lkc-new", DEV.id, DEV.name)),
        ("schema-registry", "lsrc-new", Cluster(Kind.SCHEMA_REGISTRY, "lsrc-new", "lsrc-new", DEV.id, DEV.name)),
        ("ksqldb", "lksqlc-1", CATALOG.resources[Kind.KSQLDB][0]),
        ("ksqldb", "lksqlc-new", KsqlCluster("lksqlc-new", "lksqlc-new", DEV.id, DEV.name, "")),
        ("flink", "aws.us-east-1", FlinkRegion("aws.us-east-1", DEV.id, DEV.name)),
        ("cloud", "", None),
        ("kafka", "", None),
    ],
)
def test_what_was_chosen_has_a_name_or_else_its_id(kind: str, cluster: str, resource: Resource | None) -> None:
    page = filled(kind=kind, environment=DEV.id, cluster=cluster, owner="sa-new")

    assert page.resource == resource
    assert page.environment == DEV
    assert page.account == ServiceAccount(Principal("sa-new"), "sa-new")


def test_without_a_catalog_everything_goes_by_its_id() -> None:
    page = filled(None, environment="env-9", cluster="lkc-9", owner="sa-1")

    assert page.environment == Environment("env-9", "env-9")
    assert page.resource == Cluster(Kind.KAFKA, "lkc-9", "lkc-9", "env-9", "env-9")
    assert page.offered is None


def test_a_cluster_of_another_environment_is_not_taken_for_one_of_this() -> None:
    page = filled(environment=PROD.id, cluster="lkc-1")

    assert page.resource == Cluster(Kind.KAFKA, "lkc-1", "lkc-1", PROD.id, PROD.name)


def test_clouds_in_use_in_the_environment_come_first() -> None:
    assert filled(kind="flink", environment=DEV.id).clouds == ("aws", "gcp", "azure")
    assert filled(kind="flink", environment=DEV.id).used_clouds == 2
    assert filled(kind="flink", environment=PROD.id).used_clouds == 0
    assert filled(None, kind="flink").clouds == ("aws", "azure", "gcp")
    options = menus.cloud_options(("gcp", "aws"), 1)
    assert texts(options) == ["Google Cloud", "AWS"]
    assert ["description" in each for each in options] == [True, False]


def test_regions_in_use_in_the_environment_come_first_and_are_marked() -> None:
    place = ResourceField("flink", DEV.id, "aws")
    used, others = menus.resources(CATALOG, place, "")["option_groups"]

    assert used["label"]["text"] == "In use in this environment"
    assert [each["value"] for each in used["options"]] == ["aws.eu-west-9"]
    assert texts([*used["options"], *others["options"]]) == ["eu-west-9", "N. Virginia (us-east-1)"]
    assert menus.resources(CATALOG, place, "virginia") == {"options": others["options"]}
    assert menus.resources(CATALOG, place, "US-EAST") == {"options": others["options"]}
    elsewhere = menus.resources(CATALOG, place._replace(environment=PROD.id), "")
    assert elsewhere == {"options": others["options"]}


def test_the_cloud_of_a_region_that_is_given_need_not_be_chosen() -> None:
    page = filled(kind="flink", environment=DEV.id, cluster="gcp.us-central1")

    assert page.draft.cloud == "gcp"
    assert page.region == Region("gcp.us-central1", "GCP", "Iowa")


def test_a_longer_list_than_slack_shows_says_how_long_it_is() -> None:
    many = tuple(
        Cluster(Kind.KAFKA, f"lkc-{number:05}", f"orders {number}", DEV.id, DEV.name) for number in range(20_000)
    )
    catalog = replace(CATALOG, resources=build.by_kind(*many))
    place = ResourceField("kafka", DEV.id)

    (group,) = menus.resources(catalog, place, "orders")["option_groups"]
    assert group["label"]["text"] == "The first 100 of 20,000: type more to see others"
    assert len(group["options"]) == 100
    assert texts(menus.resources(catalog, place, "lkc-19999")["options"]) == ["orders 19999"]
    assert form(Draft(environment=DEV.id), catalog, POLICY).offered == 20_000
    exactly = replace(CATALOG, resources=build.by_kind(*many[:100]))
    assert len(menus.resources(exactly, place, "")["options"]) == 100


def rule(name: str, days: int | None, **match: frozenset[str]) -> Rule:
    return Rule(name, Match(**match), "C01", lifetime=None if days is None else days * DAYS)  # type: ignore[arg-type]


LIMITED = replace(
    POLICY,
    rules=(
        rule("own", 7, owners=frozenset({"me"})),
        rule("new", 30, owners=frozenset({"new-service-account"})),
        rule("cloud", 1, kinds=frozenset({Kind.CLOUD})),
        rule("one cluster", 45, clusters=frozenset({"lkc-1"})),
        rule("production", 90, environments=frozenset({PROD.id})),
        rule("everything else", None),
    ),
)


@pytest.mark.parametrize(
    ("chosen", "days"),
    [
        ({}, None),
        ({"owner": "me"}, 7),
        ({"owner": "new"}, 30),
        ({"owner": "sa-1"}, None),
        ({"owner": "sa-1", "kind": "cloud"}, 1),
        ({"owner": "sa-1", "environment": DEV.id}, None),
        ({"owner": "sa-1", "environment": DEV.id, "cluster": "lkc-1"}, 45),
        ({"owner": "sa-1", "environment": PROD.id}, 90),
    ],
)
def test_lifetimes_go_as_far_as_the_rule_for_what_is_chosen(chosen: dict[str, str], days: int | None) -> None:
    assert form(build.a_draft(**chosen), CATALOG, LIMITED).limit == (None if days is None else days * DAYS)


@pytest.mark.parametrize(
    ("limit", "offered"),
    [
        (None, ["No expiration", "1 day", "7 days", "30 days", "90 days", "180 days", "365 days"]),
        (90 * DAYS, ["Maximum allowed: 90 days", "1 day", "7 days", "30 days", "90 days"]),
        (45 * DAYS, ["Maximum allowed: 45 days", "1 day", "7 days", "30 days"]),
        (DAYS / 2, ["Maximum allowed: 12 hours"]),
    ],
)
def test_the_first_lifetime_is_the_rules_own(limit: timedelta | None, offered: list[str]) -> None:
    assert texts(menus.lifetime_options(limit)) == offered


def test_where_no_rule_allows_own_accounts_the_form_stands_on_a_service_account() -> None:
    nobody = replace(POLICY, rules=tuple(replace(each, user_keys=False) for each in POLICY.rules))

    assert filled(policy=nobody).draft.owner == "service-account"
    assert filled(policy=nobody, owner="me").draft.owner == "service-account"
    assert filled(policy=nobody, owner="me", account="sa-1").account == CATALOG.service_accounts[0]
    assert filled(policy=nobody, owner="new").draft.owner == "new"


def test_a_kind_that_nobody_knows_is_a_kafka_key() -> None:
    assert filled(kind="of another age").draft.kind == Kind.KAFKA


def test_cloud_keys_have_no_place() -> None:
    page = filled(kind="cloud", environment=DEV.id, cluster="lkc-1")

    assert page.resource == OrganizationScope(Kind.CLOUD)
    assert page.draft.environment == DEV.id, "for when another scope is chosen again"


NAMED = Draft(name="n", reason="r")


@pytest.mark.parametrize(
    ("chosen", "problems"),
    [
        ({"owner": "new"}, {"account_name": "Enter a name for the service account."}),
        ({"owner": "new", "account_name": "a" * 64, "account_description": "d" * 128}, {}),
        ({"owner": "new", "account_name": "a" * 65}, {"account_name": "At most 64 characters; this has 65."}),
        (
            {"owner": "new", "account_name": "a", "account_description": "d" * 129},
            {"account_description": "At most 128 characters; this has 129."},
        ),
        (
            {"owner": "new", "account_name": "a\nb"},
            {"account_name": "Use one line, without invisible control characters."},
        ),
        ({"owner": "me", "account_name": "a" * 65}, {}),
        ({"lifetime": "30"}, {}),
        ({"lifetime": "-1"}, {"lifetime": "Choose a lifetime from the list."}),
        ({"lifetime": "1e9"}, {"lifetime": "Choose a lifetime from the list."}),
        ({"lifetime": "99999"}, {"lifetime": "Choose a lifetime from the list."}),
        ({"lifetime": "\u0663\u0660"}, {"lifetime": "Choose a lifetime from the list."}),
    ],
)
def test_texts_of_a_new_account_and_lifetimes_are_looked_at(chosen: dict[str, str], problems: dict[str, str]) -> None:
    assert text_problems(build.a_draft(NAMED, **chosen)) == problems


def test_texts_that_nobody_looked_at_are_not_kept() -> None:
    typed = replace(NAMED, owner="me", account_name="a", account_description="b")

    assert used(typed) == replace(NAMED, owner="me")
    assert used(replace(typed, owner="new")) == replace(typed, owner="new")


ALONE = replace(CATALOG, environments=(DEV,))


def test_the_only_environment_is_chosen_already() -> None:
    assert form(Draft(), ALONE, POLICY).draft.environment == DEV.id
    assert form(Draft(kind="cloud"), ALONE, POLICY).draft.environment == ""
    assert form(Draft(), CATALOG, POLICY).draft.environment == ""
    assert form(Draft(), ALONE, POLICY, {"environment": "It is gone."}).draft.environment == ""


def test_the_only_service_account_besides_latchkeys_own_is_chosen_with_its_kind() -> None:
    own = ServiceAccount(Principal("sa-latchkey"), "latchkey")
    both = replace(CATALOG, service_accounts=(*CATALOG.service_accounts, own))

    page = form(Draft(owner="service-account"), both, POLICY, own=own.id)
    assert page.account == CATALOG.service_accounts[0]
    assert page.draft.owner == "sa-1"
    assert form(Draft(), both, POLICY, own=own.id).draft.owner == ""
    assert form(Draft(owner="service-account"), both, POLICY).account is None
    assert form(Draft(owner="service-account"), both, POLICY, {"owner": "It is gone."}, own.id).account is None
    only_own = replace(CATALOG, service_accounts=(own,))
    assert form(Draft(owner="service-account"), only_own, POLICY, own=own.id).account is None


def lifetime_in(view: Block) -> str:
    (field,) = (each for each in view["blocks"] if each.get("block_id", "").startswith("lifetime"))
    chosen: str = field["element"]["initial_option"]["text"]["text"]
    return chosen


@pytest.mark.parametrize(
    ("limit", "days", "standing", "shown"),
    [
        (None, "90", "", "90 days"),
        (90, "90", "", "90 days"),
        (30, "90", "", "Maximum allowed: 30 days"),
        (None, "", "", "No expiration"),
        (None, "", "lifetime:none~0123abcd", "No expiration"),
        (None, "", "lifetime:2592000~0123abcd", "90 days"),
        (7, "", "lifetime:2592000~0123abcd", "Maximum allowed: 7 days"),
        (None, "45", "", "90 days"),
        (45, "45", "", "Maximum allowed: 45 days"),
        (30, "45", "", "Maximum allowed: 30 days"),
        (180, "365", "", "90 days"),
        (None, "30", "lifetime:2592000~0123abcd", "30 days"),
    ],
)
def test_a_key_has_its_usual_lifetime_unless_another_one_was_chosen_under_this_limit(
    limit: int | None, days: str, standing: str, shown: str
) -> None:
    page = form(Draft(lifetime=days), CATALOG, POLICY)
    page = replace(page, limit=None if limit is None else limit * DAYS, drawing="89abcdef")

    assert lifetime_in(draw(page, [standing])) == shown


def test_what_fills_the_form_is_said_above_it() -> None:
    page = replace(form(Draft(), CATALOG, POLICY), notice="Filled in from key `KEY1`.")

    assert draw(page)["blocks"][0]["text"] == {"type": "mrkdwn", "text": "Filled in from key `KEY1`.", "verbatim": True}
    assert draw(replace(page, notice=""))["blocks"][0]["type"] == "input"


# --- a second key, for the Schema Registry ----------------------------------------------------------------------------


def test_a_second_key_is_offered_with_one_for_kafka_where_there_is_one_schema_registry() -> None:
    page = filled(environment=DEV.id)

    assert page.companion == REGISTRY
    assert filled(environment=PROD.id).companion is None
    assert filled().companion is None
    assert filled(environment=DEV.id, kind="ksqldb").companion is None
    (block,) = (each for each in draw(page)["blocks"] if str(each.get("block_id")).startswith("also:"))
    assert (block["block_id"], block["optional"], block["dispatch_action"]) == (f"also:{DEV.id}", True, True)
    assert texts(block["element"]["options"]) == ["Also for Schema Registry"]
    assert "initial_options" not in block["element"]


def test_a_second_key_that_is_chosen_stays_chosen_in_its_environment_alone() -> None:
    (block,) = (
        each
        for each in draw(filled(environment=DEV.id, also=REGISTRY.id))["blocks"]
        if str(each.get("block_id")).startswith("also:")
    )

    assert [each["value"] for each in block["element"]["initial_options"]] == [REGISTRY.id]
    assert filled(environment=PROD.id, also=REGISTRY.id).draft.also == ""
    assert filled(environment=DEV.id, kind="ksqldb", also=REGISTRY.id).draft.also == ""
    assert filled(environment=DEV.id, also="lsrc-2").draft.also == ""


def test_of_two_keys_the_shorter_life_and_the_ticket_of_either_rule_hold() -> None:
    ticket = Ticket("OPS-[0-9]+", required=True)
    registry = Match(kinds=frozenset({Kind.SCHEMA_REGISTRY}))
    rules = (
        Rule("registry", registry, "C01", lifetime=7 * DAYS, ticket=ticket),
        Rule("others", Match(), "C01", lifetime=30 * DAYS),
    )

    both = filled(policy=Policy(rules), environment=DEV.id, cluster=ORDERS.id, also=REGISTRY.id)
    one = filled(policy=Policy(rules), environment=DEV.id, cluster=ORDERS.id)

    assert (both.limit, both.ticket) == (7 * DAYS, ticket)
    assert (one.limit, one.ticket) == (30 * DAYS, None)


def test_a_second_key_stays_chosen_while_there_is_no_catalog() -> None:
    assert filled(None, environment=DEV.id, also=REGISTRY.id).draft.also == REGISTRY.id
    assert filled(None, environment=DEV.id).companion is None
