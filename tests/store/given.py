"""What the tests of the store begin with: people, and one request in every state.

These are the values of the stored records in `tests/data/states`, which stay as they are; everything else that a test
needs is built by `tests/support/build.py`.
"""

from dataclasses import replace
from datetime import UTC, datetime

from bot.domain.approvals import Approval, GlassReview, GlassUse, Grant, Terms
from bot.domain.audit import Action, Event
from bot.domain.catalog import Endpoints
from bot.domain.keys import (
    ApiKey,
    Cluster,
    KeyId,
    Operation,
    Person,
    Principal,
    RequestId,
    Secret,
    ServiceAccount,
    SlackUserId,
)
from bot.domain.kinds import Kind
from bot.domain.readiness import OtherKey, Probe
from bot.domain.requests import (
    Approved,
    Ask,
    Cancelled,
    Confirmed,
    Denied,
    Done,
    Expired,
    Failed,
    Life,
    Offered,
    Pending,
    Ready,
    ReplacedKey,
    Request,
    Retired,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Working,
)
from bot.services.ports.store import Change, Stored
from tests.support.build import HOUR, TEAM

NOW = datetime(2026, 3, 4, 5, 6, 7, 123456, UTC)
SECRET = Secret("cflt" + "marker0secret" * 4 + "54" + "wrong0")
RESPONSE_URL = Secret("https://hooks.slack.example/actions/T01/1/marker0response0url")
ANN = Person(SlackUserId("U01"), TEAM, "Ann", "ann@example.com", Principal("u-ann001"))
BEN = Person(SlackUserId("U02"), TEAM, "Ben", "ben@example.com", Principal("u-ben001"))
TERMS = Terms("one approval for every new key", 1, "C01", pending=24 * HOUR, claim=24 * HOUR)
KEY = ApiKey(KeyId("ABCDEFGH12345678"), Principal("sa-abc001"), "lkc-dev001", "orders", "orders [lk:R1/1]", NOW)


def ask(request: str = "R1", by: Person = ANN, at: datetime = NOW) -> Ask:
    return Ask(
        id=RequestId(request),
        requester=by,
        operation=Operation.CREATE,
        owner=ServiceAccount(Principal("sa-abc001"), "orders-service"),
        resource=Cluster(Kind.KAFKA, "lkc-dev001", "dev", "env-dev001", "Development"),
        name="orders",
        description="reads “orders”",
        reason="ticket: OPS-1: rotate\n<!channel>",
        asked_at=at,
    )


def pending(request: str = "R1", by: Person = ANN, at: datetime = NOW) -> Pending:
    return Pending(ask(request, by, at), TERMS, approvals=(), expires_at=at + 24 * HOUR)


def states() -> dict[str, Request]:
    """One request in every state, by the name of the state."""
    asked = ask()
    grant = Grant((Approval(BEN, "EnvironmentAdmin of env-dev001", NOW, asked.digest()),), NOW, NOW + 24 * HOUR)
    made = (asked, TERMS, grant, 1)
    every: list[Request] = [
        replace(pending(), approvals=grant.approvals),
        Denied(asked, TERMS, by=BEN, reason="not in production", at=NOW),
        Cancelled(asked, TERMS, at=NOW),
        Expired(asked, TERMS, at=NOW),
        Approved(*made, not_before=NOW, trouble="Confluent Cloud did not answer.", tries=2),
        Offered(*made, claim_by=NOW + HOUR),
        Working(*made, sent_at=NOW, look_at=NOW + HOUR, clean=1),
        Ready(*made, KEY, endpoints=Endpoints("pkc-1.example:9092", "https://pkc-1.example:443"), claim_by=NOW + HOUR),
        Revealing(*made, KEY, until=NOW + HOUR),
        Shown(*made, KEY, at=NOW),
        Confirmed(*made, KEY, shown_at=NOW, at=NOW + HOUR),
        Undelivered(*made, KEY, why="Slack did not take the message.", at=NOW, reissue=True),
        Unclaimed(*made, KEY, at=NOW, deleted_at=NOW + HOUR),
        Retired(*made, KEY, at=NOW),
        Failed(
            asked,
            TERMS,
            happened="Confluent said no.",
            changed="Nothing was changed.",
            next="Ask again.",
            reference="req-1",
            at=NOW,
        ),
        Done(about(Operation.DELETE), TERMS, grant, 1, at=NOW, note="It was gone already."),
    ]
    ended = Retired(*made, KEY, at=NOW, deleted_at=NOW, why="It was deleted.", by=BEN)
    more: dict[str, Request] = {"rotated": rotated(grant), "ended": ended, "pair": pair(), "beside": beside()}
    more |= {"by_break_glass": by_break_glass(), "failed_by_break_glass": failed_by_break_glass()}
    return {state.kind: state for state in every} | more


