"""Every message, view and answer in every state, drawn by the product's own renderers from values that people know."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, get_args

from bot.domain.access import OFFERS, GivenBinding, WantedBinding
from bot.domain.access import State as GivenState
from bot.domain.approvals import OVERDUE, GlassReview, Ticket
from bot.domain.authority import HeldRoles
from bot.domain.catalog import Environment, Quota, Region
from bot.domain.conditions import Condition, Party
from bot.domain.conversation import Remark
from bot.domain.deadlines import glass_of
from bot.domain.keys import Cluster, KeyId, MyAccount, Operation, RequestId, Resource, Secret
from bot.domain.kinds import Kind
from bot.domain.leaks.report import Leak, LeakAudience, LeakNotice
from bot.domain.readiness import OtherKey, Probe, ProbeVerdict
from bot.domain.requests import (
    Ask,
    Cancelled,
    Confirmed,
    Denied,
    Done,
    Expired,
    Keyed,
    Life,
    Offered,
    Pending,
    Ready,
    ReplacedKey,
    Request,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Withdrawn,
)
from bot.domain.review import Attestation, Audience, Backlog, Digest, Finding, Listed
from bot.domain.roles import Binding
from bot.services import pages
from bot.services.browse.home import HomePage, Uses
from bot.services.commands import NO_ONE, Draft, Wish
from bot.services.form.access import offered, wanted
from bot.services.keys.reconcile import left_behind
from bot.services.messages import surfaces
from bot.services.pages import Handover, SecondKey
from bot.services.ports.store import Post
from bot.services.requests.submit import too_many, unreviewed
from bot.services.surfaces import CARD, ONCE, Surface, SurfaceKind
from bot.slack.api.notifier import drawn
from bot.slack.messages import answers, digest, secret
from bot.slack.messages.leak import told as leaks
from bot.slack.views import conversation, home, options, review
from bot.slack.views import leaks as leak_views
from bot.slack.views.pages import approve, checking, deny, not_justified, page, working
from bot.slack.views.pages import message as of_page
from bot.store.connection import unconfirmed
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR, NEW, NOW
from tests.texts import rarer
from tests.texts.blocks import read

Text = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """A message, or an answer to a command, as it is sent."""

    name: str
    blocks: Sequence[dict[str, Any]]
    notification: str = ""

    @property
    def text(self) -> str:
        """What a person reads of it."""
        return f"«{self.notification}»\n{read(self.blocks)}" if self.notification else read(self.blocks)


PROD = Cluster(Kind.KAFKA, "lkc-prod01", "orders", "env-prod01", "production")
KEY = build.a_key(kind=Kind.KAFKA)
_PLACE = f"environment={CLUSTER.environment}/cloud-cluster={CLUSTER.id}/kafka={CLUSTER.id}"
WRITE = WantedBinding("DeveloperWrite", f"{_PLACE}/topic=orders-*")
READ = WantedBinding("DeveloperRead", f"{_PLACE}/group=orders-ci")
APPROVERS = Condition(
    (Party(("S07",), "payments-leads"), Party(("S08",), "fraud-ops")), ("owner", "same group"), is_distinct=True
)
TICKET = Ticket("[A-Z]+-[0-9]+", "https://example.com/browse/{ticket}", required=True)


def everything() -> Iterator[Text]:
    """Where it is read, and the text."""
    for message in messages():
        yield message.name, message.text
    yield from of_views()


def messages() -> Iterator[Message]:
    """Every message, and every answer to a command."""
    yield from of_requests()
    yield from of_answers()
    yield from of_reviews()
    yield from of_leaks()


def requests() -> dict[str, Request]:
    """Requests in every state, with those that read differently: each operation, account and scope."""
    two = build.terms(approvals=2, rule="production")
    of_change = build.terms(rule="one approval for every change")
    in_production = build.an_ask(resource=PROD)
    with_access = build.an_ask(bindings=(WRITE, READ))
    given = (GivenBinding(WRITE, "given"), GivenBinding(READ, "existed"))
    question = Remark("C1", 1, ERIN.slack, ERIN.name, "Which topics do you need?", NOW)
    reply = Remark("C2", 2, DANA.slack, DANA.name, "All of orders-*.", NOW, ERIN.slack, is_direct=True)
    asks: dict[str, dict[str, Any]] = {
        "own account": {"owner": MyAccount(DANA.principal)},
        "new account": {"owner": NEW},
        "no name": {"name": "", "description": "", "reason": ""},
        **{resource.kind.value: {"resource": resource} for resource in build.RESOURCES[1:]},
    }
    every = replace(WRITE, scope=WRITE.scope.replace("orders-*", "*"))
    asks |= {"pair": {"also": build.REGISTRY}}
    asks |= {"access": {"owner": NEW, "bindings": (WRITE, READ)}, "all access": {"bindings": (every,)}}
    waiting = {f"pending, {name}": build.pending(ask=build.an_ask(**fields)) for name, fields in asks.items()}
    edits = {f"done, {each.value}": _done(_change(each)) for each in (Operation.EDIT, Operation.EXTEND)}
    operations = [each for each in Operation if each is not Operation.CREATE]
    changes = {f"pending, {each.value}": build.pending(ask=_change(each), terms=of_change) for each in operations}
    verdicts: tuple[ProbeVerdict, ...] = ("", "works", "no-permission", "unreachable", "gave-up")
    said = {"unreachable": "connection timed out"}
    probes = {
        f"shown, {each or 'tested'}": Probe(each, NOW, None, 3, NOW, last=said.get(each, "401")) for each in verdicts
    }
    return {
        **build.states(),
        **waiting,
        **changes,
        **edits,
        "pending, approvers": build.pending(terms=build.terms(approvals=2, approvers=(APPROVERS,))),
        "pending, ticket": build.pending(ask=build.an_ask(ticket="OPS-1"), terms=build.terms(ticket=TICKET)),
        "pending, confirm": build.pending(
            ask=build.an_ask(resource=PROD), terms=build.terms(confirm="resource", risk="high")
        ),
        "failed, own account": replace(build.failed(), offer_account=True),
        "pending, 1 of 2": build.pending(ask=in_production, terms=two, approvals=(build.an_approval(FEMI),)),
        "failed, approved": replace(build.failed(), approvals=(replace(build.an_approval(FEMI), told="thread"),)),
        "pending, talked about": build.pending(
            mentioned=(ERIN.slack,), told=(f"{FEMI.slack}:0",), said=(question, reply)
        ),
        "pending, changed": build.pending(ask=in_production, terms=two, changed="The policy now requires 2 approvals."),
        "approved, in trouble": build.approved(trouble="Confluent Cloud didn't answer.", not_before=NOW + HOUR / 12),
        "ready, working": build.ready(life=Life(probe=Probe("works", NOW, None, 3, NOW))),
        "ready, new account": build.ready(ask=build.an_ask(owner=NEW), key=build.a_key(owner=ACCOUNT.id)),
        "shown, access": build.shown(ask=with_access, grant=replace(build.a_grant(), bindings=given)),
        **_of_a_pair(),
        "shown, expiring": build.shown(life=Life(ends_at=NOW + 30 * DAY, reminded=1)),
        "shown, replacing": build.shown(
            ask=build.a_change(Operation.ROTATE, overlap=2 * DAY), life=Life(former=ReplacedKey(NOW + DAY))
        ),
        **{name: build.shown(life=Life(probe=probe)) for name, probe in probes.items()},
        **_by_break_glass(),
        **rarer.requests(),
    }


def _change(operation: Operation) -> Ask:
    """A change that changes something."""
    edited = {"name": "orders consumer", "description": "reads all orders"} if operation is Operation.EDIT else {}
    longer = {"lifetime": 30 * DAY} if operation is Operation.EXTEND else {}
    return build.a_change(operation, **edited, **longer)


def _by_break_glass() -> dict[str, Request]:
    """Uses of break-glass: waiting for their review, overdue, and reviewed."""
    expiring = build.shown(life=Life(reminded=3))
    justified = GlassReview("justified", ERIN, NOW)
    not_justified = GlassReview("not justified", ERIN, NOW, "Someone was there to approve it.")
    over = {"at": NOW - 4 * DAY, "ends_at": NOW - 4 * DAY + 4 * HOUR, "rounds": OVERDUE + 1}
    return {
        "approved, break-glass": build.broken_glass(build.approved()),
        "ready, break-glass": build.broken_glass(build.ready()),
        "failed, break-glass": build.broken_glass(build.failed()),
        "shown, break-glass": build.broken_glass(build.shown()),
        "shown, expiring, break-glass": build.broken_glass(expiring),
        "ended, overdue, break-glass": build.broken_glass(build.ended(), **over),
        "shown, justified, break-glass": build.broken_glass(build.shown(), review=justified),
        "shown, not justified, break-glass": build.broken_glass(build.shown(), review=not_justified),
    }


def _of_a_pair() -> dict[str, Request]:
    """A request for two keys, in the states that say so."""
    ask = build.an_ask(also=build.REGISTRY)
    other = OtherKey(build.a_key("KEY0000000000002", "[lk:R1-2/1]"), build.ENDPOINTS, Probe("works", NOW))
    both = {"ask": ask, "life": Life(probe=Probe(next_at=NOW), other=other)}
    ready = build.ready(**both)
    lost = ready.then(Undelivered, why="Slack didn't accept the message with the secrets.", at=NOW, news=True)
    failed = replace(build.failed(), changed=left_behind(build.approved(ask=ask), ""))
    return {
        "approved, pair": build.approved(ask=ask),
        "approved, pair, in trouble": build.approved(ask=ask, trouble="Confluent Cloud didn't answer."),
        "ready, pair": ready,
        "revealing, pair": ready.then(Revealing, until=NOW, life=ready.life),
        "shown, pair": build.shown(**both),
        "confirmed, pair": build.shown(**both).then(Confirmed, shown_at=NOW, at=NOW, life=ready.life),
        "undelivered, pair": lost,
        "undelivered, pair, deleted": replace(lost, deleted_at=NOW),
        "undelivered, pair, one left": replace(lost, deleted_at=NOW, left=other.key.id),
        "undelivered, pair, new keys follow": replace(lost, reissue=True, news=False, retry_at=NOW, tries=1),
        "failed, pair, one left": replace(failed, ask=ask, left=other.key.id),
        "unclaimed, pair": ready.then(Unclaimed, at=NOW, deleted_at=NOW, news=True),
    }


def _done(ask: Ask) -> Done:
    return Done(ask, build.terms(), build.a_grant(), 1, at=NOW)


def of_requests() -> Iterator[Message]:
    """The card and each message of each request, then what becomes of messages that others followed."""
    seen = set[str]()
    every = requests()
    for name, request in every.items():
        wanted = surfaces(request)
        for surface in wanted:
            root = Post(surface.root, "D1", "1.0", "") if surface.root and surface.root in wanted else None
            which = f" {surface.number}" if surface.kind in ONCE else ""
            yield from _message(f"{name}: {surface.kind.value}{which}", surface, request, seen, root)
            if root and root.surface == CARD:
                yield from _message(f"{name}: {surface.kind.value}{which}, without the card", surface, request, seen)
    for name, request in every.items():
        for kind in (each for each in SurfaceKind if each not in ONCE and _can_be(each, request)):
            number = request.attempt if isinstance(request, Offered | Keyed) else 1
            surface = Surface(kind, ERIN.slack if kind is SurfaceKind.COPY else None, number=number)
            yield from _message(f"{name}: {kind.value}, posted before", surface, request, seen)


_LAST = frozenset({SurfaceKind.OUTCOME, SurfaceKind.END, SurfaceKind.APPROVERS})
"""What nothing follows."""
_OF_A_KEY = frozenset(
    {SurfaceKind.KEY, SurfaceKind.CLAIM, SurfaceKind.LOST, SurfaceKind.REMINDER, SurfaceKind.REPLACED}
)


def _can_be(kind: SurfaceKind, request: Request) -> bool:
    """Whether a request can have such a message: some are about a change that took effect."""
    if kind in _LAST or (kind in _OF_A_KEY and isinstance(request, Pending | Denied | Cancelled | Expired)):
        return False
    changed = request.ask.key is not None and isinstance(request, Shown | Done)
    if kind is SurfaceKind.REVIEWED:
        glass = glass_of(request)
        return glass is not None and glass.review is not None
    if kind is SurfaceKind.REPLACED:
        return changed and request.ask.operation is Operation.ROTATE
    return changed or kind is not SurfaceKind.TOLD


def _message(
    name: str, surface: Surface, request: Request, seen: set[str], root: Post | None = None
) -> Iterator[Message]:
    """A message, unless one that reads the same was told; with `root`, a reply in its thread."""
    message = Message(name, *drawn(surface, request, "", root))
    if message.text not in seen:
        yield message
    seen.add(message.text)


def views() -> Iterator[tuple[str, Any]]:
    """Each modal and Home, with its name."""
    draft = Draft(
        "service-account", "env-dev001", "lkc-dev001", "orders producer", "", "Local tests",
        lifetime="90", account=ACCOUNT.id,
    )  # fmt: skip
    environment = Environment("env-dev001", "dev")
    filled = pages.FormPage(draft, environment=environment, resource=CLUSTER, account=ACCOUNT, offered=3)
    problems = {"name": "Enter a name.", "resource": "Choose a cluster.", "reason": "Enter a reason."}
    unfinished = pages.FormPage(replace(draft, cluster="", name="", reason=""), problems, environment=environment)
    yield "form, empty", page(pages.FormPage(Draft()))
    yield "form, filled", page(filled)
    yield "form, problems", page(replace(unfinished, account=ACCOUNT, offered=3))
    yield "form, ticket", page(replace(filled, ticket=TICKET))
    no_match = {"ticket": "This ticket doesn't match [A-Z]+-[0-9]+. Check it, and try again."}
    yield "form, ticket, problem", page(replace(filled, ticket=TICKET, problems=no_match))
    yield "form, limit", page(replace(filled, limit=timedelta(days=30)))
    for owner in ("me", "new"):
        yield f"form, {owner}", page(replace(filled, draft=replace(draft, owner=owner)))
    offers = offered(OFFERS, Kind.KAFKA, is_own=False)
    chosen = replace(draft, owner="new", access=(Wish(offers[0].id), Wish(offers[1].id, "orders-é")))
    wrong = wanted(chosen, OFFERS, CLUSTER, is_own=False)[1]
    yield "form, access", page(replace(filled, draft=chosen, offers=offers, problems=wrong))
    gone = (Wish("gone"), Wish(offers[0].id, "orders-"))
    many = (Wish(offers[0].id, " ".join(f"o{n}" for n in range(11))),)
    for name, access in (("access, gone", gone), ("access, too much", many)):
        wrong = wanted(each := replace(chosen, access=access), OFFERS, CLUSTER, is_own=False)[1]
        yield f"form, {name}", page(replace(filled, draft=each, offers=offers, problems=wrong))
    yield "form, pair", page(replace(filled, companion=build.REGISTRY, draft=replace(draft, also=build.REGISTRY.id)))
    for kind in Kind:
        yield f"form, {kind.value}", page(replace(filled, draft=replace(draft, kind=kind.value), resource=None))
    yield "form, flink, in a cloud", page(pages.FormPage(replace(draft, kind="flink", cloud="aws"), region=_region()))
    yield from _after_the_form(draft)
    yield from _of_keys()
    waiting = [build.pending(ask=build.an_ask(id=RequestId(f"R{n}"))) for n in (1, 2)]
    yield "home, empty", home.home(HomePage())
    mine = list(build.states().values())
    yield "home", home.home(HomePage((_key_view(),), 3, mine, waiting))
    yield "home, break-glass", home.home(HomePage(uses=_uses()))
    yield "home, unread", home.home(HomePage(notes=(unconfirmed("").unread,), is_unread=True))
    note = "Confluent Cloud didn't answer. Showing only what Latchkey knows."
    trouble = "Couldn't load your approvals. See the approvals channel."
    yield "home, trouble", home.home(HomePage(requests=mine[:2], trouble=trouble, notes=(note,)))
    yield from rarer.views(draft, _key_view())


def _after_the_form(draft: Draft) -> Iterator[tuple[str, Any]]:
    """The review page and those that ask for a text."""
    for resource in (*build.RESOURCES, PROD):
        yield f"review, {resource.kind.value} {resource.id}", page(_review(draft, resource))
    yield "review, new account", page(replace(_review(draft, CLUSTER), owner=NEW))
    yield "review, access", page(replace(_review(draft, CLUSTER), bindings=(WRITE, READ)))
    yield "review, pair", page(replace(_review(draft, CLUSTER), also=build.REGISTRY, closes=True))
    yield "review, own account", page(replace(_review(draft, CLUSTER), owner=MyAccount(DANA.principal)))
    named = _review(replace(draft, ticket="OPS-1"), CLUSTER)
    for terms in (build.terms(ticket=TICKET), build.terms(approvals=2, approvers=(APPROVERS,))):
        yield f"review, {'ticket' if terms.ticket else 'approvers'}", page(replace(named, terms=terms))
    for name, offer in (("break-glass", 4 * HOUR), ("break-glass not again", unreviewed(build.pending()))):
        yield f"review, {name}", page(replace(_review(draft, CLUSTER), break_glass=offer))
    for people in (1, 12, 45):
        use = pages.GlassPage(
            "D1", draft, ACCOUNT, CLUSTER, build.terms(approvals=0), 4 * HOUR, min(people, 30), people
        )
        yield f"break-glass, {people} approvers", page(use)
    refused = pages.TextPage("Couldn't do that", too_many(5, 5), "D1", break_glass=4 * HOUR)
    yield "refused, break-glass", page(refused)
    yield "not justified", not_justified(RequestId("R1"), build.broken_glass(build.shown()))
    yield "approve", approve(build.pending(terms=build.terms(confirm="resource")))
    yield "deny", deny(RequestId("R1"), build.pending())
    yield "question", conversation.question(RequestId("R1"), build.pending())
    yield "reply", conversation.reply(RequestId("R1"), 1, build.pending(), "Which topics?")
    yield "checking", checking()
    yield "working", working("Create an API key")
    yield "a typed text", page(pages.TextPage("Couldn't do that", "Nothing changed.", "D1", "My reason", "again"))


def _uses() -> Uses:
    """Uses to review, one of them overdue, and one of the reader's own."""
    late = build.broken_glass(build.ended(), at=NOW - 4 * DAY, ends_at=NOW - 4 * DAY + 4 * HOUR, rounds=OVERDUE + 1)
    return Uses([late, build.broken_glass(build.ready())], build.broken_glass(build.failed()))


