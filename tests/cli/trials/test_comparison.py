"""`policy diff` asks once for what a policy can't tell apart, and finds what asking for each person and thing finds."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import product

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from bot.cli.explain import explainer
from bot.cli.explanation import in_short
from bot.cli.snapshot import Snapshot, SnapshotCloud, SnapshotPeople, Workspace
from bot.cli.trials.comparison import (
    _NOBODY,
    Cell,
    Change,
    Difference,
    _merged,
    _owners,
    _places,
    _terms,
    _whole,
    compare,
)
from bot.cli.trials.side import ANOTHER, ME, Side, ask_for
from bot.domain.authority import Target
from bot.domain.catalog import Environment, User
from bot.domain.decision import Forbidden, NeedsApproval, Verdict, decide, refusal
from bot.domain.keys import (
    Cluster,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Principal,
    Resource,
    ServiceAccount,
    SlackUserId,
    TeamId,
)
from bot.domain.kinds import PLACED, Kind
from bot.domain.roles import Binding
from bot.services.ports.slack import Profile
from tests.policy.written import file

HERE = "crn://confluent.cloud/organization=o1"
ENVIRONMENTS = (Environment("env-1", "dev"), Environment("env-2", "prod-eu"))
KAFKA = tuple(Cluster(Kind.KAFKA, f"lkc-{n}", f"c{n}", f"env-{1 + n % 2}", ENVIRONMENTS[n % 2].name) for n in range(5))
REGISTRY = tuple(Cluster(Kind.SCHEMA_REGISTRY, f"lsrc-{n}", "sr", f"env-{n}", ENVIRONMENTS[n - 1].name) for n in (1, 2))
ACCOUNTS = tuple(ServiceAccount(Principal(f"sa-{n}"), f"service {n}") for n in range(4))
USERS = tuple(User(Principal(f"u-{n}"), f"p{n}@x.example", f"Person {n}") for n in range(5))
PEOPLE = tuple(
    Profile(SlackUserId(f"U{n}"), TeamId("T1"), f"Person {n}", f"p{n}@x.example", True, False, n == 4, False)  # noqa: FBT003 -- as Slack tells them
    for n in range(5)
)
"""The last one is a guest."""
PLACES = [
    "", "/environment=env-1", "/environment=*", "/environment=env-1/cloud-cluster=lkc-0", "/service-account=sa-0",
    "/environment=env-2/cloud-cluster=lkc-1", "/environment=*/cloud-cluster=lkc-*", "/service-account=sa-*",
    "/environment=env-1/schema-registry=lsrc-1", "/environment=env-1/cloud-cluster=lkc-2/kafka=lkc-2/topic=t*",
]  # fmt: skip
ROLES = ["OrganizationAdmin", "EnvironmentAdmin", "CloudClusterAdmin", "ResourceKeyAdmin", "ResourceOwner",
         "DeveloperRead", "AccountAdmin"]  # fmt: skip
BINDINGS = st.lists(
    st.builds(
        lambda user, role, place: Binding(user.id, role, HERE + place),
        st.sampled_from(USERS), st.sampled_from(ROLES), st.sampled_from(PLACES),
    ),
    max_size=8,
)  # fmt: skip
MATCHES = st.sampled_from(
    ["{}", "{environment: env-1}", "{environment: 'prod*'}", "{owner: me}", "{owner: sa-0}", "{cluster: lkc-0}",
     "{owner: new-service-account}", "{by: [U0, U1]}", "{by: S1}", "{by: [EnvironmentAdmin, CloudClusterAdmin]}",
     "{environment: env-2, by: ResourceOwner}", "{kind: [cloud, global]}", "{operation: [edit, delete]}"]
)  # fmt: skip
TERMS = st.sampled_from(
    ["approvals: 0", "approvals: 0, else: 3", "approvals: 0, unless_manager: forbid", "approvals: 1", "approvals: 2",
     "approvals: 1, lifetime: 7d", "forbid: Not here.", "approvals: 1, user_keys: off", "approvals: 1, risk: high"]
)  # fmt: skip
RULES = st.lists(st.tuples(MATCHES, TERMS), max_size=3).map(
    lambda rules: [f"- {{name: r{n}, match: {match}, {terms}}}\n" for n, (match, terms) in enumerate(rules)]
)
HEADS = st.sampled_from(
    ["", "", "", "roles: {people_only: true}\npeople: [{slack: U0, confluent: u-0}, {slack: U1, confluent: u-2}]\n",
     "roles: {table: '2026'}\n", "roles: {mappings: [{group: S1, role: EnvironmentAdmin, scope: env-1}]}\n",
     "roles: {mappings: [{user: U3, role: CloudClusterAdmin, scope: env-1/lkc-2}], new_accounts: [EnvironmentAdmin]}\n"]
)  # fmt: skip


def texts() -> st.SearchStrategy[tuple[str, str]]:
    """Two files that have rules in common, as before and after a change."""

    def text(head: str, rules: list[str]) -> str:
        return f"{head}rules:\n{''.join(rules)}" if rules else head

    def pair(head: str, other: str, rules: list[str], more: list[str], at: int) -> tuple[str, str]:
        new = [*rules[:at], *(each.replace("name: r", "name: n") for each in more), *rules[at:]]
        return text(head, rules), text(other, new)

    return st.builds(pair, HEADS, HEADS, RULES, RULES, st.integers(0, 3))


def snapshot_of(bindings: Iterable[Binding]) -> Snapshot:
    workspace = Workspace(TeamId("T1"), PEOPLE, {"S1": (SlackUserId("U1"), SlackUserId("U3"))})
    resources = {Kind.KAFKA: KAFKA, Kind.SCHEMA_REGISTRY: REGISTRY}
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return Snapshot(1, now, "o1", ENVIRONMENTS, resources, ACCOUNTS, USERS, tuple(bindings), workspace)


def side_of(snapshot: Snapshot, text: str) -> Side:
    cloud, people, policy = SnapshotCloud(snapshot), SnapshotPeople(snapshot.slack), file(text).policy
    return asyncio.run(Side.of(explainer(cloud, people, snapshot.slack.tenant, policy), snapshot.users))


def decided(side: Side, operation: Operation, target: Target, user: Principal) -> Verdict:
    someone, held = side.people[user]
    if someone.refusal:
        return Forbidden("", someone.refusal)
    return decide(side.policy, ask_for(someone.person, operation, target), held, is_sketch=True)


def able(
    side: Side, operation: Operation, target: Target, verdict: Verdict, requester: Principal
) -> frozenset[Principal]:
    """Each of the others, asked alone."""
    ask = ask_for(_NOBODY, operation, target)
    others = {user: each for user, each in side.people.items() if user != requester}
    found = (user for user, (someone, held) in others.items() if not someone.refusal and refusal(ask, held) is None)
    return frozenset(found) if isinstance(verdict, NeedsApproval) else frozenset()


def changes(old: Side, new: Side, operation: Operation, target: Target) -> Iterator[tuple[Change, Principal]]:
    """How each person fares, asked alone."""
    for user in old.people:
        theirs = Target(MyAccount(user), target.resource) if target.owner == ME else target
        before, after = (decided(side, operation, theirs, user) for side in (old, new))
        could, can = (able(side, operation, target, of, user) for side, of in ((old, before), (new, after)))
        rules = tuple(side.policy.rule(operation, theirs, side.people[user][1]) for side in (old, new))
        terms = tuple(_terms((rules[0], rules[1]), operation, theirs, before, after))
        both = isinstance(before, NeedsApproval) and isinstance(after, NeedsApproval)
        gained, lost = (can - could, could - can) if both else (frozenset[Principal](), frozenset[Principal]())
        found = Change(in_short(before, len(could)), in_short(after, len(can)), terms, gained, lost)
        if found.before != found.after or terms or gained or lost:
            yield found, user


def plainly(snapshot: Snapshot, old: Side, new: Side) -> list[Difference]:
    """As `compare`, with every person asked alone about every sort of request."""
    found = defaultdict[Change, defaultdict[Cell, set[Principal]]](lambda: defaultdict(set))
    places, owners = _places(snapshot, old, new), _owners(snapshot, old, new)
    for operation, (place, resource), (whose, owner) in product(Operation, places, owners):
        if operation is Operation.CREATE or not isinstance(owner, NewServiceAccount):
            for change, user in changes(old, new, operation, Target(owner, resource)):
                found[change][operation.value, resource.kind.row.label, place, whose].add(user)
    concerned = defaultdict[Change, defaultdict[frozenset[Principal], list[Cell]]](lambda: defaultdict(list))
    for change, cells in found.items():
        for cell, users in cells.items():
            concerned[change][frozenset(users)].append(cell)
    accounts = frozenset(whose for whose, owner in owners if owner.kind == "service-account")
    return [*_merged(snapshot, concerned, [*_whole(places), (accounts, "any service account")])]


def bound(user: int, role: str, place: str) -> Binding:
    return Binding(USERS[user].id, role, HERE + place)


ADMIN, OWNER = bound(1, "EnvironmentAdmin", "/environment=env-1"), bound(2, "ResourceOwner", "/service-account=sa-0")
ALONE = "rules: [{name: a, approvals: 0, unless_manager: forbid}]\n"
PEOPLE_ONLY = "roles: {people_only: true}\npeople: [{slack: U0, confluent: u-0}]\n"


@settings(max_examples=15)
@given(BINDINGS, texts())
@example([ADMIN], ("", ALONE))  # the half of a new account
@example([ADMIN, bound(0, "EnvironmentAdmin", "/environment=env-1")], (PEOPLE_ONLY, PEOPLE_ONLY + ALONE))
@example([OWNER], ("", "rules: [{name: a, match: {by: ResourceOwner}, approvals: 2}]\n"))
@example([ADMIN, OWNER], ("", "roles: {mappings: [{user: U3, role: EnvironmentAdmin, scope: env-1}]}\n"))
@example(
    [bound(3, "DeveloperRead", "/environment=env-1/cloud-cluster=lkc-0")],
    ("", ALONE.replace("{name: a,", "{name: a, match: {owner: me},")),
)
def test_it_finds_what_asking_for_each_person_alone_finds(bindings: list[Binding], texts: tuple[str, str]) -> None:
    snapshot = snapshot_of(bindings)
    old, new = (side_of(snapshot, text) for text in texts)

    def told(found: Iterable[Difference]) -> set[tuple[Change, object, object, object]]:
        return {(each.change, each.change.terms, each.people, frozenset(each.requests)) for each in found}

    expected = told(plainly(snapshot, old, new))
    event(f"differences: {min(len(expected), 3)}")
    assert told(compare(snapshot, old, new)) == expected


def everything(snapshot: Snapshot) -> Iterator[Target]:
    """Every single resource, with every single account."""
    resources: list[Resource] = [OrganizationScope(kind) for kind in Kind if kind.row.is_wide]
    resources += [each for kind in PLACED for each in snapshot.resources.get(kind, ())]
    owners: list[Owner] = [ME, ANOTHER, NewServiceAccount("", ""), *snapshot.service_accounts]
    return (Target(owner, resource) for resource in resources for owner in owners)


@settings(max_examples=6)
@given(BINDINGS, texts())
def test_what_stands_for_others_is_decided_as_each_of_them(bindings: list[Binding], texts: tuple[str, str]) -> None:
    snapshot = snapshot_of(bindings)
    old, new = (side_of(snapshot, text) for text in texts)

    def told(targets: Iterable[Target]) -> set[tuple[object, ...]]:
        return {
            (operation, target.resource.kind, target.resource.environment, target.owner.kind, change, user)
            for operation, target in product((Operation.CREATE, Operation.DELETE), targets)
            for change, user in changes(old, new, operation, target)
            if operation is Operation.CREATE or not isinstance(target.owner, NewServiceAccount)
        }

    places, owners = _places(snapshot, old, new), _owners(snapshot, old, new)
    assert told(Target(owner, place) for (_, place), (_, owner) in product(places, owners)) == told(
        everything(snapshot)
    )