def about(operation: Operation) -> Ask:
    """An ask about a key that exists."""
    return replace(ask(), operation=operation, key=replace(KEY, kind=Kind.KAFKA, environment="env-dev001"))


def by_break_glass() -> Shown:
    """A key by break-glass, whose use was reviewed."""
    review = GlassReview("not justified", BEN, NOW + 24 * HOUR, "Someone was there to approve it.")
    told = ("C09:0", "U02:0", "U02:1")
    use = GlassUse("Orders are down.", NOW, NOW + 4 * HOUR, ("C09",), told, 2, NOW + 48 * HOUR, review)
    grant = Grant((), NOW, NOW + 4 * HOUR, glass=use)
    return Shown(replace(ask(), break_glass=True), replace(TERMS, approvals=0), grant, 1, KEY, at=NOW)


def failed_by_break_glass() -> Failed:
    """A use of which an earlier key was deleted, and that no one has reviewed."""
    use = GlassUse("Orders are down.", NOW, NOW + 4 * HOUR, (), ("C09:0",), 1, NOW + 24 * HOUR, made=True)
    return Failed(
        replace(ask(), break_glass=True),
        replace(TERMS, approvals=0),
        happened="Confluent said no.",
        changed="Nothing was changed.",
        next="Ask again.",
        reference="req-1",
        at=NOW,
        news=True,
        glass=use,
    )


def rotated(grant: Grant) -> Shown:
    """A key with all that can be known of it and planned for it."""
    asked = replace(about(Operation.ROTATE), overlap=48 * HOUR, lifetime=720 * HOUR)
    probe = Probe("works", NOW, None, 3, NOW, 1, 1, "403", "req-2")
    endpoints = Endpoints("", "https://psrc-1.example", is_private=True, organization="o-1")
    life = Life(probe, NOW + 720 * HOUR, 1, ReplacedKey(NOW + HOUR, None, NOW, 2), endpoints, extended_by="R9")
    return Shown(asked, replace(TERMS, overlap=72 * HOUR), grant, 1, KEY, at=NOW, life=life)


def pair() -> Ready:
    """Both keys of a pair are ready: the record of the request."""
    asked = replace(ask(), also=Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", "env-dev001", "Development"))
    grant = Grant((Approval(BEN, "EnvironmentAdmin of env-dev001", NOW, asked.digest()),), NOW, NOW + 24 * HOUR)
    endpoints = Endpoints("pkc-1.example:9092", "https://pkc-1.example:443")
    second = replace(KEY, id=KeyId("SECOND0000000001"), resource="lsrc-1")
    life = Life(other=OtherKey(second, Endpoints("", "https://psrc-1.example"), Probe("works", NOW)))
    return Ready(asked, TERMS, grant, 1, KEY, endpoints=endpoints, claim_by=NOW + HOUR, life=life)


def beside() -> Ready:
    """The same, of the second key."""
    first = pair()
    second, key = first.ask.companion(), first.life.other
    assert second
    assert key
    return Ready(second, TERMS, first.grant, 2, key.key, endpoints=key.endpoints, claim_by=NOW)


def event(request: str | None = "R1", action: Action = Action.SUBMITTED) -> Event:
    return Event(NOW, ANN.slack, action, RequestId(request) if request else None, {"rule": TERMS.rule})


def added(request: Request, *events: Event) -> Change:
    """The change that adds a request."""
    return Change(None, request, NOW + HOUR, events or (event(request.ask.id),))


def changed(before: Stored[Request], after: Request) -> Change:
    return Change(before, after, NOW + HOUR, (event(after.ask.id, Action.APPROVED),))
