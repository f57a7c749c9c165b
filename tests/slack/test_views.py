"""What people read, whatever was typed: within Slack's limits, pinging nobody, and leading to a listener of ours."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from inspect import signature
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.kwargs_injection.async_args import AsyncArgs
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

import handlers
from bot.domain.access import OFFERS, Offer, WantedBinding
from bot.domain.authority import HeldRoles
from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.keys import (
    Cluster,
    FlinkRegion,
    KsqlCluster,
    NewServiceAccount,
    OrganizationScope,
    Owner,
    Placed,
    RequestId,
    Resource,
    Secret,
    ServiceAccount,
)
from bot.domain.kinds import Kind
from bot.domain.requests import Denied, Pending, Request, Retired, approvals_of
from bot.domain.roles import DOCUMENTED, Binding
from bot.services.commands import Draft, Wish
from bot.services.form.fill import form, owner_kind
from bot.services.pages import FormPage, Handover, ReviewPage, Right, TextPage
from bot.services.text import decided, is_lifetime, lifetime_of
from bot.slack.blocks.kit import as_message
from bot.slack.blocks.text import Block
from bot.slack.messages import answers, card, others
from bot.slack.messages import key as key_messages
from bot.slack.messages import request as request_messages
from bot.slack.messages import secret as the_secret
from bot.slack.payloads import ids, read
from bot.slack.views import options, pages
from sandbox.slack.blocks import interactive, settle
from sandbox.slack.limits import block_problems, check_options, check_view
from tests.support import build
from tests.support import given as some

few, fewer = settings(max_examples=20), settings(max_examples=8)
"""Each view is drawn in every state, and each state by several tests."""
SECRET = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
FIELDS = (
    "owner",
    "account_name",
    "account_description",
    "kind",
    "environment",
    "cloud",
    "resource",
    "name",
    "description",
    "reason",
    "lifetime",
)
PLACED = (Kind.KAFKA, Kind.SCHEMA_REGISTRY, Kind.KSQLDB)

bindings = st.builds(
    Binding,
    principal=some.ids,
    role=st.sampled_from([*DOCUMENTED, "MetricsViewer"]),
    crn=st.builds("crn://confluent.cloud/organization=o/environment={}".format, some.texts),
    source=st.sampled_from(["binding", "mapping"]),
)
holdings = st.builds(
    HeldRoles, person=some.people, bindings=st.lists(bindings, max_size=40).map(tuple), organization=st.just("o")
)
review_pages = st.builds(
    ReviewPage,
    draft_id=some.ids,
    draft=some.drafts,
    owner=some.owners,
    resource=some.resources,
    terms=some.terms,
    approvers=st.lists(
        st.builds(Right, some.bases, st.lists(some.texts, max_size=5).map(tuple), st.integers(0, 300)), max_size=12
    ).map(tuple),
    warnings=st.lists(some.sentences, max_size=3).map(tuple),
    lifetime=st.none() | some.spans,
)
_environments = st.sampled_from(["env-1", "env-2"])
_clouds = st.sampled_from(["aws", "azure", "gcp"])
_regions = st.builds("{}.{}".format, _clouds, st.sampled_from(["one-1", "two-2", "three-3"]))


def _clusters(kind: Kind) -> st.SearchStrategy[Placed]:
    return st.builds(Cluster, st.just(kind), some.ids, some.texts, _environments, some.texts)


def _tuples(items: st.SearchStrategy[Placed], most: int) -> st.SearchStrategy[tuple[Placed, ...]]:
    return st.lists(items, max_size=most).map(tuple)


catalogs = st.builds(
    Catalog,
    organization=some.ids,
    environments=st.lists(st.builds(Environment, _environments | some.ids, some.texts), max_size=120).map(tuple),
    service_accounts=st.lists(st.builds(ServiceAccount, some.ids, some.texts), max_size=120).map(tuple),
    resources=st.fixed_dictionaries(
        {
            Kind.KAFKA: _tuples(_clusters(Kind.KAFKA), 120),
            Kind.SCHEMA_REGISTRY: _tuples(_clusters(Kind.SCHEMA_REGISTRY), 2),
            Kind.KSQLDB: _tuples(st.builds(KsqlCluster, some.ids, some.texts, _environments, some.texts, some.ids), 3),
            Kind.FLINK: _tuples(st.builds(FlinkRegion, _regions, _environments, some.texts), 3),
        }
    ),
    regions=st.lists(
        st.builds(Region, _regions | some.ids, _clouds.map(str.upper), some.texts), max_size=4, unique_by=lambda r: r.id
    ).map(tuple),
)
drafts = st.builds(
    Draft,
    owner=st.sampled_from(["", "me", "new", "service-account"]) | some.ids,
    environment=st.just("") | _environments | some.ids,
    cluster=st.just("") | _regions | some.ids,
    name=some.texts,
    description=some.texts,
    reason=some.texts,
    kind=st.sampled_from(Kind),
    cloud=st.just("") | _clouds,
    account_name=some.texts,
    account_description=some.texts,
    lifetime=st.sampled_from(["", "1", "90", "365", "12"]),
    account=st.just("") | some.ids,
    access=st.lists(
        st.builds(Wish, offer=st.sampled_from([*(each.id for each in OFFERS), "0badcafe"]), typed=some.texts),
        unique_by=lambda wish: wish.offer,
        max_size=4,
    ).map(tuple),
)
policies = st.builds(
    lambda longest, own: replace(
        build.a_policy(),
        rules=tuple(replace(rule, lifetime=longest, user_keys=own) for rule in build.a_policy().rules),
    ),
    st.none() | some.spans,
    st.booleans(),
)
form_pages = st.builds(
    form, drafts, st.none() | catalogs, policies, st.dictionaries(st.sampled_from(FIELDS), some.texts)
)
text_pages = st.builds(TextPage, title=some.texts, text=some.texts, back=st.just("") | some.ids, typed=some.texts)
handovers = st.builds(
    Handover,
    request=some.ids,
    key=some.keys,
    secret=st.just(Secret(SECRET)),
    owner=some.owners,
    resource=some.resources,
    endpoints=some.endpoints,
    replace_until=some.moments,
)


def messages(request: Request) -> Iterator[tuple[list[Block], str]]:
    """Every message that shows this request."""
    yield card.card(request)
    yield request_messages.asked(request)
    yield request_messages.asked(request, "The card could not be posted (`channel_not_found`).")
    yield request_messages.changed(request)
    yield request_messages.outcome(request)
    yield from (key_messages.key(request, attempt) for attempt in (1, getattr(request, "attempt", 2)))
    yield from (key_messages.claim(request, attempt) for attempt in (1, getattr(request, "attempt", 2)))
    yield from (key_messages.lost(request, attempt) for attempt in (1, getattr(request, "attempt", 2)))
    yield others.to_owners(request)
    yield key_messages.end(request)
    yield key_messages.replaced(request)
    yield key_messages.reminder(request)
    yield answers.requests_blocks([request], [request]), "Requests"


def objects(of: object) -> Iterator[dict[str, Any]]:
    """Every JSON object inside, itself included."""
    if isinstance(of, dict):
        yield of
    for each in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from objects(each)


def mrkdwn(blocks: list[Block]) -> list[str]:
    """Everything that Slack reads as markup."""
    return [each["text"] for each in objects(blocks) if each.get("type") == "mrkdwn"]


def assert_slack_takes(blocks: list[Block], text: str) -> None:
    assert block_problems(blocks, "message") == []
    assert 1 <= len(as_message(blocks, text)["text"]) <= 4000


@pytest.mark.parametrize("state", some.STATES)
@fewer
@given(data=st.data())
def test_slack_takes_every_message_about_a_request(state: str, data: st.DataObject) -> None:
    for blocks, text in messages(data.draw(some.STATES[state])):
        assert_slack_takes(blocks, text)


@few
@given(st.one_of(review_pages, form_pages, text_pages).map(pages.page))
def test_slack_takes_every_modal(view: Block) -> None:
    check_view(view, "modal")


@pytest.mark.parametrize("view", [pages.checking(), pages.working("Sending"), pages.deny(RequestId("r1"))])
def test_slack_takes_the_modals_that_say_the_same_to_everybody(view: Block) -> None:
    check_view(view, "modal")


@few
@given(handovers)
def test_slack_takes_the_message_with_the_secret(handover: Handover) -> None:
    assert_slack_takes(the_secret.message(handover), the_secret.FALLBACK)


@few
@given(holdings, some.texts)
def test_slack_takes_the_answers_to_commands(held_roles: HeldRoles, typed: str) -> None:
    assert_slack_takes(answers.whoami_blocks(held_roles, {}), "Who you are")
    assert_slack_takes(answers.unknown_blocks(typed), "There is no such command")
    check_view({"type": "home", "blocks": answers.help_blocks()}, "home")


@pytest.mark.search
@few
@given(some.requests, st.integers(0, 50))
def test_slack_takes_a_list_of_any_length(request: Request, many: int) -> None:
    assert_slack_takes(answers.requests_blocks([request] * many, [request] * many), "Requests")


@few
@given(some.STATES["Pending"])
def test_a_list_says_how_many_it_leaves_out(pending: Request) -> None:
    drawn = json.dumps(answers.requests_blocks([], [pending] * 13))
    shown = drawn.count(f'"{ids.APPROVE}"')

    assert 1 <= shown <= answers.SHOWN
    assert f"And {13 - shown} more" in drawn
    assert "more, on their cards" not in json.dumps(answers.requests_blocks([], [pending]))


@few
@given(catalogs, drafts, some.texts)
def test_slack_takes_what_the_searchable_fields_offer(catalog: Catalog, draft: Draft, typed: str) -> None:
    for each in ("", typed):
        check_options(options.named(catalog.environments, each))
        check_options(options.named(catalog.service_accounts, each))
        check_options(options.resources(catalog, ids.ResourceField(draft.kind, draft.environment, draft.cloud), each))


@few
@given(form_pages)
def test_the_form_has_exactly_the_fields_that_account_and_scope_need(page: FormPage) -> None:
    view = pages.page(page)
    blocks = {each["block_id"].partition(":")[0] for each in view["blocks"] if "block_id" in each}
    is_granted = owner_kind(page.draft) not in {"", "me"} and any(each.kind is page.draft.kind for each in OFFERS)
    texts, owner, kind = {"name", "description", "reason", "lifetime"}, page.draft.owner, page.draft.kind
    texts |= {"access"} if is_granted else set()
    texts |= {"names"} if any(each.takes_name for each in chosen_in(page)) else set()
    texts |= {"also"} if page.companion else set()
    account = {"account_name", "account_description"} if owner == "new" else {"account"}
    places = {"environment", "resource"} if kind in PLACED else {"environment", "cloud", "resource"}

    assert blocks == {"owner", "kind"} | texts | (account if owner not in {"", "me"} else set()) | (
        set() if kind in {Kind.CLOUD, Kind.TABLEFLOW, Kind.GLOBAL} else places
    )


@few
@given(form_pages)
def test_a_form_comes_back_as_it_was_drawn_with_what_it_did_not_show(page: FormPage) -> None:
    short = {name: getattr(page.draft, name)[:60] for name in ("name", "description", "reason")}
    account = {name: getattr(page.draft, name)[:60] for name in ("account_name", "account_description")}
    access = tuple(replace(each, typed=each.typed[:60]) for each in page.draft.access)
    page = replace(page, draft=replace(page.draft, **short, **account, access=access))
    view = pages.page(page)
    typed = {each.id for each in page.offers if not each.takes_name}
    access = tuple(replace(each, typed="") if each.offer in typed else each for each in access)
    shown = {each.id for each in page.offers}
    drawn = replace(page.draft, access=tuple(sorted(access, key=lambda each: each.offer not in shown)))
    if page.resource is None or isinstance(page.resource, OrganizationScope):
        drawn = replace(drawn, cluster="")  # it has a problem, or there is nothing to choose
    if page.account is None and drawn.owner not in {"", "me", "new"}:
        drawn = replace(drawn, owner="service-account", account="")
    offered = {each["value"] for each in options.lifetime_options(page.limit)}
    if drawn.lifetime not in offered:
        is_by_rule = "90" not in offered or lifetime_of(drawn.lifetime) == page.limit or not drawn.lifetime
        drawn = replace(drawn, lifetime=_days_of(page.limit) if is_by_rule else "90")

    assert read.draft({"view": {**view, "state": {"values": settle(view["blocks"])}}}) == drawn


def chosen_in(page: FormPage) -> list[Offer]:
    """The access that is chosen where it shows."""
    chosen = {each.offer for each in page.draft.access}
    return [each for each in page.offers if each.id in chosen]


def test_a_limit_of_a_day_and_a_second_is_chosen_as_the_day_that_the_form_says() -> None:
    page = form(Draft(), None, build.a_policy())
    view = pages.page(replace(page, limit=timedelta(days=1, seconds=1)))

    assert read.draft({"view": {**view, "state": {"values": settle(view["blocks"])}}}).lifetime == "1"


def _days_of(limit: timedelta | None) -> str:
    """Maximum allowed, as the form says it: to the minute; "" for no limit, and for one that is no number of days."""
    days, rest = divmod(timedelta(minutes=round((limit or timedelta()) / timedelta(minutes=1))), timedelta(days=1))
    return str(days) if is_lifetime(str(days)) and not rest else ""


@few
@given(some.requests, handovers)
def test_foreign_text_pings_and_links_nothing(request: Request, handover: Handover) -> None:
    request, handover = some.everywhere(request, some.PINGS), some.everywhere(handover, some.PINGS)
    shown = [*messages(request), (the_secret.message(handover), the_secret.FALLBACK)]
    marked_up = [text for blocks, notification in shown for text in (notification, *mrkdwn(blocks))]

    assert some.PINGS not in "\n".join([*marked_up, decided(request)])
    assert some.PINGS in json.dumps([blocks for blocks, _ in shown]), "nothing that was typed is shown at all"


@few
@given(some.requests, handovers)
def test_rich_text_mentions_only_people_of_the_request(request: Request, handover: Handover) -> None:
    drawn = list(objects([the_secret.message(handover), *(blocks for blocks, _ in messages(request))]))
    leaves = [leaf for each in drawn if str(each.get("type")).startswith("rich_text_") for leaf in each["elements"]]

    assert {leaf["type"] for leaf in leaves if "elements" not in leaf} <= {"text", "user", "date"}
    assert {leaf["user_id"] for leaf in leaves if leaf["type"] == "user"} <= people_of(request)


def people_of(request: Request) -> set[str]:
    deciders = [request.by] if isinstance(request, Denied | Retired) and request.by else []
    given_by = [each.by for each in approvals_of(request)]
    told = request.mentioned if isinstance(request, Pending) else ()
    return {*told, *(person.slack for person in (request.ask.requester, *deciders, *given_by))}


@few
@given(handovers)
def test_the_secret_stands_in_rich_text_and_never_in_the_notification(handover: Handover) -> None:
    blocks = the_secret.message(handover)

    assert sum(SECRET in leaf.get("text", "") for leaf in objects(blocks) if leaf.get("type") == "text") == 1
    assert SECRET not in "".join(mrkdwn(blocks)) + the_secret.FALLBACK
    assert all(SECRET not in each["value"] for each in objects(blocks) if "value" in each)


@few
@given(some.requests, handovers)
def test_buttons_carry_the_id_of_the_request_of_its_attempt_or_of_its_key_and_nothing_else(
    request: Request, handover: Handover
) -> None:
    drawn = [blocks for blocks, _ in messages(request)]

    own = {request.ask.id, f"{request.ask.id}/{getattr(request, 'attempt', getattr(request, 'drawn', 0))}"}
    own |= {key.id for key in (request.ask.key, getattr(request, "key", None)) if key}
    life = getattr(request, "life", None)
    if life and life.former:  # what moves the end of the former key names the end that it moves
        own.add(f"{request.ask.id}/{getattr(request, 'attempt', 0)}/{int(life.former.until.timestamp())}")
    key = f"{handover.request}/{handover.attempt}"
    assert {each["value"] for each in objects(drawn) if "value" in each} <= own
    assert {each["value"] for each in objects(the_secret.message(handover)) if each.get("type") == "button"} == {key}


@few
@given(some.requests, st.integers(1, 9))
def test_a_secret_is_offered_only_where_there_is_one(request: Request, attempt: int) -> None:
    blocks, _ = key_messages.key(request, attempt)
    offered = any(each.get("action_id") == ids.SHOW for each in objects(blocks))

    assert offered == (request.kind in {"ready", "offered"} and getattr(request, "attempt", 0) == attempt)


# --- every name that Slack sends back has a listener ------------------------------------------------------------------


@pytest.fixture(scope="module")
def app() -> AsyncApp:
    """Bolt with all our listeners, and nothing behind them."""

    async def authorize() -> AuthorizeResult:
        raise AssertionError("no request is dispatched here")

    app = AsyncApp(signing_secret="made-up", authorize=authorize)
    handlers.register(app, cast("handlers.ListenerContext", None))
    return app


CATCH_ALLS = {"unknown_button", "unknown_view", "unknown_options", "other_event"}


async def listener(app: AsyncApp, payload: Block) -> str:
    """The name of the listener that Bolt would choose."""
    request = AsyncBoltRequest(body={"team": {"id": "T01"}} | payload, mode="socket_mode")
    for each in app._async_listeners:
        if await each.async_matches(req=request, resp=BoltResponse(status=200)):
            return each.ack_function.__name__
    return "nobody"


def drawn_views() -> Iterator[Block]:
    """Modals and Home with everything that they can hold."""
    wrong: dict[str, str] = dict.fromkeys(FIELDS, "?")
    for owner in ("me", "sa-1", "service-account", "new"):
        for kind in Kind:
            draft = Draft(owner, "env-1", "aws.one-1", "name", "description", "reason", kind, "aws", "account", "")
            yield pages.page(form(draft, None, build.a_policy(), wrong))
    yield pages.deny(RequestId("r1"))
    yield pages.page(TextPage("Couldn't do that", "Sorry.", back="d1", typed="typed"))
    yield {"type": "home", "blocks": answers.help_blocks()}


@fewer
@given(page=review_pages)
async def test_the_form_leads_to_listeners(app: AsyncApp, page: ReviewPage) -> None:
    for view in (*drawn_views(), pages.review(page)):
        for block, element in interactive(view["blocks"]):
            if block["type"] == "actions" or block.get("dispatch_action"):
                assert await listener(app, press(element)) not in CATCH_ALLS, element["action_id"]
            if element["type"] == "external_select":
                suggestion = {"type": "block_suggestion", "action_id": element["action_id"], "block_id": "b"}
                assert await listener(app, suggestion) not in CATCH_ALLS, element["action_id"]
        if "submit" in view:
            assert await listener(app, submit(view["callback_id"])) not in CATCH_ALLS, view["callback_id"]


@fewer
@given(request=some.requests, handover=handovers)
async def test_buttons_of_messages_lead_to_listeners(app: AsyncApp, request: Request, handover: Handover) -> None:
    every = (request, *build.states().values())
    shown = [blocks for request in every for blocks, _ in messages(request)]
    for blocks in (*shown, the_secret.message(handover)):
        for _, element in interactive(blocks):
            assert await listener(app, press(element)) not in CATCH_ALLS, element["action_id"]


async def test_a_button_that_nobody_knows_is_answered_all_the_same(app: AsyncApp) -> None:
    assert await listener(app, press({"action_id": "of:another-age"})) == "unknown_button"
    assert await listener(app, submit("gone")) == "unknown_view"


def submit(callback: str) -> Block:
    return {"type": "view_submission", "view": {"type": "modal", "callback_id": callback}}


def press(element: Block) -> Block:
    return {"type": "block_actions", "actions": [{"action_id": element["action_id"], "block_id": "b"}]}


def test_every_listener_asks_only_for_arguments_bolt_knows(app: AsyncApp) -> None:
    known = set(signature(AsyncArgs.__init__).parameters) - {"self", "kwargs"}
    listeners = [each.ack_function for each in app._async_listeners]

    assert len(listeners) > len(CATCH_ALLS)
    assert [each.__name__ for each in listeners if not set(signature(each).parameters) <= known] == []


def review_of(resource: Resource, **more: Any) -> str:
    """What the review page of a request for this says."""
    draft = Draft(name="orders producer", reason="It is needed")
    return json.dumps(pages.page(ReviewPage("D1", draft, build.ACCOUNT, resource, build.terms(), (), **more)))


def test_only_a_request_of_high_risk_is_warned_of_before_it_is_sent() -> None:
    assert "High risk." in review_of(OrganizationScope(Kind.CLOUD))
    assert "High risk." not in review_of(build.CLUSTER)


def test_a_review_page_says_once_when_the_key_expires() -> None:
    assert review_of(build.CLUSTER, lifetime=timedelta(days=7)).count("7 days") == 1
    assert "This key doesn't expire." in review_of(build.CLUSTER)


@pytest.mark.parametrize("resource", build.RESOURCES)
@pytest.mark.parametrize("owner", [build.ACCOUNT, NewServiceAccount("orders", ""), NewServiceAccount("orders", "new")])
def test_no_column_of_the_review_page_ends_before_the_other(resource: Resource, owner: Owner) -> None:
    draft = Draft(name="orders producer", reason="It is needed")

    view = pages.page(ReviewPage("D1", draft, owner, resource, build.terms(), ()))

    columns = [each["fields"] for each in view["blocks"] if "fields" in each]
    assert [len(each) % 2 for each in columns] == [0]
    assert json.dumps(view).count("orders producer") == 1


def test_the_review_page_carries_in_its_blocks_what_sending_it_does() -> None:
    alike = build.pending()

    assert ids.CLOSES_BLOCK not in review_of(build.CLUSTER)
    assert f'"block_id": "{ids.CLOSES_BLOCK}"' in review_of(build.CLUSTER, closes=True)
    assert f'"block_id": "{ids.ANOTHER_BLOCK}"' in review_of(build.CLUSTER, alike=alike)


def test_the_review_page_says_which_access_is_granted_and_warns_of_all_there_is() -> None:
    place = "environment=env-dev001/cloud-cluster=lkc-dev001/kafka=lkc-dev001"
    some_, all_ = (WantedBinding("DeveloperRead", f"{place}/topic={each}") for each in ("orders-*", "*"))

    assert "Access requested with the key:" not in review_of(build.CLUSTER)
    said = review_of(build.CLUSTER, bindings=(some_,))
    assert "Access requested with the key:" in said
    assert ("topics starting with" in said, "High risk." in said) == (True, False)
    assert "High risk." in review_of(build.CLUSTER, bindings=(some_, all_))
