"""Domain values with sensible defaults: a test names only what it is about."""

import base64
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.approvals import Approval, GlassUse, Grant, Terms
from bot.domain.audit import Action, Event
from bot.domain.authority import HeldRoles
from bot.domain.catalog import Endpoints
from bot.domain.keys import (
    ApiKey,
    Cluster,
    FlinkRegion,
    KeyId,
    KsqlCluster,
    Marker,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Person,
    Placed,
    Principal,
    RequestId,
    Resource,
    ServiceAccount,
    SlackUserId,
    TeamId,
)
from bot.domain.kinds import PLACED, Kind
from bot.domain.policy import Match, Policy, Rule, without_a_file
from bot.domain.readiness import Probe
from bot.domain.requests import (
    Approved,
    Ask,
    Cancelled,
    Confirmed,
    Denied,
    Done,
    Expired,
    Failed,
    Granted,
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
from bot.domain.roles import TABLES, Binding, Table
from bot.services.commands import Click, Deed, Draft, ReplyTo
from bot.services.people.directory import Tenant

TEAM = TeamId("T01")
TENANT = Tenant(TEAM)
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ORGANIZATION = "o-1"


def crn(path: str = "", organization: str = ORGANIZATION) -> str:
    """A CRN as Confluent writes it, from the elements below the organization."""
    return "/".join(filter(None, (f"crn://confluent.cloud/organization={organization}", path)))


HERE, DEV = crn(), crn("environment=env-dev001")
CLUSTER = Cluster(Kind.KAFKA, "lkc-dev001", "orders-dev", "env-dev001", "dev")
REGISTRY = Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", "env-dev001", "dev")
KSQL = KsqlCluster("lksqlc-1", "app", "env-dev001", "dev", "lkc-dev001")
FLINK = FlinkRegion("aws.us-east-1", "env-dev001", "dev")
CLOUD, TABLEFLOW, GLOBAL = (OrganizationScope(kind) for kind in (Kind.CLOUD, Kind.TABLEFLOW, Kind.GLOBAL))
RESOURCES: tuple[Resource, ...] = (CLUSTER, REGISTRY, KSQL, FLINK, CLOUD, TABLEFLOW, GLOBAL)
"""One of each kind."""
ACCOUNT = ServiceAccount(Principal("sa-abc001"), "orders-service")
OTHER = ServiceAccount(Principal("sa-other"), "billing")
NEW = NewServiceAccount("payments", "for the payments service")
PLACES = {
    "organization": HERE,
    "environment": DEV,
    "cluster": f"{DEV}/cloud-cluster=lkc-dev001",
    "registry": f"{DEV}/schema-registry=lsrc-1",
    "ksqldb": f"{DEV}/cloud-cluster=lkc-dev001/ksql=app",
    "region": f"{DEV}/flink-region=aws.us-east-1",
    "topic": f"{DEV}/cloud-cluster=lkc-dev001/kafka=lkc-dev001/topic=orders",
    "subject": f"{DEV}/schema-registry=lsrc-1/subject=orders-value",
    "pool": f"{DEV}/flink-region=aws.us-east-1/compute-pool=lfcp-1",
    "account": crn("service-account=sa-abc001"),
    "other-environment": crn("environment=env-2"),
    "other-cluster": f"{DEV}/cloud-cluster=lkc-2",
    "other-organization": crn(organization="o-2"),
}
"""Where a role can be bound, the first ten around and within `RESOURCES`."""
DOCUMENTED, NEWEST = TABLES["documented"], TABLES["2026"]
MAKING = (Operation.CREATE, Operation.ROTATE)
LENGTHENING = (*MAKING, Operation.EXTEND)
"""What gives someone a key for longer than before."""
CHANGING = (Operation.EDIT, Operation.DELETE)
ENDPOINTS = Endpoints("pkc-1.example:9092", "https://pkc-1.example:443")


def by_kind(*resources: Placed) -> dict[Kind, tuple[Placed, ...]]:
    """Resources as a catalog holds them."""
    return {kind: tuple(each for each in resources if each.kind is kind) for kind in PLACED}


def a_person(name: str = "Dana", **fields: Any) -> Person:
    """Someone whose Slack id, principal and e-mail follow from the name."""
    word = name.lower()
    usual: dict[str, Any] = {
        "slack": SlackUserId(f"U0{name.upper()}"),
        "team": TEAM,
        "name": name,
        "email": f"{word}@example.com",
        "principal": Principal(f"u-{word}"),
    }
    return Person(**(usual | fields))


DANA, ERIN, FEMI, OTTO = (a_person(name) for name in ("Dana", "Erin", "Femi", "Otto"))
"""The requester, two people who may administer the environment, and one who may not."""


HERS = MyAccount(ERIN.principal)


def owners(requester: Person = DANA) -> dict[str, Owner]:
    """Whose key it can be, by the letter that the role tables write for it."""
    return {"m": MyAccount(requester.principal), "u": HERS, "a": ACCOUNT, "b": OTHER, "n": NEW}


def holding(
    person: Person, *held: tuple[str, str], table: Table = DOCUMENTED, organization: str = ORGANIZATION
) -> HeldRoles:
    """A person who holds these roles, each at its CRN."""
    bindings = tuple(Binding(person.principal, role, place) for role, place in held)
    return HeldRoles(person, bindings, organization, table)


def a_binding(person: Person = ERIN, role: str = "EnvironmentAdmin", crn: str = DEV) -> Binding:
    return Binding(person.principal, role, crn)


def an_ask(**fields: Any) -> Ask:
    usual: dict[str, Any] = {
        "id": RequestId("R1"),
        "requester": DANA,
        "operation": Operation.CREATE,
        "owner": ACCOUNT,
        "resource": CLUSTER,
        "name": "orders producer",
        "description": "reads orders",
        "reason": "Local tests of the orders flow",
        "asked_at": NOW,
    }
    return Ask(**(usual | fields))


def terms(**fields: Any) -> Terms:
    """Those of `a_policy` for a new key."""
    rule = "one approval for every new key"
    usual: dict[str, Any] = {"rule": rule, "approvals": 1, "channel": "C01", "pending": DAY, "claim": DAY}
    return Terms(**(usual | fields))


def an_approval(by: Person = ERIN, ask: Ask | None = None, at: datetime = NOW) -> Approval:
    return Approval(by, "EnvironmentAdmin on dev", at, (ask or an_ask()).digest())


def a_grant(*by: Person, ask: Ask | None = None, at: datetime = NOW, fresh: timedelta = DAY) -> Grant:
    return Grant(tuple(an_approval(each, ask, at) for each in by or (ERIN,)), at, at + fresh)


def a_key(id_: str = "KEY0000000000001", marker: str = "[lk:R1/1]", **fields: Any) -> ApiKey:
    usual: dict[str, Any] = {
        "id": KeyId(id_),
        "owner": ACCOUNT.id,
        "resource": CLUSTER.id,
        "name": "orders producer",
        "description": f"reads orders {marker}".rstrip(),
        "created_at": NOW,
    }
    return ApiKey(**(usual | fields))


def pending(**fields: Any) -> Pending:
    ask: Ask = fields.pop("ask", an_ask())
    usual: dict[str, Any] = {"terms": terms(), "approvals": (), "expires_at": ask.asked_at + DAY}
    return Pending(ask, **(usual | fields))


def approved(**fields: Any) -> Approved:
    ask: Ask = fields.pop("ask", an_ask())
    usual: dict[str, Any] = {"terms": terms(), "grant": a_grant(ask=ask), "attempt": 1, "not_before": NOW}
    return Approved(ask, **(usual | fields))


def ready(**fields: Any) -> Ready:
    ask: Ask = fields.pop("ask", an_ask())
    attempt: int = fields.get("attempt", 1)
    usual: dict[str, Any] = {
        "terms": terms(),
        "grant": a_grant(ask=ask),
        "attempt": attempt,
        "key": a_key(marker=str(Marker(ask.id, attempt))),
        "endpoints": ENDPOINTS,
        "claim_by": NOW + DAY,
    }
    return Ready(ask, **(usual | fields))


def shown(**fields: Any) -> Shown:
    """A key in its requester's hands."""
    ask: Ask = fields.pop("ask", an_ask())
    usual: dict[str, Any] = {"terms": terms(), "grant": a_grant(ask=ask), "attempt": 1, "key": a_key(), "at": NOW}
    return Shown(ask, **(usual | fields))


def failed() -> Failed:
    """A request that Confluent refused."""
    return Failed(
        an_ask(),
        terms(),
        happened="Confluent said <no>.",
        changed="Nothing changed.",
        next="Request again with `/apikey create`.",
        reference="req-1",
        at=NOW,
    )


def states() -> dict[str, Request]:
    """One request in every state, at NOW, by the name of the state."""
    asked, rules = an_ask(), terms()
    made = (asked, rules, a_grant(), 1)
    every: list[Request] = [
        pending(),
        Denied(asked, rules, by=ERIN, reason="not in <production>", at=NOW),
        Cancelled(asked, rules, at=NOW),
        Expired(asked, rules, at=NOW),
        approved(),
        Offered(*made, claim_by=NOW + DAY),
        Working(*made, sent_at=NOW, look_at=NOW + HOUR),
        ready(),
        Revealing(*made, a_key(), until=NOW + HOUR),
        shown(),
        Confirmed(*made, a_key(), shown_at=NOW, at=NOW + HOUR),
        Undelivered(*made, a_key(), why="Slack didn't accept the message with the secret.", at=NOW),
        Unclaimed(*made, a_key(), at=NOW),
        Retired(*made, a_key(), at=NOW),
        failed(),
        Done(a_change(Operation.DELETE), rules, a_grant(), 1, at=NOW, note="Someone else had already deleted it."),
    ]
    return {state.kind: state for state in every} | {"rotated": rotated(), "ended": ended()}


def a_use(**fields: Any) -> GlassUse:
    """A use of break-glass, four hours long, of which people know."""
    told = ("C09:0", f"{ERIN.slack}:0", f"{FEMI.slack}:0")
    usual: dict[str, Any] = {"why": "Orders are down.", "at": NOW, "ends_at": NOW + 4 * HOUR}
    usual |= {"notify": ("C09",), "told": told, "rounds": 1, "next_round": NOW + DAY}
    return GlassUse(**(usual | fields))


def broken_glass(request: Request, **fields: Any) -> Request:
    """The same request by break-glass."""
    ask = replace(request.ask, break_glass=True)
    rules = replace(request.terms, approvals=0, lifetime=4 * HOUR, claim=4 * HOUR)
    if isinstance(request, Failed):
        return replace(request, ask=ask, terms=rules, approvals=(), glass=a_use(made=True, **fields))
    if not isinstance(request, Granted):
        raise TypeError("only what is granted can be by break-glass")
    grant = Grant((), NOW, NOW + 4 * HOUR, glass=a_use(**fields))
    if isinstance(request, Ready):
        request = replace(request, claim_by=NOW + 4 * HOUR)
    return replace(request, ask=ask, terms=rules, grant=grant)


def rotated() -> Shown:
    """A key in its requester's hands, with all that can be known and planned for it."""
    ask = a_change(Operation.ROTATE, overlap=2 * DAY, lifetime=30 * DAY)
    probe = Probe("works", NOW, None, 3, NOW, 0, 0, "", "req-2")
    life = Life(probe, NOW + 60 * DAY, 1, ReplacedKey(NOW + 2 * DAY), ENDPOINTS, extended_by="R9")
    return shown(ask=ask, terms=terms(overlap=3 * DAY), life=life)


def ended() -> Retired:
    """A key that someone deleted."""
    return Retired(an_ask(), terms(), a_grant(), 1, a_key(), at=NOW, deleted_at=NOW, by=ERIN)


def a_change(operation: Operation, **fields: Any) -> Ask:
    """An ask about a key that exists; the key was not made by Latchkey, unless `key` says otherwise."""
    usual: dict[str, Any] = {"id": RequestId("R2"), "operation": operation, "key": a_key("KEY0000000000009", marker="")}
    return an_ask(**(usual | fields))


def submitted(request: Request) -> tuple[Event, ...]:
    """The audit event that a request begins with."""
    ask = request.ask
    return (Event(ask.asked_at, ask.requester.slack, Action.SUBMITTED, ask.id),)


def a_click(deed: Deed, by: Person = DANA, at: datetime = NOW, **fields: Any) -> Click:
    usual: dict[str, Any] = {"id": f"click-{deed.kind}", "reply": ReplyTo(channel="D01")}
    return Click(**{**usual, "by": by.slack, "team": by.team, "at": at, "deed": deed, **fields})


def a_policy(approvals: int = 1, otherwise: int | None = 1) -> Policy:
    """Every key needs this many approvals; with 0, `otherwise` of people who don't manage it."""
    usual = without_a_file("C01")
    return replace(usual, rules=tuple(replace(each, approvals=approvals, otherwise=otherwise) for each in usual.rules))


def a_rule(approvals: int = 1, match: Match | None = None, **fields: Any) -> Rule:
    """A rule, of any key unless `match` says otherwise, named after its approvals."""
    usual: dict[str, Any] = {"name": f"{approvals} approvals", "channel": "C01"}
    return Rule(match=match or Match(), approvals=approvals, **(usual | fields))


def policy_of(*rules: Rule, **fields: Any) -> Policy:
    return Policy(rules, **fields)


def a_draft(draft: Draft = Draft(), /, **fields: Any) -> Draft:  # noqa: B008 -- it is frozen
    """A form with these fields in it, by names that a test computes."""
    return replace(draft, **fields)


def a_secret_with_its_checksum() -> str:
    """What anyone can tell is a secret of Confluent's; made as it runs, so that no scanner finds it in this file."""
    middle = "marker0secret" * 4 + "54"
    return f"cflt{middle}{base64.b64encode(zlib.crc32(middle.encode()).to_bytes(4, 'little')).decode().rstrip('=')}"
