"""What real Slack does and a kind one would not, each test named after its line in the list of what differs.

Suggestions come without state, choices stick, texts come back escaped, and nothing is said of untouched menus.
"""

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.keys import Cluster, KsqlCluster
from bot.domain.kinds import Kind
from bot.services.commands import Draft
from bot.services.form.fill import form
from bot.services.pages import EditPage, Filters, KeysPage, KeyView
from bot.slack.blocks.text import Block
from bot.slack.payloads import ids, read_keys
from bot.slack.payloads import read as payloads
from bot.slack.views import key as key_pages
from bot.slack.views import keys as key_list
from bot.slack.views import options, pages
from bot.slack.views.form import form as drawn
from sandbox.slack.blocks import fill_ids, settle
from tests.support import build

DEV, PROD = Environment("env-1", "dev"), Environment("env-2", "prod")
LONG = Environment("env-" + "x" * 300, "of a long id")
ODD = Environment("env:3", "of an odd id")
PLACES = (DEV, PROD, LONG, ODD)
CATALOG = Catalog(
    "o",
    PLACES,
    (),
    build.by_kind(
        *(Cluster(Kind.KAFKA, f"lkc-{each.name}", "orders", each.id, each.name) for each in PLACES),
        *(Cluster(Kind.SCHEMA_REGISTRY, f"lsrc-{each.name}", "schemas", each.id, each.name) for each in PLACES),
        *(KsqlCluster(f"lksqlc-{each.name}", "enrichment", each.id, each.name, "") for each in PLACES),
    ),
    (Region("aws.us-east-1", "AWS", "N. Virginia"), Region("gcp.us-central1", "GCP", "Iowa")),
)
OFFERED = {
    Kind.KAFKA: "lkc-{}",
    Kind.SCHEMA_REGISTRY: "lsrc-{}",
    Kind.KSQLDB: "lksqlc-{}",
    Kind.FLINK: "gcp.us-central1",
}


def suggestion(view: Block, action: str, values: Block | None = None) -> Block:
    """What Slack sends when someone opens a searchable menu, with this state, which is empty or outdated there."""
    (block,) = (each for each in view["blocks"] if each.get("element", {}).get("action_id") == action)
    state = {"state": {"values": values}} if values is not None else {}
    return {
        "type": "block_suggestion",
        "user": {"id": "U01", "team_id": build.TEAM},
        "block_id": block["block_id"],
        "action_id": action,
        "value": "",
        "view": {**view, "id": "V1", **state},
    }


def offered(view: Block, values: Block | None = None) -> list[str]:
    asked = payloads.suggestion(suggestion(view, ids.FORM_RESOURCE, values))
    answer = options.resources(CATALOG, asked.place, asked.typed)
    groups = answer.get("option_groups", [answer])
    return [each["value"] for group in groups for each in group["options"]]


def submitted(view: Block, values: Block, *, kind: str = "view_submission") -> Block:
    user = {"id": "U01", "team_id": build.TEAM}
    return {"type": kind, "user": user, "view": {**view, "id": "V1", "hash": "1.a", "state": {"values": values}}}


@pytest.mark.parametrize("values", [None, {}, {"kind": {"form:kind": {"selected_option": {"value": "flink"}}}}])
@pytest.mark.parametrize("place", PLACES, ids=lambda each: each.name)
@pytest.mark.parametrize("kind", OFFERED)
def test_s1_dependent_fields_offer_what_is_there_whatever_state_slack_sends(
    kind: Kind, place: Environment, values: Block | None
) -> None:
    draft = Draft(kind=kind, environment=place.id, cloud="gcp" if kind is Kind.FLINK else "")

    view = pages.page(form(draft, CATALOG, build.a_policy()))

    assert offered(view, values) == [OFFERED[kind].format(place.name)]


def test_s1_before_a_place_is_chosen_nothing_is_offered() -> None:
    for kind in OFFERED:
        assert offered(pages.page(form(Draft(kind=kind), CATALOG, build.a_policy()))) == []


def test_s5_a_form_that_is_drawn_from_what_was_stored_has_fields_that_slack_knows_nothing_of() -> None:
    draft = Draft(owner="me", environment=DEV.id, cluster="lkc-dev", name="a", reason="b", lifetime="7")
    page = form(draft, CATALOG, build.a_policy())
    before = pages.page(page)

    again = pages.page(replace(page, drawing="0123abcd", draft=replace(draft, name="corrected", lifetime="30")))

    assert not blocks_of(before) & blocks_of(again)
    stuck = settle(fill_ids(before["blocks"]), {})
    values = {**stuck, **settle(fill_ids(again["blocks"]), stuck)}
    read = payloads.draft(submitted(again, values))
    assert (read.name, read.lifetime, read.environment, read.cluster) == ("corrected", "30", DEV.id, "lkc-dev")