def _of_keys() -> Iterator[tuple[str, Any]]:
    view, terms = _key_view(), build.terms()
    foreign = replace(
        view,
        request=None,
        key=build.a_key(marker="", name="", created_at=view.key.created_at),
        may=view.may - {Operation.EXTEND},
    )
    yield "key", page(pages.KeyPage(view))
    ask = build.an_ask(bindings=(WRITE, READ))
    given = tuple(GivenBinding(wanted, each) for wanted in (WRITE, READ) for each in get_args(GivenState))
    came_with = build.shown(ask=ask, grant=replace(build.a_grant(), bindings=given))
    yield "key, access", page(pages.KeyPage(replace(view, request=came_with, manages=True)))
    yield "key, foreign", page(pages.KeyPage(foreign))
    may, former = view.may - {Operation.EXTEND}, pages.Replacement(KeyId("KEY0000000000002"), NOW + DAY)
    replaced = replace(view, may=may, replaced=former)
    yield "key, replaced", page(pages.KeyPage(replaced))
    yield "keys, replaced", page(pages.KeysPage((replaced,), pages.Filters(), accounts=1))
    for name, request in build.states().items():
        if isinstance(request, Keyed):
            hidden = set(Operation) if isinstance(request, Withdrawn) else set[Operation]()
            if isinstance(request, Ready | Revealing):
                hidden = {Operation.ROTATE, Operation.EXTEND}
            may = view.may - hidden
            for whose, mine in (("", False), (" of mine", True)):
                seen = replace(view, request=request, may=may, is_requester=mine)
                yield f"key{whose}, {name}", page(pages.KeyPage(seen))
    yield "keys", page(pages.KeysPage((view, foreign), pages.Filters(), "next", "previous", accounts=1))
    yield "keys, none", page(pages.KeysPage((), pages.Filters()))
    yield "keys, none found", page(pages.KeysPage((), pages.Filters(text="orders")))
    yield "edit", page(pages.EditPage(view, terms))
    yield "delete", page(pages.DeletePage(view, terms))
    yield "delete, ticket", page(pages.DeletePage(view, build.terms(ticket=replace(TICKET, required=False))))
    yield "delete, access", page(pages.DeletePage(replace(view, request=came_with, manages=True), terms))
    yield "delete, foreign", page(pages.DeletePage(foreign, terms))
    yield "rotate", page(pages.RotatePage(view, terms, (0, 1, 7)))
    expiring = replace(view, request=build.shown(life=Life(ends_at=NOW + 4 * DAY)))
    yield "extend", page(pages.ExtendPage(expiring, terms, left=4 * DAY))
    leaked = replace(view, leak=Leak(KEY, ERIN.slack, NOW, "C1"))
    yield "key, leaked", page(pages.KeyPage(leaked))
    yield "key, leaked, by its reader", page(pages.KeyPage(replace(leaked, is_reporter=True)))
    yield "delete, leaked", page(pages.DeletePage(leaked, build.terms(approvals=0)))
    yield "rotate, leaked", page(pages.RotatePage(leaked, terms, (0, 1, 7)))
    yield "leak", leak_views.report([KEY.id])
    for has_ids, is_shown in ((True, True), (False, True), (False, False)):
        notice = leak_views.about_message(has_ids=has_ids, is_shown=is_shown, is_sure=has_ids)
        found = "a key and its secret" if has_ids else "a secret" if is_shown else "nothing"
        yield f"leak, {found} in a message", leak_views.report([KEY.id] if has_ids else [], notice)
    yield "keep", review.keep_form(KEY.id, None, KEY.name)
    yield "keep shown", review.keep_shown_form(ACCOUNT.id, [KEY.id], None)
    yield (
        "keep shown, baseline",
        review.keep_shown_form(
            ACCOUNT.id, [build.a_key(f"KEY000000000000{n}").id for n in (1, 2, 3)], None, review.BASELINE
        ),
    )
    yield "keys to review", review.keys_to_review([view, foreign], 1)


