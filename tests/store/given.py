"""What the tests of the store begin with: people, and one request in every state.

These are the values of the stored records in `tests/data/states`, which stay as they are; everything else that a test
needs is built by `tests/support/build.py`.
"""

from dataclasses import replace
from datetime import UTC, datetime

from bot.domain.access import Access, GivenBinding, WantedBinding
from bot.domain.approvals import Approval, GlassReview, GlassUse, Grant, Terms, Ticket
from bot.domain.audit import Action, Event
from bot.domain.catalog import Endpoints
from bot.domain.conditions import Condition, Party
from bot.domain.conversation import Remark
from bot.domain.keys import (
    ApiKey,
    Cluster,
    KeyId,
    KsqlCluster,
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
            changed="Nothing changed.",
            next="Ask again.",
            reference="req-1",
            at=NOW,
        ),
        Done(about(Operation.DELETE), TERMS, grant, 1, at=NOW, note="It was gone already."),
    ]
    ended = Retired(*made, KEY, at=NOW, deleted_at=NOW, why="It was deleted.", by=BEN)
    more: dict[str, Request] = {"rotated": rotated(grant), "ended": ended, "pair": pair(), "beside": beside()}
    more |= {"by_break_glass": by_break_glass(), "failed_by_break_glass": failed_by_break_glass()}
    more |= {"approvers": approvers(), "access": access(grant), "left": left(grant)}
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
        changed="Nothing changed.",
        next="Ask again.",
        reference="req-1",
        at=NOW,
        news=True,
        glass=use,
    )


def approvers() -> Pending:
    """A request with everything that can be said about it while it waits, under a rule that says who approves."""
    party, person = Party(("S01", "U02"), "payments"), Party(("U03",))
    conditions = (
        Condition((party, person), ("owner", "same group"), is_distinct=True, apart=("S09",)),
        Condition(barred=("owner",)),
    )
    ticket = Ticket("OPS-[0-9]+", "https://tickets.example/{ticket}", required=True, example="OPS-1")
    asked = replace(ask(), ticket="OPS-1")
    question = Remark("C1", 1, BEN.slack, "Ben", "For which service?", NOW)
    return Pending(
        asked,
        replace(TERMS, approvals=2, ticket=ticket, confirm="resource", risk="high", approvers=conditions),
        approvals=(Approval(BEN, "EnvironmentAdmin of env-dev001", NOW, asked.digest(), "thread", ("S01",)),),
        expires_at=NOW + 24 * HOUR,
        told=("U02:0",),
        policy="digest",
        drawn=1,
        mentioned=(BEN.slack,),
        said=(question, Remark("C2", 2, ANN.slack, "Ann", "", NOW, to=BEN.slack, is_direct=True)),
        forget_at=NOW + HOUR,
        access=Access(("DeveloperRead on topic orders-*",), 1, 2),
    )


def access(grant: Grant) -> Approved:
    """A key that comes with access, which is being granted."""
    wanted = WantedBinding("ResourceOwner", "environment=env-dev001/kafka=lkc-dev001/ksql=lksqlc-dev001")
    given = GivenBinding(wanted, "given", Principal("sa-abc001"), "rb-1", NOW, 1)
    place = KsqlCluster("lksqlc-dev001", "reports", "env-dev001", "Development", "lkc-dev001")
    return Approved(
        replace(ask(), resource=place, bindings=(wanted,)),
        TERMS,
        replace(grant, bindings=(given,)),
        2,
        not_before=NOW,
        without_end=True,
        lost_answers=1,
    )


def left(grant: Grant) -> Retired:
    """A pair whose second key couldn't be deleted, in a Basic cluster."""
    life = Life(endpoints=Endpoints("pkc-1.example:9092", "", lacks_roles=True))
    return Retired(pair().ask, TERMS, grant, 1, KEY, at=NOW, deleted_at=NOW, life=life, left=KeyId("SECOND0000000001"))


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