def test_s5_the_state_of_an_earlier_page_is_not_taken_for_that_of_this_one() -> None:
    view = pages.page(replace(form(Draft(), CATALOG, build.a_policy()), drawing="0123abcd"))
    outdated = {"name": {ids.FORM_TEXT: {"type": "plain_text_input", "value": "of an earlier page"}}}

    assert payloads.draft(submitted(view, outdated)).name == ""


def blocks_of(view: Block) -> set[str]:
    return {each["block_id"] for each in view["blocks"] if "block_id" in each}


class Slack:
    """A client of which what was chosen sticks to the ids of a field, and the page shows the new initial value."""

    def __init__(self, view: Block) -> None:
        self.view, self.known = view, dict[str, Any]()
        self.before: Block = {}

    def values(self) -> Block:
        """What Slack would submit."""
        return settle(fill_ids(self.view["blocks"]), self.known)

    def shows(self) -> Block:
        """What the person sees: for a field that came in with this page, what the page says."""
        return self.before

    def choose(self, field: str, value: str, clicks: list[int]) -> None:
        """Choose an option in a field; the form is drawn again for it."""
        values = self.values()
        for block in self.view["blocks"]:
            if ids.is_field(block.get("block_id", ""), field):
                element = block["element"]
                chosen = {"type": element["type"], "selected_option": {"value": value}}
                values[block["block_id"]] = {element["action_id"]: chosen}
        self.known |= copy.deepcopy(values)
        clicks.append(len(clicks))
        body = submitted(self.view, values, kind="block_actions")
        page = form(payloads.draft(body), CATALOG, build.a_policy())
        standing = payloads.standing(body)
        self.view = drawn(replace(page, drawing=ids.drawing(str(len(clicks)))), standing)
        came_in = [each for each in self.view["blocks"] if each.get("block_id", "") not in standing]
        self.before = {**self.values(), **settle(fill_ids(came_in), {})}