def of_views() -> Iterator[Text]:
    """The modals, Home, and what menus offer."""
    shown: dict[str, set[str]] = {}
    for name, view in views():
        seen = shown.setdefault(name.partition(",")[0], set())
        yield f"view: {name}", "\n".join(_unseen(read(view).splitlines(), seen))
    yield "menu: scopes", read(options.scope_options())


def _unseen(lines: Sequence[str], seen: set[str]) -> Iterator[str]:
    """The lines that no view of this kind had before, with `…` for each run of others."""
    skipping = False
    for line in lines:
        if line not in seen:
            yield line
        elif not skipping:
            yield "…"
        skipping = line in seen
    seen.update(lines)


def of_answers() -> Iterator[Message]:
    """What slash commands answer, and the message with the secret."""
    own, waiting = list(build.states().values()), [build.pending()]
    held = HeldRoles(ERIN, tuple(_bindings()), "o-1", build.DOCUMENTED)
    yield Message("help", answers.help_blocks())
    yield Message("unknown command", answers.unknown_blocks("creat"))
    yield Message("requests", answers.requests_blocks(own, waiting))
    not_sent = pages.TextPage(
        "", "Your request “orders producer” for orders-dev in dev wasn't sent. This cluster no longer exists.", "D1"
    )
    yield Message("not sent", of_page(not_sent))
    yield Message("requests, none", answers.requests_blocks((), ()))
    yield Message(
        "requests, break-glass", answers.requests_blocks((), (), uses=replace(_uses(), to_review=_uses().to_review[:1]))
    )
    trouble = "Couldn't load your approvals. See the approvals channel."
    yield Message("requests, trouble", answers.requests_blocks((), (), trouble))
    yield Message("requests, shut", answers.requests_blocks((), (), shut="Guests can't request or approve keys."))
    yield Message("whoami", answers.whoami_blocks(held, {"env-dev001": "dev", "lkc-dev001": "orders-dev"}))
    yield Message("whoami, no roles", answers.whoami_blocks(replace(held, bindings=()), {}))
    for resource in build.RESOURCES:
        yield Message(f"secret, {resource.kind.value}", secret.message(_handover(resource)))
    second = SecondKey(build.a_key("KEY0000000000002"), _handover(CLUSTER).secret, build.REGISTRY, build.ENDPOINTS)
    yield Message("secret, pair", secret.message(replace(_handover(CLUSTER), second=second)))


