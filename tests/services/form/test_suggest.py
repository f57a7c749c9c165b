"""What the form opens with: a person's last choices, a word behind the command, another key."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.keys import (
    ApiKey,
    Cluster,
    FlinkRegion,
    KeyId,
    KsqlCluster,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Principal,
    Resource,
    ServiceAccount,
)
from bot.domain.kinds import Kind
from bot.domain.requests import Ask
from bot.services.commands import Draft
from bot.services.form.fill import BLANK
from bot.services.form.suggest import FROM_LAST, from_key, from_last, from_word
from bot.services.form.validate import LIMITS
from bot.services.pages import KeyView
from tests.support import build

DEV, PROD = Environment("env-dev", "dev"), Environment("env-prod", "production")
ORDERS_DEV = Cluster(Kind.KAFKA, "lkc-1", "orders-dev", DEV.id, DEV.name)
ORDERS = Cluster(Kind.KAFKA, "lkc-2", "orders", PROD.id, PROD.name)
REGISTRIES = tuple(
    Cluster(Kind.SCHEMA_REGISTRY, f"lsrc-{each.id}", "Stream Governance Package", each.id, each.name)
    for each in (DEV, PROD)
)
KSQL = KsqlCluster("lksqlc-1", "orders-sql", PROD.id, PROD.name, "lkc-2")
FLINK = FlinkRegion("aws.us-east-1", DEV.id, DEV.name)
ORDERS_SERVICE = ServiceAccount(Principal("sa-1"), "orders-service")
CATALOG = Catalog(
    "o-1",
    (DEV, PROD),
    (ORDERS_SERVICE, ServiceAccount(Principal("sa-2"), "clicks-service")),
    build.by_kind(ORDERS_DEV, ORDERS, *REGISTRIES, KSQL, FLINK),
    (Region("aws.us-east-1", "AWS", "N. Virginia"), Region("gcp.us-central1", "GCP", "Iowa")),
)
DAY = timedelta(days=1)


def asked(resource: Resource = ORDERS_DEV, **more: object) -> Ask:
    return build.an_ask(**{"owner": ORDERS_SERVICE, "resource": resource, **more})


def test_who_never_asked_gets_an_empty_form_with_the_usual_lifetime() -> None:
    suggestion = from_last([], CATALOG)

    assert (suggestion.draft, suggestion.notice) == (Draft(lifetime="90"), "")


def test_the_form_opens_with_the_choices_of_the_last_request_but_none_of_its_texts() -> None:
    suggestion = from_last([asked(lifetime=7 * DAY), asked(ORDERS, owner=MyAccount(Principal("u-1")))], CATALOG)

    assert suggestion.draft == Draft(owner="sa-1", environment=DEV.id, cluster="lkc-1", lifetime="7")
    assert suggestion.notice == FROM_LAST


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.ROTATE, Operation.DELETE, Operation.EXTEND])
def test_only_what_asked_for_a_new_key_counts(operation: Operation) -> None:
    changing = replace(asked(ORDERS), operation=operation)

    assert from_last([changing, asked()], CATALOG).draft.cluster == "lkc-1"


@pytest.mark.parametrize(
    ("ask", "left"),
    [
        (asked(replace(ORDERS_DEV, id="lkc-gone")), Draft("sa-1", DEV.id, lifetime="90")),
        (asked(replace(ORDERS_DEV, environment="env-gone")), Draft("sa-1", lifetime="90")),
        (asked(owner=ServiceAccount(Principal("sa-gone"), "gone")), Draft("", DEV.id, "lkc-1", lifetime="90")),
        (asked(replace(FLINK, id="aws.gone")), Draft("sa-1", DEV.id, kind="flink", lifetime="90")),
        (asked(lifetime=45 * DAY), Draft("sa-1", DEV.id, "lkc-1", lifetime="90")),
    ],
)
def test_what_is_no_longer_offered_is_left_to_choose(ask: Ask, left: Draft) -> None:
    assert from_last([ask], CATALOG).draft == left


def test_an_account_that_the_last_request_created_is_chosen_once_it_is_there() -> None:
    assert from_last([asked(owner=NewServiceAccount("clicks-service", ""))], CATALOG).draft.owner == "sa-2"
    assert from_last([asked(owner=NewServiceAccount("not yet", ""))], CATALOG).draft.owner == ""


def test_a_region_without_a_compute_pool_is_still_offered_and_brings_its_cloud() -> None:
    draft = from_last([asked(replace(FLINK, id="gcp.us-central1"))], CATALOG).draft

    assert (draft.kind, draft.cluster, draft.cloud) == ("flink", "gcp.us-central1", "gcp")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.row.is_wide])
def test_a_key_for_the_whole_organization_is_not_suggested_again(kind: Kind) -> None:
    assert from_last([asked(OrganizationScope(kind))], CATALOG).draft == Draft(owner="sa-1", lifetime="90")


@pytest.mark.parametrize("word", ["orders-dev", "ORDERS-DEV", " lkc-1 "])
def test_a_name_or_an_id_fills_in_the_resource_with_the_last_account(word: str) -> None:
    suggestion = from_word(word, [asked(ORDERS, lifetime=30 * DAY)], CATALOG)

    assert suggestion.draft == Draft("sa-1", DEV.id, "lkc-1", lifetime="30")
    assert suggestion.notice == "Filled in for orders-dev (Kafka cluster in dev)."


def test_the_account_is_that_of_the_last_request_for_this_resource() -> None:
    mine = MyAccount(Principal("u-1"))

    assert from_word("orders-dev", [asked(ORDERS), asked(owner=mine)], CATALOG).draft.owner == "me"


def test_a_part_of_a_name_is_enough_where_nothing_has_it_for_its_name() -> None:
    assert from_word("orders", [], CATALOG).draft.cluster == "lkc-2"
    assert from_word("sql", [], CATALOG).draft == Draft(
        kind="ksqldb", environment=PROD.id, cluster="lksqlc-1", lifetime="90"
    )
    assert from_word("us-east-1", [], CATALOG).draft == Draft(
        kind="flink", environment=DEV.id, cluster="aws.us-east-1", cloud="aws", lifetime="90"
    )


def test_several_of_a_name_fill_in_what_they_have_in_common_and_are_named() -> None:
    of_one_kind = from_word("Stream Governance Package", [asked()], CATALOG)
    of_many = from_word("order", [asked()], CATALOG)

    assert of_one_kind.draft == Draft(owner="sa-1", kind="schema-registry", lifetime="90")
    assert of_many.draft == Draft(owner="sa-1", lifetime="90")
    assert of_many.notice == (
        "3 resources match “order”: orders-dev (Kafka cluster in dev); orders (Kafka cluster in production); "
        "orders-sql (ksqlDB cluster in production). Choose one below."
    )


def test_very_many_are_not_all_named() -> None:
    many = tuple(Cluster(Kind.KAFKA, f"lkc-{each}", f"c-{each}", DEV.id, DEV.name) for each in range(9))
    suggestion = from_word("c-", [], replace(CATALOG, resources=build.by_kind(*many)))

    assert suggestion.draft == Draft(environment=DEV.id, lifetime="90")
    assert suggestion.notice.endswith("c-4 (Kafka cluster in dev); and 4 more. Choose one below.")


def test_the_last_one_is_named_rather_than_counted() -> None:
    many = tuple(Cluster(Kind.KAFKA, f"lkc-{each}", f"c-{each}", DEV.id, DEV.name) for each in range(6))
    suggestion = from_word("c-", [], replace(CATALOG, resources=build.by_kind(*many)))

    assert suggestion.notice.endswith("c-4 (Kafka cluster in dev); c-5 (Kafka cluster in dev). Choose one below.")


def test_what_nothing_matches_is_said_as_it_was_typed() -> None:
    suggestion = from_word("<!channel>", [asked()], CATALOG)

    assert suggestion.notice == "No resource matches “&lt;!channel&gt;”. Choose one below."
    assert suggestion.draft == Draft(owner="sa-1", lifetime="90"), "sent by mistake, it is for no other cluster"


def a_view(**more: object) -> KeyView:
    key = ApiKey(KeyId("KEY1"), Principal("sa-1"), "lkc-1", "orders producer", "", None)
    return KeyView(**{"key": key, "owner": ORDERS_SERVICE, "owner_name": "x", "resource": ORDERS_DEV, **more})  # type: ignore[arg-type]


def test_another_key_fills_in_account_resource_lifetime_and_a_name() -> None:
    suggestion = from_key(a_view())

    assert suggestion.draft == Draft("sa-1", DEV.id, "lkc-1", "orders producer 2", lifetime="90")
    assert "`KEY1`" in suggestion.notice


def test_the_key_of_another_person_leaves_the_account_to_choose() -> None:
    owner = MyAccount(Principal("u-2"))

    assert from_key(a_view(owner=owner)).draft.owner == ""
    assert from_key(a_view(owner=owner, is_own=True)).draft.owner == "me"


def test_a_key_for_the_whole_organization_says_its_kind() -> None:
    draft = from_key(a_view(resource=OrganizationScope(Kind.CLOUD))).draft

    assert draft == Draft("sa-1", name="orders producer 2", kind="cloud", lifetime="90")


@pytest.mark.parametrize(
    ("name", "following"),
    [("orders 2", "orders 3"), ("orders-v9", "orders-v10"), ("", ""), (" ", ""), ("9", "10"), ("orders", "orders 2")],
)
def test_the_name_has_the_next_number(name: str, following: str) -> None:
    assert from_key(a_view(key=replace(a_view().key, name=name))).draft.name == following


def test_a_name_of_any_length_has_room_for_its_number() -> None:
    for name in ("n" * 200, "n" * 57 + "999999", "n" * 200 + "999999"):
        assert len(from_key(a_view(key=replace(a_view().key, name=name))).draft.name) <= LIMITS["name"]


def test_the_blank_form_has_the_usual_lifetime() -> None:
    assert Draft(lifetime="90") == BLANK
