"""Strategies for hypothesis: text as people, Confluent and attackers write it, and requests in every state."""

from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import strategies as st

from bot.domain.approvals import Approval, Grant, Terms
from bot.domain.catalog import Catalog, Endpoints, Environment
from bot.domain.conversation import Remark
from bot.domain.keys import (
    ApiKey,
    Cluster,
    FlinkRegion,
    KsqlCluster,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Person,
    ServiceAccount,
)
from bot.domain.kinds import Kind, Shape
from bot.domain.readiness import Probe
from bot.domain.requests import Ask, Life, ReplacedKey, Request
from bot.domain.roles import DOCUMENTED, TABLES
from bot.services.commands import Draft

HOSTILE = (
    "<!channel>",
    "<@U0ERIN>",
    "<https://evil.example|Approve>",
    "*bold* _it_ ~no~ `code` ```block```",
    "&lt;!here&gt; &amp;",
    "\u202eright to left\u202c",
    "line\n\nline\ttab",
    "👩‍👩‍👧‍👦 e\u0301 שלום 漢字",
    "{date} %s [json-pointer:/x]",
)
SECONDS = timedelta(0), timedelta(days=400)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- its rule
spans = st.timedeltas(*SECONDS)
ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=40)
people_ids = st.text("ABCDEFGHIJ0123456789", min_size=1, max_size=10).map("U{}".format)
_pieces = st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE))
_long = st.tuples(_pieces, st.integers(1, 5000)).map(lambda drawn: (drawn[0] * drawn[1])[:6000])
texts = st.one_of(_pieces, st.lists(_pieces, max_size=4).map("".join), _long)
"""Anything from nothing to 6,000 characters."""

people = st.builds(Person, slack=people_ids, team=ids, name=texts, email=texts, principal=ids)
owners = st.one_of(
    st.builds(MyAccount, ids), st.builds(ServiceAccount, ids, texts), st.builds(NewServiceAccount, texts, texts)
)
clusters = st.builds(Cluster, st.just(Kind.KAFKA), ids, texts, ids, texts)
RESOURCES: dict[Kind, st.SearchStrategy[Any]] = {
    kind: {
        Shape.CLUSTER: st.builds(Cluster, st.just(kind), ids, texts, ids, texts),
        Shape.KSQL: st.builds(KsqlCluster, ids, texts, ids, texts, ids),
        Shape.REGION: st.builds(FlinkRegion, ids, ids, texts),
        Shape.ORGANIZATION: st.builds(OrganizationScope, st.just(kind)),
    }[kind.row.shape]
    for kind in Kind
}
resources = st.one_of(*RESOURCES.values())
keys = st.builds(
    ApiKey,
    id=ids,
    owner=ids,
    resource=ids,
    name=texts,
    description=texts,
    created_at=st.none() | moments,
    kind=st.none() | st.sampled_from(Kind),
)
asks = st.builds(
    Ask,
    id=ids,
    requester=people,
    operation=st.sampled_from(Operation),
    owner=owners,
    resource=resources,
    name=texts,
    description=texts,
    reason=texts,
    asked_at=moments,
    key=st.none() | keys,
    lifetime=st.none() | spans,
    overlap=spans,
)
terms = st.builds(
    Terms,
    rule=texts,
    approvals=st.integers(0, 5),
    channel=ids,
    pending=spans,
    claim=spans,
    table=st.sampled_from(sorted(TABLES)),
    lifetime=st.none() | spans,
    mint=st.sampled_from(["on_approval", "on_claim"]),
    overlap=spans,
)
_places = st.one_of(texts, st.lists(ids, min_size=1, max_size=4).map(" / ".join))
bases = st.builds("{} of {}".format, st.sampled_from(sorted(DOCUMENTED)), _places)
approvals = st.lists(st.builds(Approval, by=people, basis=bases, at=moments, digest=ids), max_size=5).map(tuple)
endpoints = st.builds(
    Endpoints, bootstrap=texts, rest=texts, is_private=st.booleans(), organization=texts, is_paused=st.booleans()
)
probes = st.builds(
    Probe,
    verdict=st.sampled_from(["", "works", "no-permission", "unreachable", "gave-up"]),
    at=st.none() | moments,
    next_at=st.none() | moments,
    tries=st.integers(0, 99),
    last=texts,
    reference=texts,
)
formers = st.builds(ReplacedKey, until=moments, deleted_at=st.none() | moments, tries=st.integers(0, 9))
lives = st.builds(
    Life,
    probe=probes,
    ends_at=st.none() | moments,
    reminded=st.integers(0, 3),
    former=st.none() | formers,
    endpoints=endpoints,
    endless=st.booleans(),
    extended_by=st.just("") | ids,
)
sentences = st.one_of(
    texts,
    st.sampled_from(
        ["Confluent Cloud didn't answer. Nothing changed. Try again in a minute.", "Ask with `/apikey create`."]
    ),
)
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "ask": asks,
    "terms": terms,
    "approvals": approvals,
    "grant": st.builds(Grant, approvals=approvals, at=moments, fresh_until=moments),
    "mentioned": st.lists(people_ids, max_size=5).map(tuple),
    "said": st.lists(
        st.builds(Remark, click=ids, number=st.integers(1, 40), by=people_ids, name=texts, text=texts, at=moments),
        max_size=3,
    ).map(tuple),
    "attempt": st.integers(1, 9),
    "tries": st.integers(0, 9),
    "key": keys,
    "endpoints": endpoints,
    "by": people,
    "life": lives,
    "offer_account": st.booleans(),
    "reissue": st.booleans(),
    "deleted_at": st.none() | moments,
    "reason": texts,
    "reference": texts,
    **dict.fromkeys(("trouble", "why", "happened", "changed", "next", "note"), sentences),
    **dict.fromkeys(
        ("at", "expires_at", "not_before", "sent_at", "look_at", "claim_by", "until", "shown_at"),
        moments,
    ),
}
"""By the name of the field: a new state needs a line here only when it has a new kind of field."""