def of_reviews() -> Iterator[Message]:
    """The weekly review, by who reads it."""
    keys = [replace(KEY, id=KeyId(f"KEY000000000000{n}"), created_at=NOW - n * 60 * DAY) for n in (2, 3, 4)]
    listed = tuple(Listed(key, CLUSTER, (finding,)) for key, finding in zip(keys, Finding, strict=True))
    quota = Quota("iam.max_cloud_api_keys.per_org", "Cloud API keys per organization", 100, 95)
    kept = Attestation(KEY.id, ERIN.slack, "Still in use", NOW, NOW + 90 * DAY)
    audiences: tuple[Audience, ...] = ("owner", "account-owner", "requester", "channel")
    for audience in audiences:
        owner = MyAccount(DANA.principal) if audience == "owner" else ACCOUNT
        theirs = listed if audience == "channel" else listed[1:]  # an owner that is gone reads nothing
        whole = Digest(owner, audience, NOW, 90 * DAY, "Dana", theirs, (kept,), (quota,))
        yield Message(f"review: {audience}", *digest.message(whole))
        yield Message(
            f"review: {audience}, first", *digest.message(replace(whole, is_baseline=True, kept=(), quotas=()))
        )
        yield Message(f"review: {audience}, done", *digest.message(replace(whole, keys=(), quotas=())))
        if audience == "channel":
            many = tuple(
                replace(listed[2], key=replace(keys[2], id=KeyId(f"KEY00000000000{n}"))) for n in range(10, 40)
            )
            yield Message("review: channel, 30 keys", *digest.message(replace(whole, keys=many, kept=(), quotas=())))
            alone = Digest(None, "channel", NOW, 90 * DAY, quotas=(quota,))
            yield Message("review: channel, quotas alone", *digest.message(alone))
    one = Digest(ACCOUNT, "channel", NOW, 90 * DAY, keys=listed[1:2], owners=("Lena Ivers",))
    yield Message("review: channel, one key", *digest.message(one))
    for accounts in (1, 2, 37):
        yield Message(f"review: {accounts} left", *digest.backlog(Backlog(accounts, NOW + 7 * DAY)))