choices_made = st.lists(
    st.one_of(
        st.tuples(st.just("owner"), st.sampled_from(["me", "new", "service-account"])),
        st.tuples(st.just("kind"), st.sampled_from(list(Kind))),
        st.tuples(st.just("environment"), st.sampled_from([DEV.id, PROD.id])),
        st.tuples(st.just("cloud"), st.sampled_from(["aws", "gcp"])),
        st.tuples(st.just("account"), st.sampled_from(["sa-1", "sa-2"])),
        st.tuples(st.just("resource"), st.sampled_from(["lkc-1", "lkc-2"])),
        st.tuples(st.just("lifetime"), st.sampled_from(["1", "7"])),
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=150)
@given(choices_made)
def test_s5_what_the_form_shows_is_what_it_submits_whatever_was_chosen_before(made: list[tuple[str, str]]) -> None:
    slack, clicks = Slack(pages.page(form(Draft(), CATALOG, build.a_policy()))), list[int]()

    for field, value in made:
        slack.choose(field, value, clicks)

    assert payloads.draft(submitted(slack.view, slack.values())) == payloads.draft(submitted(slack.view, slack.shows()))


def a_view(name: str, description: str = "") -> KeyView:
    key = replace(build.a_key(), name=name, description=description)
    return KeyView(key, build.ACCOUNT, "orders-service", build.CLUSTER, is_own=True)


def escaped(view: Any) -> Any:
    """The view as Slack sends it back: texts escaped, and fields added."""
    if isinstance(view, dict):
        more = {"emoji": True, "verbatim": False} if "text" in view and "type" in view else {}
        return {name: escaped(value) for name, value in view.items()} | more
    if isinstance(view, list):
        return [escaped(each) for each in view]
    return view.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if isinstance(view, str) else view


def test_s10_texts_that_a_key_has_already_may_stay_however_slack_sends_the_page_back() -> None:
    long = "R&D <orders> " + "x" * 80
    view = key_pages.edit(EditPage(a_view(long, long * 4), build.terms()))
    body = submitted(
        {**escaped(view), "private_metadata": view["private_metadata"]}, settle(fill_ids(view["blocks"]), {})
    )

    assert read_keys.problems(body, read_keys.edit(body)) == {}

    body["view"]["state"]["values"]["name"][ids.FORM_TEXT]["value"] = long + "y"
    assert list(read_keys.problems(body, read_keys.edit(body))) == ["name"]


def test_s10_what_a_form_keeps_out_of_sight_comes_back_as_it_was() -> None:
    draft = Draft(owner="me", account_name="R&D <team>", environment=DEV.id)
    view = escaped(pages.page(form(draft, CATALOG, build.a_policy())))

    assert payloads.draft(submitted(view, settle(fill_ids(view["blocks"]), {}))).account_name == "R&D <team>"


def test_s5_an_edit_that_somebody_else_was_faster_with_shows_and_submits_what_was_typed() -> None:
    before = key_pages.edit(EditPage(a_view("old"), build.terms()))
    again = key_pages.edit(
        EditPage(a_view("theirs"), build.terms(), ("mine", "d", "because", ""), "Changed.", drawing="0123abcd")
    )

    assert not blocks_of(before) & blocks_of(again)
    stuck = settle(fill_ids(before["blocks"]), {})
    body = submitted(again, {**stuck, **settle(fill_ids(again["blocks"]), stuck)})
    deed = read_keys.edit(body)
    assert (deed.name, deed.description, deed.reason) == ("mine", "d", "because")
    body["view"]["state"]["values"][ids.drawn("name", "0123abcd")][ids.FORM_TEXT]["value"] = "x" * 65
    assert list(read_keys.problems(body, read_keys.edit(body))) == [ids.drawn("name", "0123abcd")]


FILTERED = Filters("sa-orders", "kafka", "env-1", "R&D")


def a_list(filters: Filters = FILTERED) -> Block:
    return key_list.keys(KeysPage([], filters, "next", owner_name="orders", environment=DEV))


def test_s6_a_menu_of_the_form_that_slack_says_nothing_of_stands_as_it_was_drawn() -> None:
    view = pages.page(form(Draft(kind=Kind.SCHEMA_REGISTRY), CATALOG, build.a_policy()))
    said = settle(fill_ids(view["blocks"]), {})
    kind = next(block for block in said if ids.is_field(block, ids.KIND_BLOCK))
    body = submitted(view, {block: fields for block, fields in said.items() if block != kind})

    assert payloads.draft(body).kind == Kind.SCHEMA_REGISTRY


@pytest.mark.parametrize("action", [ids.LIST_NEXT, ids.LIST_TEXT])
def test_s6_filters_that_nobody_touched_hold_on_the_next_page(action: str) -> None:
    view = escaped(a_list())
    body = submitted(view, {"text": {ids.LIST_TEXT: {"value": "R&D"}}}, kind="block_actions")
    body["actions"] = [{"action_id": action, "block_id": "b", "value": "next"}]

    assert read_keys.filters(body) == FILTERED


def test_s6_a_filter_that_is_chosen_counts_at_once_and_everything_is_a_choice() -> None:
    body = submitted(a_list(), {"text": {ids.LIST_TEXT: {"value": "R&D"}}}, kind="block_actions")
    for value, kind in (("flink", "flink"), (read_keys.ALL, "")):
        body["actions"] = [{"action_id": ids.LIST_KIND, "selected_option": {"value": value}}]
        assert read_keys.filters(body) == replace(FILTERED, kind=kind)


def test_s6_of_two_filters_chosen_in_a_row_neither_is_lost() -> None:
    values = {ids.FILTERS_BLOCK: {ids.LIST_OWNER: {"selected_option": {"value": "sa-etl"}}}}
    body = submitted(a_list(), values, kind="block_actions")
    body["actions"] = [{"action_id": ids.LIST_KIND, "selected_option": {"value": "flink"}}]

    assert read_keys.filters(body) == Filters("sa-etl", "flink", "env-1", "R&D")


def test_s6_a_search_keeps_the_filters_that_are_shown() -> None:
    assert read_keys.filters(submitted(a_list(), {"text": {ids.LIST_TEXT: {"value": "other"}}})) == replace(
        FILTERED, text="other"
    )
    assert read_keys.filters(submitted(a_list(), {"text": {ids.LIST_TEXT: {"value": None}}})).text == ""
    assert read_keys.filters({"view": {"private_metadata": "not ours"}}) == Filters()


def test_s4_a_submit_is_the_same_click_whether_or_not_slack_sends_the_hash_of_its_view() -> None:
    view = pages.page(form(Draft(reason="b"), CATALOG, build.a_policy()))
    body = submitted(view, settle(fill_ids(view["blocks"]), {}))
    without = copy.deepcopy(body)
    del without["view"]["hash"]
    later = pages.page(replace(form(Draft(reason="b"), CATALOG, build.a_policy()), drawing="0123abcd"))

    assert payloads.click_id(body) == payloads.click_id(without)
    assert payloads.click_id(body) != payloads.click_id(submitted(later, settle(fill_ids(later["blocks"]), {})))
