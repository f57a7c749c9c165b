"""The pages about keys: within Slack's limits whatever a key says, pinging nobody, and read back as they were sent."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

import handlers
from bot.domain.access import GivenBinding, State, WantedBinding
from bot.domain.catalog import Endpoints, Environment
from bot.domain.deadlines import lifetime
from bot.domain.keys import Cluster, FlinkRegion, KeyId, KsqlCluster, Operation, OrganizationScope
from bot.domain.kinds import Kind
from bot.domain.requests import Keyed, Shown
from bot.services.browse.home import KEYS, LOOKED_AT, HomePage
from bot.services.browse.keys import PAGE
from bot.services.commands import Delete, Edit, Extend, Rotate, fingerprint
from bot.services.pages import (
    ORDERS,
    DeletePage,
    EditPage,
    ExtendPage,
    Filters,
    KeyPage,
    KeysPage,
    KeyView,
    Page,
    Replacement,
    Right,
    RotatePage,
    TextPage,
)
from bot.slack.blocks.text import Block
from bot.slack.messages import answers, snippets
from bot.slack.payloads import ids, read_keys
from bot.slack.views import home
from bot.slack.views import key as key_pages
from bot.slack.views import keys as key_list
from bot.slack.views import pages as modals
from sandbox.slack.blocks import fill_ids, interactive, plain_words, settle
from sandbox.slack.limits import check_options, check_view
from tests.support import build
from tests.support import given as some
from tests.support.walks import UNMARKED

few, fewer = settings(max_examples=25), settings(max_examples=10)
key_ids = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=8, max_size=18)
api_keys = st.builds(
    build.a_key,
    key_ids,
    owner=some.ids,
    resource=some.ids,
    name=some.texts,
    description=some.texts,
    created_at=st.none() | some.moments,
    kind=st.none() | st.sampled_from(Kind),
)
views = st.builds(
    KeyView,
    key=api_keys,
    owner=some.owners,
    owner_name=some.texts,
    resource=some.resources,
    request=st.none() | st.one_of(*(some.STATES[state.__name__] for state in get_args(Keyed))),
    may=st.frozensets(st.sampled_from(sorted({*Operation} - {Operation.CREATE}))),
    is_own=st.booleans(),
    age=st.none() | some.spans,
)
notices = st.sampled_from(["", "Somebody changed this key meanwhile.", "`x` is not the id of an API key."])
filters = st.builds(
    Filters,
    owner=st.just("") | some.ids,
    kind=st.just("") | st.sampled_from(sorted(Kind)) | some.ids,
    environment=st.just("") | some.ids,
    text=some.texts.map(lambda text: text[: read_keys.TYPED]),
    order=st.sampled_from(["", *sorted(ORDERS)]),
)
lists = st.builds(
    KeysPage,
    views=st.tuples(views),
    filters=filters,
    next_page=st.just("") | some.ids,
    previous_page=st.just("") | some.ids,
    note=notices,
    owner_name=some.texts,
    environment=st.none() | st.builds(Environment, some.ids, some.texts),
    total=st.none() | st.integers(0, 100_000),
    looked=st.integers(0, 24),
    accounts=st.integers(1, 5_000),
)
edits = st.builds(
    EditPage,
    view=views,
    terms=some.terms,
    typed=st.none() | st.tuples(some.texts, some.texts, some.texts, some.texts),
    notice=notices,
)
rotations = st.builds(
    RotatePage,
    view=views,
    terms=some.terms,
    overlaps=st.integers(0, 7).map(lambda most: tuple(range(most + 1))),
    notice=notices,
)
extensions = st.builds(
    ExtendPage,
    view=views,
    terms=some.terms,
    left=st.integers(0, 500).map(lambda each: each * build.DAY),
    notice=notices,
)
pages: st.SearchStrategy[Page] = st.one_of(
    st.builds(KeyPage, view=views, notice=notices),
    st.builds(DeletePage, view=views, notice=notices),
    edits,
    rotations,
    extensions,
    lists,
)
homes = st.builds(
    HomePage,
    keys=st.tuples(views),
    more_keys=st.integers(0, 500),
    requests=st.tuples(some.requests),
    waiting=st.tuples(some.requests),
    trouble=notices,
    notes=st.sampled_from([(), ("Confluent Cloud didn't answer.",)]),
)


def a_view(**fields: Any) -> KeyView:
    usual: dict[str, Any] = {
        "key": build.a_key(description="reads orders", kind=Kind.KAFKA),
        "owner": build.ACCOUNT,
        "owner_name": "orders-service",
        "resource": build.CLUSTER,
        "may": frozenset({Operation.EDIT, Operation.ROTATE, Operation.DELETE}),
        "age": timedelta(days=12),
    }
    return KeyView(**(usual | fields))


def said(view: Block) -> str:
    """What a view says, without the marks of bold text and code."""
    return "\n".join(plain_words(view)).translate(UNMARKED)


def objects(of: object) -> Iterator[dict[str, Any]]:
    if isinstance(of, dict):
        yield of
    for each in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from objects(each)


# --- limits, and foreign text -----------------------------------------------------------------------------------------


@pytest.mark.search
@few
@given(pages)
def test_slack_takes_every_page_about_keys(page: Page) -> None:
    full = replace(page, views=[*page.views] * PAGE) if isinstance(page, KeysPage) else page
    check_view(modals.page(full), "modal")


@pytest.mark.search
@fewer
@given(homes)
def test_slack_takes_home(page: HomePage) -> None:
    full = replace(page, keys=[*page.keys] * KEYS, requests=[*page.requests] * LOOKED_AT, waiting=[*page.waiting] * 50)
    check_view(home.home(full), "home")


@pytest.mark.search
@fewer
@given(homes, pages)
def test_no_length_of_any_field_makes_a_view_too_large(page: HomePage, other: Page) -> None:
    long = some.everywhere(page, "鍵" * 4000)
    full = replace(long, keys=[*long.keys] * KEYS, requests=[*long.requests] * LOOKED_AT, waiting=[*long.waiting] * 50)
    check_view(home.home(replace(full, trouble="", notes=())), "home")
    other = some.everywhere(other, "鍵" * 4000)
    check_view(
        modals.page(replace(other, views=[*other.views] * PAGE) if isinstance(other, KeysPage) else other), "modal"
    )


@few
@given(some.catalogs, some.texts)
def test_slack_takes_what_the_filters_offer(catalog: Any, typed: str) -> None:
    for wanted in ("", typed):
        check_options({"options": key_list.owners(catalog.service_accounts * 30, wanted)})
        check_options({"options": key_list.environments(catalog.environments, wanted)})


@pytest.mark.parametrize("kind", Kind)
def test_slack_takes_every_client_configuration_above_its_key(kind: Kind) -> None:
    for value in [each.value for each in kind.row.snippets]:
        resource = next(each for each in _RESOURCES if each.kind is kind)
        drawn = snippets.drawn(value, "ABCD1234EFGH5678", resource, Endpoints("", ""))
        check_view(key_pages.configuration(a_view(), drawn), "modal")


@pytest.mark.search
@fewer
@given(pages, homes)
def test_foreign_text_pings_and_links_nothing(page: Page, drawn: HomePage) -> None:
    pinging = replace(some.everywhere(drawn, some.PINGS), trouble=drawn.trouble)  # a sentence of ours
    shown = [modals.page(some.everywhere(page, some.PINGS)), home.home(pinging)]

    assert some.PINGS not in "\n".join(each["text"] for each in objects(shown) if each.get("type") == "mrkdwn")
    assert some.PINGS in "\n".join(map(said, shown)), "nothing foreign is shown at all"


@few
@given(views)
def test_a_name_of_many_lines_passes_for_no_line_of_ours(view: KeyView) -> None:
    forged = replace(view, key=replace(view.key, name="x\nForged by me\u2028y\u202e"), owner_name="a\r\nForged b")
    for page in (KeyPage(forged), DeletePage(forged, build.terms()), KeysPage([forged], Filters())):
        drawn = [each for each in objects(modals.page(page)) if each.get("type") not in {"input", "plain_text_input"}]
        leaves = [each["text"] for each in drawn if isinstance(each.get("text"), str)]

        assert [each for each in leaves if "Forged" in each], "the name is shown"
        lines = [line for each in leaves for line in re.split(r"[\r\n\u2028\u2029]", each) if "Forged" in line]
        assert not [each for each in lines if each.startswith("Forged") or "\u202e" in each]


def test_a_long_name_and_a_long_description_are_cut_where_everybody_sees_it() -> None:
    long = a_view(key=build.a_key(marker="", name="n" * 5000, description="d" * 5000, kind=Kind.KAFKA))

    shown = said(modals.page(KeyPage(long)))

    assert "n" * 149 + "…" in shown
    assert "d" * 2999 + "…" in shown


# --- what each page says ----------------------------------------------------------------------------------------------


def test_a_keys_page_says_all_about_it() -> None:
    living = build.states()["shown"]
    assert isinstance(living, Keyed)
    view = a_view(request=replace(living, terms=build.terms(lifetime=timedelta(days=30))))

    shown = said(modals.page(KeyPage(view, "Look at this first.")))

    for words in (
        "Look at this first.",
        "✅ Created · orders producer",
        "Key ID KEY0000000000001",
        "Account orders-service (sa-abc001)",
        "Kafka cluster orders-dev (lkc-dev001) in dev",
        "2026-03-04 05:06 UTC> (12 days ago)",
        "2026-04-03 05:06 UTC>. Latchkey deletes it then.",
        "reads orders",
        "Requested by <@U0DANA>",
        "Approved by <@U0ERIN> (EnvironmentAdmin on dev)",
        "viewed the secret for key",
    ):
        assert words in shown


def test_buttons_stand_there_for_what_may_be_asked_and_name_the_key_alone() -> None:
    for operation, text in (
        (Operation.EDIT, "Edit"),
        (Operation.ROTATE, "Rotate"),
        (Operation.EXTEND, "Extend"),
        (Operation.DELETE, "Delete API key"),
    ):
        blocks = key_pages.key(KeyPage(a_view(may=frozenset({operation}))))["blocks"]
        buttons = [element for _, element in interactive(blocks) if element["type"] == "button"]
        assert [(each["text"]["text"], each["value"]) for each in buttons] == [(text, "KEY0000000000001")]
    assert "button" not in json.dumps(key_pages.key(KeyPage(a_view(may=frozenset()))))


def test_a_key_of_an_unknown_kind_is_shown_without_a_client_configuration() -> None:
    view = a_view(key=build.a_key(marker="", kind=None, resource="lnew-1"), may=frozenset())
    shown = said(key_pages.key(KeyPage(view)))

    assert "lnew-1 (unknown scope)" in shown
    assert "Client configuration" not in shown


@few
@given(pages)
def test_views_keep_the_id_of_their_key_and_nothing_else(page: Page) -> None:
    metadata = modals.page(page)["private_metadata"]
    if isinstance(page, KeysPage):
        assert read_keys.as_drawn(metadata) == page.filters
    elif isinstance(page, EditPage):
        name, description = page.view.key.name, page.view.key.description
        marks = [fingerprint(*each) for each in ((name, description), (name, ""), ("", description))]
        assert metadata.split(" ") == [page.view.key.id, *marks]
    elif isinstance(page, KeyPage | DeletePage | RotatePage | ExtendPage):
        assert metadata == page.view.key.id


def test_the_page_to_delete_says_what_is_lost() -> None:
    shown = said(key_pages.delete(DeletePage(a_view(), build.terms())))

    assert "Once this is approved, every application using this key will stop working. This is permanent" in shown
    assert "(12 days ago)" in shown
    assert "orders-service" in shown


def test_the_page_to_edit_shows_what_it_says_now_when_somebody_was_quicker() -> None:
    page = EditPage(
        a_view(),
        build.terms(),
        ("my name", "my description", "my reason", ""),
        "Somebody changed this key while you were writing.",
    )
    view = key_pages.edit(page)

    initial = [element.get("initial_value") for _, element in interactive(view["blocks"])]
    assert initial[:3] == ["my name", "my description", "my reason"]
    assert "orders producer reads orders" in said(view)


@pytest.mark.parametrize(
    ("limit", "left", "texts"),
    [
        (30 * build.DAY, 0 * build.DAY, ["Maximum allowed: 30 days", "1 day", "7 days", "30 days"]),
        (36 * build.HOUR, 0 * build.DAY, ["Maximum allowed: 36 hours", "1 day"]),
        (12 * build.HOUR, 0 * build.DAY, ["Maximum allowed: 12 hours"]),
        (None, 7 * build.DAY, ["No expiration", "30 days", "90 days", "180 days", "365 days"]),
        (30 * build.DAY, 30 * build.DAY, ["Maximum allowed: 30 days"]),
    ],
)
def test_lifetimes_are_offered_up_to_the_rules_and_from_what_is_left(
    limit: timedelta | None, left: timedelta, texts: list[str]
) -> None:
    view = key_pages.extend(ExtendPage(a_view(), build.terms(lifetime=limit), left))
    (menu,) = [element for _, element in interactive(view["blocks"]) if element["type"] == "static_select"]

    first, *others = texts
    counted = "" if limit is None else " after approval"
    drawn = [f"{first}{counted}", *(f"{each} after approval" for each in others)]
    assert [each["text"]["text"] for each in menu["options"]] == drawn


# --- reading them back ------------------------------------------------------------------------------------------------


def test_an_extension_offers_nothing_beyond_confluents_own_end() -> None:
    page = ExtendPage(a_view(), build.terms(), 2 * build.DAY, most=10 * build.DAY)
    (menu,) = [each for _, each in interactive(key_pages.extend(page)["blocks"]) if each["type"] == "static_select"]

    assert [each["text"]["text"] for each in menu["options"]] == [
        "Maximum that Confluent allows",
        "7 days after approval",
    ]


@pytest.mark.parametrize(
    ("lasts", "expires", "says"),
    [
        (7 * build.DAY, None, "Latchkey deletes it then."),
        (7 * build.DAY, 30 * build.DAY, "Latchkey deletes it then."),
        (7 * build.DAY, 3 * build.DAY, "Confluent Cloud deletes it then"),
        (None, 3 * build.DAY, "Confluent Cloud deletes it then"),
        (None, None, "Expires never"),
    ],
)
def test_page_and_list_say_the_earlier_of_both_ends(
    lasts: timedelta | None, expires: timedelta | None, says: str
) -> None:
    key = build.a_key(expires_at=build.NOW + expires if expires else None)
    made = build.states()["shown"]
    assert isinstance(made, Shown)
    view = a_view(request=replace(made, terms=build.terms(lifetime=lasts), key=key), key=key)

    assert says in said(key_pages.key(KeyPage(view)))
    first = min(filter(None, (lasts, expires)), default=None)
    listed = said({"blocks": key_list.key_row(view)})
    assert ("never expires" in listed) == (first is None)
    if first:
        assert str(build.NOW + first)[:16] in listed


def test_what_a_key_was_to_live_stands_in_the_page_that_gives_it_a_new_life() -> None:
    """Else a hasty click on an extension makes a key that ends tomorrow live without an end."""
    made = build.states()["shown"]
    view = a_view(request=replace(made, terms=build.terms(lifetime=30 * build.DAY)))

    for page in (
        key_pages.extend(ExtendPage(view, build.terms())),
        key_pages.rotate(RotatePage(view, build.terms(), (0, 1))),
    ):
        chosen = [each["initial_option"] for each in objects(page) if each.get("action_id") == ids.KEY_LIFETIME]
        assert [each["value"] for each in chosen] == ["30"]


def sent(view: Block, **filled: dict[str, Any]) -> Block:
    """What Slack sends of this view; `filled` by block_id is what stands in its element."""
    blocks = fill_ids(view["blocks"])
    values = settle(blocks, {})
    for block_id, typed in filled.items():
        for element in values[block_id].values():
            element.update(typed)
    state = {"values": values}
    return {"view": {**view, "id": "V1", "blocks": blocks, "state": state}}


@pytest.mark.search
@few
@given(views)
def test_an_untouched_edit_comes_back_as_it_was_and_has_no_problem(view: KeyView) -> None:
    page = EditPage(
        replace(
            view, is_own=True, key=replace(view.key, name=view.key.name[:3000], description=view.key.description[:3000])
        ),
        build.terms(),
    )
    body = sent(key_pages.edit(page))
    deed = read_keys.edit(body)
    key = page.view.key

    assert deed == Edit(key.id, key.name, key.description, fingerprint(key.name, key.description))
    assert read_keys.problems(body, deed) == {}


@pytest.mark.parametrize("block", ["name", "description", "reason"])
def test_a_secret_in_an_edit_is_refused_under_its_field(block: str) -> None:
    body = sent(
        key_pages.edit(EditPage(replace(a_view(), is_own=True), build.terms())), **{block: {"value": "cflt" + "A" * 60}}
    )

    assert list(read_keys.problems(body, read_keys.edit(body))) == [block]


@pytest.mark.parametrize("word", ["", "confirm", "CONFIRM ", " CONFIRM", "CONFIRMED", "Confirm", "DELETE"])
def test_only_the_very_word_deletes(word: str) -> None:
    page = DeletePage(a_view(), build.terms())
    body = sent(key_pages.delete(page), word={"value": word}, reason={"value": "not used"})

    assert list(read_keys.problems(body, read_keys.delete(body))) == ["word"]


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("reason", ["", "  ", "\u200b"])
def test_a_change_of_what_is_not_ones_own_needs_a_reason(reason: str, *, is_own: bool) -> None:
    view, terms = replace(a_view(), is_own=is_own), build.terms()
    edited = sent(key_pages.edit(EditPage(view, terms)), reason={"value": reason})
    deleted = sent(key_pages.delete(DeletePage(view, terms)), word={"value": "CONFIRM"}, reason={"value": reason})
    found = [read_keys.problems(edited, read_keys.edit(edited)), read_keys.problems(deleted, read_keys.delete(deleted))]

    assert found == [{} if is_own else {"reason": "Enter a reason."}] * 2


@pytest.mark.parametrize(("approvals", "needs"), [(0, "No approval needed."), (1, "Needs 1 approval.")])
def test_every_page_says_before_it_is_sent_whether_an_approval_is_needed(approvals: int, needs: str) -> None:
    view, terms = a_view(request=build.states()["shown"]), build.terms(approvals=approvals)
    drawn = [
        key_pages.edit(EditPage(view, terms)),
        key_pages.delete(DeletePage(view, terms)),
        key_pages.rotate(RotatePage(view, terms, (0, 1))),
        key_pages.extend(ExtendPage(view, terms)),
    ]

    assert [needs in said(each) for each in drawn] == [True] * 4


def test_every_page_names_the_people_who_can_approve_as_the_review_page_does() -> None:
    view, terms = a_view(request=build.states()["shown"]), build.terms()
    rights = (
        Right("EnvironmentAdmin on dev", ("Erin",), 2),
        Right("OrganizationAdmin", (), 1),
    )
    drawn = [
        key_pages.edit(EditPage(view, terms, approvers=rights)),
        key_pages.delete(DeletePage(view, terms, approvers=rights)),
        key_pages.rotate(RotatePage(view, terms, (0, 1), approvers=rights)),
        key_pages.extend(ExtendPage(view, terms, approvers=rights)),
    ]

    assert ["Needs 1 approval. Approvers: Erin and 3 more." in said(each) for each in drawn] == [True] * 4


def test_only_a_page_that_needs_no_approval_is_submitted_by_what_it_does() -> None:
    """A person who typed CONFIRM and selects "Delete API key" takes the key for gone, but it may be denied."""

    def drawn(approvals: int) -> list[Block]:
        view, terms = a_view(request=build.states()["shown"]), build.terms(approvals=approvals)
        return [
            key_pages.edit(EditPage(view, terms)),
            key_pages.delete(DeletePage(view, terms)),
            key_pages.rotate(RotatePage(view, terms, (0, 1))),
            key_pages.extend(ExtendPage(view, terms)),
        ]

    assert [each["submit"]["text"] for each in drawn(1)] == ["Send request"] * 4
    assert [each["submit"]["text"] for each in drawn(0)] == ["Save", "Delete API key", "Rotate", "Extend"]
    assert "Every application using this key will stop working. This is permanent" in said(drawn(0)[1])
    assert not any("Approvers will see this" in str(each) or "after approval" in str(each) for each in drawn(0))


def test_the_age_of_a_key_is_left_out_where_its_date_says_it() -> None:
    fresh, older = (said(key_pages.key(KeyPage(a_view(age=each * build.DAY)))) for each in (0, 12))

    assert "(" not in fresh.partition("Created")[2].partition("Expires")[0]
    assert "(12 days ago)" in older


def test_a_page_says_you_to_the_person_who_requested_the_key() -> None:
    theirs = a_view(request=build.states()["confirmed"])
    others, own = (said(key_pages.key(KeyPage(replace(theirs, is_requester=each)))) for each in (False, True))

    assert "Requested by <@U0DANA>" in others
    assert "Delivered: <@U0DANA> saved the secret" in others
    assert "Requested by you " in own
    assert "Delivered: you saved the secret" in own
    assert "U0DANA" not in own


@pytest.mark.parametrize("name", ["undelivered", "unclaimed", "retired"])
def test_a_key_that_is_deleted_has_no_client_configuration(name: str) -> None:
    assert "Client configuration" not in str(key_pages.key(KeyPage(a_view(request=build.states()[name]))))


def test_an_extension_that_adds_little_is_not_preselected() -> None:
    made = build.states()["shown"]
    made = replace(made, ask=replace(made.ask, lifetime=30 * build.DAY))
    page = ExtendPage(a_view(request=made), build.terms(), 29 * build.DAY)
    (menu,) = [each for _, each in interactive(key_pages.extend(page)["blocks"]) if each["type"] == "static_select"]

    assert menu["initial_option"]["text"]["text"] == "90 days after approval"


def test_a_deletion_is_read_with_its_word_and_reason() -> None:
    body = sent(
        key_pages.delete(DeletePage(a_view(), build.terms())), word={"value": "CONFIRM"}, reason={"value": "not used"}
    )
    deed = read_keys.delete(body)

    assert deed == Delete(a_view().key.id, "CONFIRM", "not used")
    assert read_keys.problems(body, deed) == {}


@few
@given(rotations)
def test_an_untouched_rotation_is_read_as_it_was_offered(page: RotatePage) -> None:
    body = sent(key_pages.rotate(page), reason={"value": "rotated every quarter"})
    deed = read_keys.rotate(body)

    assert deed.key == page.view.key.id
    assert deed.overlap_days == (1 if 1 in page.overlaps else 0)
    made = page.view.request
    before = lifetime(made.ask, made.terms) if made else None
    assert deed.lifetime in {"", str(before.days) if before else ""}
    assert read_keys.problems(body, replace(deed, name="n", description="d")) == {}


def test_a_rotation_and_an_extension_need_what_an_approver_reads() -> None:
    rotation = sent(key_pages.rotate(RotatePage(a_view(key=build.a_key(name="", marker="")), build.terms(), (0,))))
    extension = sent(key_pages.extend(ExtendPage(a_view(), build.terms())))

    assert set(read_keys.problems(rotation, read_keys.rotate(rotation))) == {"name", "reason"}
    assert set(read_keys.problems(extension, read_keys.extend(extension))) == {"reason"}


def test_what_is_chosen_is_read() -> None:
    seven = {"selected_option": {"value": "7"}}
    rotation = sent(
        key_pages.rotate(RotatePage(a_view(), build.terms(), (0, 1, 7))),
        overlap=seven,
        lasts=seven,
        reason={"value": "r"},
    )
    extension = sent(key_pages.extend(ExtendPage(a_view(), build.terms())), lasts=seven, reason={"value": "r"})

    assert read_keys.rotate(rotation) == Rotate(a_view().key.id, "orders producer", "reads orders", "r", 7, "7")
    assert read_keys.extend(extension) == Extend(a_view().key.id, "r", "7")


@few
@given(lists)
def test_filters_are_read_as_they_are_shown(page: KeysPage) -> None:
    if page.filters.kind not in {"", *Kind}:
        page = replace(page, filters=replace(page.filters, kind=""))
    if page.environment is not None:
        page = replace(page, filters=replace(page.filters, environment=page.environment.id))

    assert read_keys.filters(sent(key_list.keys(page))) == page.filters


@pytest.mark.parametrize(
    ("total", "looked", "accounts", "says"),
    [
        (47, 3, 3, "47 keys"),
        (1, 1, 1, "1 key"),
        (1_204, 24, 57, "1,204 keys in 24 of 57 accounts"),
        (None, 0, 1, "Keys in 1 account"),
        (None, 0, 5_000, "Keys in 5,000 accounts, grouped by account"),
    ],
)
def test_the_list_says_how_many_keys_there_are(total: int | None, looked: int, accounts: int, says: str) -> None:
    page = KeysPage([a_view()], Filters(), total=total, looked=looked, accounts=accounts)
    assert says in plain_words(key_list.keys(page))


def test_a_row_says_how_old_a_key_is_and_when_it_expires() -> None:
    born = a_view().key.created_at
    assert born is not None
    ends = {"soon": born + 14 * build.DAY, "later": born + 90 * build.DAY}  # it is 12 days old
    rows = {
        name: said({"blocks": key_list.key_row(a_view(key=build.a_key(marker="", expires_at=end)))})
        for name, end in ends.items()
    }

    assert "Created 12 days ago outside Latchkey · ⚠️ expires" in rows["soon"]
    assert "Created 12 days ago outside Latchkey · expires" in rows["later"]
    made = {name: build.states()[name] for name in ("shown", "ready", "rotated")}
    listed = {name: said({"blocks": key_list.key_row(a_view(request=each))}) for name, each in made.items()}
    assert "✅ Created 12 days ago · never expires" in listed["shown"]
    assert "🔑 Secret waiting · created 12 days ago" in listed["ready"]
    assert "✅ Created 12 days ago" in listed["rotated"]  # the old key was rotated, not this one


def test_page_and_row_of_a_rotated_key_say_when_it_is_deleted_and_what_replaced_it() -> None:
    old = replace(a_view(request=build.shown()), replaced=Replacement(KeyId("KEY0000000000002"), build.NOW + build.DAY))
    new = a_view(request=build.states()["rotated"])

    shown = said(modals.page(KeyPage(old)))
    assert "UTC>. Latchkey deletes it then. KEY0000000000002 replaced it." in shown
    row = said({"blocks": key_list.key_row(old)})
    assert "· ⚠️ deleted <!date" in row
    assert "UTC>, replaced by KEY0000000000002" in row
    assert "expire" not in row
    shown = said(modals.page(KeyPage(new)))
    assert "✅ Created · orders producer" in shown
    assert "to replace KEY0000000000009." in shown


def test_slack_says_which_day_it_was_within_the_first_24_hours() -> None:
    view = a_view(age=23 * build.HOUR)
    assert view.key.created_at is not None

    row = key_list.key_row(view)[0]["text"]["text"]
    at = int(view.key.created_at.timestamp())
    assert f"Created <!date^{at}^\u200b{{date_short_pretty}}|" in row


def test_the_option_for_everything_filters_nothing() -> None:
    body = sent(key_list.keys(KeysPage([], Filters())))
    for element in body["view"]["state"]["values"]["filters"].values():
        element["selected_option"] = {"value": read_keys.ALL}

    assert read_keys.filters(body) == Filters()


@pytest.mark.parametrize(
    "typed",
    [
        "ABCD1234EFGH5678",
        "abcd1234efgh5678",
        "  `ABCD1234EFGH5678`  ",
        "\u201cabcd1234EFGH5678\u201d",
        "'ABCD1234EFGH5678'.",
        "*ABCD1234EFGH5678*",
        "<ABCD1234EFGH5678>",
        "ABCD1234EFGH5678 please",
    ],
)
def test_an_id_is_understood_however_it_is_typed(typed: str) -> None:
    assert read_keys.key_id(typed) == "ABCD1234EFGH5678"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "<@U0ERIN>",
        "<#C012345678|general>",
        "KEY",
        "orders-producer",
        "../users",
        "🔑",
        "A" * 65,
        "<!channel>",
    ],
)
def test_what_cannot_be_an_id_is_none(typed: str) -> None:
    assert read_keys.key_id(typed) is None


@pytest.mark.search
@given(some.texts, st.from_regex(r"[A-Za-z0-9]{8,64}", fullmatch=True), some.texts)
def test_no_text_whatever_breaks_the_reading_of_an_id(before: str, typed: str, after: str) -> None:
    found = read_keys.key_id(before)

    assert found is None or (re.fullmatch(r"[A-Z0-9]{8,64}", found) and found in before.split(maxsplit=1)[0].upper())
    assert read_keys.key_id(f" \u201c{typed}\u201d, {after}") == typed.upper()


@pytest.mark.parametrize("value", ["", None, "../users", "a b", "x" * 65, "<!channel>"])
def test_a_button_with_a_value_of_somebody_elses_belongs_to_no_key(value: str | None) -> None:
    assert read_keys.pressed({"actions": [{"value": value}]}) == ""


@pytest.mark.parametrize(
    ("view", "depth"),
    [
        (None, 0),
        ({"type": "home", "id": "V1"}, 0),
        ({"type": "modal", "id": "V1", "root_view_id": "V1", "previous_view_id": None}, 1),
        ({"type": "modal", "id": "V2", "root_view_id": "V1", "previous_view_id": "V1"}, 2),
        ({"type": "modal", "id": "V3", "root_view_id": "V1", "previous_view_id": "V2"}, 3),
    ],
)
def test_it_knows_how_many_modals_stand_there(view: Any, depth: int) -> None:
    assert read_keys.depth({"view": view}) == depth


# --- every name that Slack sends back has a listener ------------------------------------------------------------------


@pytest.fixture(scope="module")
def app() -> AsyncApp:
    """Bolt with all our listeners, and nothing behind them."""

    async def authorize() -> AuthorizeResult:
        raise AssertionError("no request is dispatched here")

    app = AsyncApp(signing_secret="made-up", authorize=authorize)
    handlers.register(app, cast("handlers.ListenerContext", None))
    return app


async def listener(app: AsyncApp, payload: Block) -> str:
    request = AsyncBoltRequest(body={"team": {"id": "T01"}} | payload, mode="socket_mode")
    for each in app._async_listeners:
        if await each.async_matches(req=request, resp=BoltResponse(status=200)):
            return each.ack_function.__name__
    return "nobody"


@pytest.mark.parametrize("name", ["key", "edit", "delete", "rotate", "extend", "keys", "home", "help"])
async def test_whatever_is_pressed_or_submitted_leads_to_a_listener(app: AsyncApp, name: str) -> None:
    view = a_view(may=frozenset(Operation))
    drawn: Block = {
        "key": key_pages.key(KeyPage(view)),
        "edit": key_pages.edit(EditPage(view, build.terms())),
        "delete": key_pages.delete(DeletePage(view, build.terms())),
        "rotate": key_pages.rotate(RotatePage(view, build.terms(), (0, 1))),
        "extend": key_pages.extend(ExtendPage(view, build.terms())),
        "keys": key_list.keys(KeysPage([view], Filters(), "a|0|sa-1", "b|0|sa-1")),
        "home": home.home(HomePage([view], requests=[build.pending()], waiting=[build.pending()])),
        "help": {"blocks": answers.help_blocks()},
    }[name]
    catch_alls = {"unknown_button", "unknown_view", "unknown_options", "nobody"}
    for block, element in interactive(drawn["blocks"]):
        pressed = {"type": "block_actions", "actions": [{"action_id": element["action_id"], "block_id": "b"}]}
        if block["type"] == "actions" or block.get("dispatch_action"):
            assert await listener(app, pressed) not in catch_alls, element["action_id"]
        if element["type"] == "external_select":
            suggestion = {"type": "block_suggestion", "action_id": element["action_id"], "block_id": "b"}
            assert await listener(app, suggestion) not in catch_alls, element["action_id"]
    if "submit" in drawn:
        view_ = {"type": "modal", "callback_id": drawn["callback_id"]}
        assert await listener(app, {"type": "view_submission", "view": view_}) not in catch_alls


def test_home_has_one_primary_button_and_it_creates() -> None:
    drawn = home.home(HomePage([a_view()]))
    primary = [element for _, element in interactive(drawn["blocks"]) if element.get("style") == "primary"]

    assert [(each["text"]["text"], each["action_id"]) for each in primary] == [("Create API key", ids.OPEN_FORM)]


def test_home_says_what_it_could_not_read_and_what_it_leaves_out() -> None:
    page = HomePage([a_view()], more_keys=3, notes=("Confluent Cloud didn't answer.",), trouble="Ask later.")
    shown = said(home.home(page))

    for words in ("⚠️ Confluent Cloud didn't answer.", "And 3 more", "Ask later."):
        assert words in shown


def test_a_page_that_only_says_something_keeps_no_key() -> None:
    assert modals.page(TextPage("Can't do that", "Sorry."))["private_metadata"] == ""


_RESOURCES = (
    build.CLUSTER,
    Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", "env-1", "dev"),
    KsqlCluster("lksqlc-1", "enrichment", "env-1", "dev", "lkc-1"),
    FlinkRegion("aws.us-east-1", "env-1", "dev"),
    OrganizationScope(Kind.CLOUD),
    OrganizationScope(Kind.TABLEFLOW),
    OrganizationScope(Kind.GLOBAL),
)


@pytest.mark.parametrize(("state", "says"), [("given", True), ("removed", False), ("existed", False)])
def test_who_deletes_a_key_reads_that_its_account_keeps_the_access(state: State, *, says: bool) -> None:
    wanted = WantedBinding("DeveloperWrite", "environment=env-dev001/topic=orders-*")
    came_with = build.shown(grant=replace(build.a_grant(), bindings=(GivenBinding(wanted, state),)))
    view = KeyView(came_with.key, build.ACCOUNT, "orders-service", build.CLUSTER, came_with)
    pages = [str(key_pages.delete(DeletePage(each, build.terms()))) for each in (view, replace(view, manages=True))]

    assert ["The account keeps the access that was granted with this key." in page for page in pages] == [says, says]
    assert ["If nothing else needs it, select " in page for page in pages] == [False, says]
