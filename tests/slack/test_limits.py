"""Slack's limits, at any length of any field and in any script: every message, page and option there is.

Texts of a length are put into every field at once, which chance alone hardly ever does.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.authority import HeldRoles
from bot.domain.catalog import Catalog, Endpoints, Environment, Quota, Region
from bot.domain.conversation import Remark
from bot.domain.keys import (
    Cluster,
    FlinkRegion,
    KsqlCluster,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Principal,
    RequestId,
    Resource,
    Secret,
    ServiceAccount,
)
from bot.domain.kinds import Kind
from bot.domain.readiness import Probe
from bot.domain.requests import Done, Keyed, Pending, Request
from bot.domain.review import Attestation, Digest, Finding, Listed
from bot.domain.roles import Binding
from bot.services.browse.home import KEYS, HomePage, Uses
from bot.services.browse.keys import PAGE
from bot.services.commands import Draft
from bot.services.form.fill import form
from bot.services.pages import (
    DeletePage,
    EditPage,
    ExtendPage,
    Filters,
    Handover,
    KeyPage,
    KeysPage,
    KeyView,
    Page,
    ReviewPage,
    Right,
    RotatePage,
    TextPage,
)
from bot.services.surfaces import CARD, Surface
from bot.slack.api import notifier
from bot.slack.blocks import kit, limits
from bot.slack.blocks.text import Block, lines
from bot.slack.messages import answers, snippets
from bot.slack.messages import digest as digests
from bot.slack.messages import secret as the_secret
from bot.slack.payloads import read_keys
from bot.slack.payloads.ids import ResourceField
from bot.slack.views import home, options
from bot.slack.views import key as key_pages
from bot.slack.views import keys as key_list
from bot.slack.views import pages as modals
from sandbox.slack.limits import block_problems, check_options, check_view
from tests.support import build
from tests.support import given as some

pytestmark = pytest.mark.search

few = settings(max_examples=10)
SECRET = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
TEXTS = {
    "nothing": "",
    "lines": "\n" * 6000,
    "marks": "&<>" * 2000,
    "code": "`" * 6000,
    "emoji": "👩\u200d👩\u200d👧\u200d👦 e\u0301\u0302\u0323" * 500,
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd" * 1200,
    "invisible": "\u200b" * 6000,
    "ideographs": "漢字𐍈" * 2000,
    "zeros": "\x00" * 6000,
}
RESOURCES: dict[Kind, Resource] = {
    Kind.KAFKA: Cluster(Kind.KAFKA, "lkc-1", "orders", "env-1", "dev"),
    Kind.SCHEMA_REGISTRY: Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", "env-1", "dev"),
    Kind.KSQLDB: KsqlCluster("lksqlc-1", "joins", "env-1", "dev", "lkc-1"),
    Kind.FLINK: FlinkRegion("aws.us-east-1", "env-1", "dev"),
    Kind.CLOUD: OrganizationScope(Kind.CLOUD),
    Kind.TABLEFLOW: OrganizationScope(Kind.TABLEFLOW),
    Kind.GLOBAL: OrganizationScope(Kind.GLOBAL),
}
OWNERS: tuple[Owner, ...] = (MyAccount(Principal("u-1")), build.ACCOUNT, NewServiceAccount("a", "b"))
VERDICTS = ("", "works", "no-permission", "unreachable", "gave-up")
GRANTED = build.a_grant(*(build.a_person(f"Erin{number}") for number in range(5)))
"""As many approvals as anybody would want."""


def texts(function: Callable[..., Any]) -> Any:
    """Once for every text."""
    return pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())(function)


def variants() -> Iterator[Request]:
    """Requests in every state, of every operation, for every owner, with all that can be planned for a key."""
    owners = cycle(OWNERS)
    for state in build.states().values():
        asked = replace(state.ask, key=build.a_key(), lifetime=timedelta(days=30), overlap=timedelta(days=2))
        granted: dict[str, Any] = {"grant": GRANTED} if hasattr(state, "grant") else {}
        for operation in Operation:
            yield replace(state, ask=replace(asked, operation=operation, owner=next(owners)), **granted)
    said = Remark("C1", 1, build.ERIN.slack, "Erin", "Which topics?", build.NOW)
    reply = replace(said, click="C2", number=2, to=build.ERIN.slack)
    yield build.pending(mentioned=("U1",) * 5, said=(said, reply))
    for resource in RESOURCES.values():
        yield from (_probed(resource, verdict) for verdict in VERDICTS)


def _probed(resource: Resource, verdict: Any) -> Request:
    rotated = build.rotated()
    probe = replace(rotated.life.probe, verdict=verdict, last="HTTP 403, no", reference="r")
    life = replace(rotated.life, probe=probe, endpoints=Endpoints("b:9092", "https://r", organization="o"))
    return replace(rotated, ask=replace(rotated.ask, resource=resource), life=life)


REQUESTS = list(variants())


def surfaces(request: Request) -> Iterator[tuple[list[Block], str]]:
    """Every message that shows this request, and its notification text."""
    attempt = getattr(request, "attempt", 1)
    for surface in (
        "card",
        "copy:U1:1",
        "asked",
        "outcome",
        f"key:{attempt}",
        "key:99",
        "end",
        "replaced",
        "reminder:1:1",
        *_about_said(request),
    ):
        blocks, text = notifier.drawn(Surface.parse(surface), request, "Slack did not take the card.")
        yield list(blocks), text


def _about_said(request: Request) -> Iterator[str]:
    """The messages with what approvers and the requester said."""
    for said in request.said if isinstance(request, Pending) else ():
        yield from (f"thread:{said.number}", f"question:{said.number}", f"reply:U1:{said.number}")


def view(request: Request | None = None, resource: Resource = build.CLUSTER, owner: Owner = build.ACCOUNT) -> KeyView:
    key = build.a_key(description="reads orders", kind=resource.kind)
    return KeyView(key, owner, "orders-service", resource, request, frozenset(Operation), age=timedelta(days=400))


def pages() -> Iterator[Page]:
    """Every page about a key, with everything on it."""
    made = [each for each in REQUESTS if isinstance(each, Keyed)]
    terms = build.terms(lifetime=timedelta(days=90))
    for resource, owner, request in zip(RESOURCES.values(), OWNERS * 3, made[::5], strict=False):
        of = view(request, resource, owner)
        yield KeyPage(of, "Look at this.")
        yield EditPage(of, build.terms(), notice="Look at this.")
        yield DeletePage(of, build.terms(), "Look at this.")
        yield RotatePage(of, terms, tuple(range(8)), notice="Look at this.")
        yield ExtendPage(of, terms, notice="Look at this.")
        yield KeysPage([of] * PAGE, Filters("sa-1", "kafka", "env-1"), "a|1|sa-1", "b|1|sa-1", "Note.", "orders",
                       Environment("env-1", "dev"))  # fmt: skip
    unknown = build.a_key(kind=None, resource="lnew-1", marker="")
    yield KeyPage(replace(view(), key=unknown, request=None))


def forms(text: str) -> Iterator[Page]:
    """The form and what follows it, with this text in all of its fields."""
    catalog = Catalog(
        "o",
        (Environment("env-1", text),),
        (ServiceAccount(Principal("sa-1"), text),),
        build.by_kind(
            Cluster(Kind.KAFKA, "lkc-1", text, "env-1", text),
            Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", text, "env-1", text),
            KsqlCluster("lksqlc-1", text, "env-1", text, "lkc-1"),
            FlinkRegion("aws.us-east-1", "env-1", text),
        ),
        (Region("aws.us-east-1", "AWS", text),),
    )
    typed: dict[str, Any] = dict.fromkeys(
        ("name", "description", "reason", "account_name", "account_description"), text[:3000]
    )
    for owner in ("me", "new", "sa-1"):
        for kind, resource in RESOURCES.items():
            draft = Draft(owner, "env-1", resource.id, kind=kind, cloud="aws", account="sa-1", **typed)
            yield form(draft, catalog, build.a_policy())
            yield ReviewPage(
                "d1",
                draft,
                some.everywhere(OWNERS[0 if owner == "me" else 1 if owner == "sa-1" else 2], text),
                some.everywhere(resource, text),
                some.everywhere(build.terms(), text),
                tuple(
                    Right(f"EnvironmentAdmin on {text} {number}", (text,) * (number % 6), number)
                    for number in range(20)
                ),
                ("A limit is near.",) * 3,
            )
    yield TextPage("Couldn't do that", "Sorry.", back="d1", typed=text)


def a_digest(text: str, audience: Any = "owner") -> Digest:
    """As long as a digest can be, with this text wherever text comes from outside."""
    listed = Listed(build.a_key(kind=Kind.KAFKA), build.CLUSTER, tuple(Finding))
    kept = Attestation(listed.key.id, build.DANA.slack, "needed", build.NOW, build.NOW)
    quota = Quota("iam.max_keys", "API keys", 10, 9, "u-1")
    owner = build.ACCOUNT if audience != "owner" else MyAccount(Principal("u-1"))
    whole = Digest(owner, audience, build.NOW, timedelta(days=90), "Dana", (listed,) * 40, (kept,) * 40, (quota,) * 30)
    changed: Digest = some.everywhere(whole, text)
    return changed


def handover(resource: Resource, owner: Owner, verdict: Any = "") -> Handover:
    probe = Probe(verdict, build.NOW, last="HTTP 403, no", reference="r")
    where = Endpoints("b:9092", "https://r", organization="o-1")
    key, until = build.a_key(kind=resource.kind), build.NOW + build.DAY
    return Handover(RequestId("R" * 64), 999_999, key, Secret(SECRET), owner, resource, where, until, probe)


def objects(of: object) -> Iterator[dict[str, Any]]:
    """Every JSON object inside, itself included."""
    if isinstance(of, dict):
        yield of
    for each in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from objects(each)


def assert_taken(blocks: list[Block], text: str = "text") -> None:
    """Slack takes this message: by each limit it documents, and by the one that it does not."""
    message = kit.as_message(blocks, text)
    assert block_problems(message["blocks"], "message") == []
    assert len(json.dumps(message["blocks"], ensure_ascii=False)) <= 12_000
    assert 1 <= len(message["text"]) <= 4000


def assert_view_taken(view: Block, surface: Any = "modal") -> None:
    """Slack takes this view, also when it counts bytes as they are sent, where a letter may take twelve."""
    check_view(view, surface)
    assert len(json.dumps(view)) <= 250_000


# --- at any length, in any script -------------------------------------------------------------------------------------


@texts
def test_messages_about_requests(text: str) -> None:
    for request in REQUESTS[::3]:
        for blocks, notification in surfaces(some.everywhere(request, text)):
            assert_taken(blocks, notification)


@texts
def test_lists_of_requests(text: str) -> None:
    for request in REQUESTS[::14]:
        many = [some.everywhere(request, text)] * 50
        assert_taken(answers.requests_blocks(many, many))


@texts
def test_pages_about_keys(text: str) -> None:
    for page in pages():
        drawn = some.everywhere(page, text)
        if isinstance(drawn, KeysPage):
            drawn = replace(drawn, filters=replace(drawn.filters, text=text[: read_keys.TYPED]))
        assert_view_taken(modals.page(drawn))
        if isinstance(drawn, EditPage):
            assert_view_taken(modals.page(replace(drawn, typed=(text[:3000],) * 4)))


@texts
def test_the_form_and_what_follows_it(text: str) -> None:
    for page in forms(text):
        assert_view_taken(modals.page(page))


@texts
def test_home(text: str) -> None:
    made = [each for each in REQUESTS if isinstance(each, Keyed)]
    of = view(made[0])
    full = HomePage([of] * KEYS, 90_000, REQUESTS, REQUESTS[:50], "Cannot be told.", ("Confluent is away.",) * 2)
    uses = Uses([build.broken_glass(made[0])] * 50, build.broken_glass(made[0]))

    assert_view_taken(home.home(some.everywhere(full, text)), "home")
    assert_view_taken(home.home(some.everywhere(replace(full, uses=uses), text)), "home")


@texts
@pytest.mark.parametrize("audience", ["owner", "channel"])
def test_digests_of_the_review(text: str, audience: str) -> None:
    whole = a_digest(text, audience)
    for digest in (whole, replace(whole, keys=()), replace(whole, kept=(), quotas=()), replace(whole, owner=None)):
        assert_taken(*digests.message(digest))


@texts
@pytest.mark.parametrize("kind", Kind)
def test_the_message_with_the_secret(text: str, kind: Kind) -> None:
    for owner in OWNERS:
        for verdict in VERDICTS:
            blocks = the_secret.message(some.everywhere(handover(RESOURCES[kind], owner, verdict), text))
            assert_taken(blocks, the_secret.FALLBACK)
            assert kit.as_message(blocks, "")["blocks"] == blocks
            assert f"{blocks}".count(SECRET) == 1


@texts
@pytest.mark.parametrize("kind", Kind)
def test_client_configurations(text: str, kind: Kind) -> None:
    resource = some.everywhere(RESOURCES[kind], text)
    for value in [each.value for each in kind.row.snippets]:
        drawn = snippets.drawn(value, "KEY0000000000001", resource, Endpoints(text, text, organization=text))
        assert_taken(drawn)
        assert_view_taken(key_pages.configuration(view(), drawn))


@texts
def test_answers_to_commands(text: str) -> None:
    crn = f"crn://confluent.cloud/organization=o/environment={text}"
    bindings = tuple(Binding(Principal("u-1"), f"{text} {number}", crn) for number in range(40))
    held_roles = some.everywhere(HeldRoles(build.DANA, bindings, "o"), text)

    assert_taken(answers.whoami_blocks(held_roles, {text: text}))
    assert_taken(answers.unknown_blocks(text or "?"))


@texts
@pytest.mark.parametrize("length", [1, 150, 151, 6000])
def test_what_searchable_fields_offer(text: str, length: int) -> None:
    """An id of any length, too: one that Slack would refuse is left out, and the others are offered all the same."""
    id_ = f"{'x' * (length - 1)}1"
    catalog = Catalog(
        "o",
        (Environment(id_, text), Environment("env-1", text)) * 80,
        (ServiceAccount(Principal(id_), text), ServiceAccount(Principal("sa-1"), text)) * 80,
        build.by_kind(
            *(Cluster(Kind.KAFKA, each, text, "env-1", text) for each in (id_, "lkc-1") * 80),
            FlinkRegion(f"aws.{id_}", "env-1", text),
        ),
        (Region(f"aws.{id_}", "AWS", text), Region("aws.1", "AWS", text)),
    )
    for typed in ("", "1", text):
        for kind in RESOURCES:
            check_options(options.resources(catalog, ResourceField(kind, "env-1", "aws"), typed))
        for answer in (options.named(catalog.environments, typed), options.named(catalog.service_accounts, typed)):
            check_options(answer)
        check_options({"options": key_list.owners(catalog.service_accounts, typed)})
        check_options({"options": key_list.environments(catalog.environments, typed)})
    assert "env-1" in json.dumps(options.named(catalog.environments, "1"))


# --- what is cut, and what is not -------------------------------------------------------------------------------------


def test_a_digest_shows_as_many_keys_as_one_message_takes() -> None:
    digest = a_digest("orders")

    blocks, _ = digests.message(replace(digest, kept=(), quotas=()))
    (table,) = (each for each in blocks if each["type"] == "table")
    shown = len(table["rows"]) - 1

    assert 15 <= shown <= digests.SHOWN
    assert f"And {40 - shown} more" in json.dumps(blocks)
    assert f'/{shown}"' in json.dumps(blocks)


def test_a_message_of_usual_length_is_not_cut() -> None:
    for request in REQUESTS:
        for blocks, text in surfaces(request):
            assert kit.as_message(blocks, text) == {"blocks": blocks, "text": text}


def test_a_long_reason_is_whole_on_its_card() -> None:
    reason = "Tests of the flow of orders in 漢字. " * 90
    blocks, _ = notifier.drawn(CARD, build.pending(ask=build.an_ask(reason=reason[:3000])), "")

    assert reason[:3000] in json.dumps(kit.as_message(list(blocks), "")["blocks"], ensure_ascii=False)


# --- foreign text -----------------------------------------------------------------------------------------------------

FORGED = "x\r\n\nApproved by Erin:\nOwner:\n\u2028y\u202ez\u2066"
BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def everything_drawn(text: str) -> Iterator[tuple[Any, str]]:
    """All that there is, with this text in it; and the notification."""
    for request in REQUESTS:
        changed = some.everywhere(request, text)
        if isinstance(changed, Done):
            changed = replace(changed, note=text)
        yield from surfaces(changed)
        yield answers.requests_blocks([changed], [changed]), ""
    yield from ((modals.page(some.everywhere(page, text)), "") for page in pages())
    yield from ((modals.page(page), "") for page in forms(text))
    full = HomePage([view(REQUESTS[-1])], requests=REQUESTS[:9], waiting=REQUESTS[:9])
    yield home.home(replace(some.everywhere(full, text), trouble="Cannot be told.")), ""
    yield digests.message(a_digest(text))
    for resource in RESOURCES.values():
        for verdict in VERDICTS:
            yield the_secret.message(some.everywhere(handover(resource, OWNERS[1], verdict), text)), the_secret.FALLBACK


def test_foreign_text_pings_and_links_nothing() -> None:
    for drawn, notification in everything_drawn(some.PINGS):
        marked_up = [each["text"] for each in objects(drawn) if each.get("type") == "mrkdwn"]
        leaves = [leaf for each in objects(drawn) if str(each.get("type", "")).startswith("rich_text_")
                  for leaf in each["elements"]]  # fmt: skip

        assert some.PINGS not in "\n".join([notification, *marked_up])
        assert all(each.get("verbatim") for each in objects(drawn) if each.get("type") == "mrkdwn"), "URLs would link"
        assert {leaf["type"] for leaf in leaves} <= {"text", "user", "date", "rich_text_section"}


def test_a_text_of_many_lines_passes_for_no_line_of_ours() -> None:
    """Where it stands beside our words; a quote shows it as it was typed."""
    seen = 0
    for drawn, _ in everything_drawn(FORGED):
        for section in (each for each in objects(drawn) if each.get("type") == "rich_text_section"):
            rows = [leaf["text"] for leaf in section["elements"] if leaf["type"] == "text"]
            seen += sum("Approved by Erin" in row for row in rows)
            assert [row for row in rows if row != "\n" and BREAKS.search(row)] == []
    assert seen > 100


def test_a_file_to_be_copied_has_only_its_own_lines() -> None:
    for resource in RESOURCES.values():
        plain = handover(resource, OWNERS[1])
        assert labels(file_of(some.everywhere(plain, FORGED))) == labels(file_of(plain))


def file_of(shown: Handover) -> list[Block]:
    return snippets.file(shown.key, shown.owner, shown.resource, shown.endpoints)


def labels(blocks: list[Block]) -> list[str]:
    (file,) = [leaf["text"] for each in objects(blocks) if each.get("type") == "rich_text_preformatted"
               for leaf in each["elements"]]  # fmt: skip
    return re.findall(r"^[A-Za-z ]+:$", file, re.MULTILINE)


@few
@given(st.one_of(*some.STATES.values()), some.texts)
def test_any_request_with_any_text_is_taken(request: Request, text: str) -> None:
    for changed in (request, some.everywhere(request, text)):
        for blocks, notification in surfaces(changed):
            assert_taken(blocks, notification)


def test_a_text_of_many_short_pieces_is_taken() -> None:
    for request in (build.states()[name] for name in ("failed", "approved", "working")):
        for blocks, notification in surfaces(some.everywhere(request, ("0" * 17 + "`") * 333)):
            assert_taken(blocks, notification)


@few
@given(st.sets(st.sampled_from(sorted(TEXTS)), min_size=1, max_size=4))
def test_as_many_things_as_fit_are_shown(sizes: set[str]) -> None:
    def drawn(number: int) -> list[Block]:
        return [lines([text]) for text in [*"".join(sizes), *[TEXTS[name] for name in sizes]] for _ in range(number)]

    shown = limits.as_many(20, drawn, limits.fits_a_message)

    assert limits.fits_a_message(shown) or shown == drawn(1)
    assert any(shown == drawn(number) for number in range(1, 21))