def _state(state: type[Request]) -> st.SearchStrategy[Request]:
    """Requests in one state; what has a default and no line in `_FIELDS` keeps its default."""
    given = {each.name: _field(each) for each in fields(state) if each.name in _FIELDS or _is_needed(each)}
    return st.builds(state, **given)


def _field(field: Any) -> st.SearchStrategy[Any]:
    return st.none() | _FIELDS[field.name] if field.default is None else _FIELDS[field.name]


def _is_needed(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


STATES: dict[str, st.SearchStrategy[Request]] = {state.__name__: _state(state) for state in get_args(Request)}
requests = st.one_of(*STATES.values())
_chosen = st.just("") | ids
drafts = st.builds(
    Draft,
    owner=st.just("me") | _chosen,
    environment=_chosen,
    cluster=_chosen,
    name=texts,
    description=texts,
    reason=texts,
)
catalogs = st.builds(
    Catalog,
    organization=ids,
    environments=st.lists(st.builds(Environment, ids, texts), max_size=120).map(tuple),
    resources=st.fixed_dictionaries({Kind.KAFKA: st.lists(clusters, max_size=5).map(tuple)}),
    service_accounts=st.lists(st.builds(ServiceAccount, ids, texts), max_size=5).map(tuple),
)

PINGS = "<!channel> & <@U0ERIN> <https://evil.example|Approve>"
FOREIGN = {
    "name",
    "description",
    "reason",
    "environment_name",
    "rule",
    "basis",
    "happened",
    "why",
    "trouble",
    "reference",
    "changed",
    "next",
    "last",
    "bootstrap",
    "rest",
    "organization",
    "email",
    "owner_name",
    "account_name",
    "account_description",
}
"""Fields with text from outside: typed by people, or said by Confluent or Slack."""


def everywhere(value: Any, text: str) -> Any:
    """A copy of a domain value with this text in every field that holds what came from outside."""
    if isinstance(value, list | tuple):
        return type(value)(everywhere(each, text) for each in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
    return replace(value, **{name: text if name in FOREIGN else everywhere(part, text) for name, part in parts.items()})