def of_leaks() -> Iterator[Message]:
    """What is told of a leaked key, by who reads it."""
    leak = Leak(replace(KEY, name="orders producer"), ERIN.slack, NOW, "C1")
    found = replace(
        leak, by=NO_ONE, source="GitHub secret scanning", url="https://github.com/acme/orders/blob/main/.env"
    )
    notice = LeakNotice(leak, "channel", ACCOUNT, "Dana", CLUSTER, DANA.slack, NOW + 30 * DAY)
    audiences: tuple[LeakAudience, ...] = ("account-owner", "requester", "manager", "channel")
    told: dict[str, LeakNotice] = {each: replace(notice, audience=each) for each in audiences}
    variants: dict[str, LeakNotice] = {
        "owner": replace(notice, audience="owner", owner=MyAccount(DANA.principal)),
        **told,
        "deleted": replace(notice, is_gone=True),
        "Latchkey's own key": replace(notice, is_ours=True, requester=None, ends_at=None),
        "unknown resource": replace(notice, resource=None),
        "found by a scanner": replace(notice, leak=found),
    }
    for name, each in variants.items():
        yield Message(f"leak: {name}", *leaks.message(each))


def _key_view() -> pages.KeyView:
    key = replace(KEY, description="reads orders", created_at=NOW - 3 * DAY)
    return pages.KeyView(key, ACCOUNT, "orders-service", CLUSTER, build.shown(), frozenset(Operation), age=3 * DAY)


def _review(draft: Draft, resource: Resource) -> pages.ReviewPage:
    approvers = (
        pages.Right("EnvironmentAdmin on dev", ("Erin", "Femi")),
        pages.Right("OrganizationAdmin", (), 3),
    )
    warnings = ("You have no role on this resource.",)
    return pages.ReviewPage("D1", draft, ACCOUNT, resource, build.terms(), approvers, warnings, 90 * DAY)


def _region() -> Region:
    return Region("aws", "us-east-1", "N. Virginia (us-east-1)")


def _handover(resource: Resource) -> Handover:
    hidden = Secret("cflt" + "marker0secret" * 4 + "54" + "wrong0")
    return Handover(RequestId("R1"), 1, KEY, hidden, ACCOUNT, resource, build.ENDPOINTS, NOW + HOUR)


def _bindings() -> Sequence[Binding]:
    at = build.PLACES
    roles = {"OrganizationAdmin": "organization", "EnvironmentAdmin": "environment", "CloudClusterAdmin": "cluster",
             "ResourceKeyAdmin": "environment", "DeveloperRead": "topic", "ResourceOwner": "account",
             "MetricsViewer": "organization"}  # fmt: skip
    return [Binding(ERIN.principal, role, at[place]) for role, place in roles.items()]
