"""A stricter rule that loses requests to a looser one before it: each finding has a request that shows it."""

from dataclasses import replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bot.domain.authority import HeldRoles, Target
from bot.domain.conditions import Condition, Party
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, decide
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
    Resource,
    ServiceAccount,
    SlackUserId,
)
from bot.domain.kinds import CLOUDS, Shape
from bot.domain.policy import CHANGES, ME, NEW_SERVICE_ACCOUNT, RULED, Match, Policy, Rule, Selector
from bot.policyfile.losses import NEVER, losses, needed
from bot.policyfile.reach import Example, Reach
from tests.policy.test_findings import EVERY_ASK, MATCHES
from tests.policy.written import findings
from tests.support.build import DANA, HERS, NEWEST, an_ask, crn, holding

GROUPS = frozenset({"S1", "S2"})
BY = st.sampled_from([(), (), ("S1",), ("S2",), ("U1",), ("U2", "S1")]).map(lambda words: Selector.of(*words))
RULES = st.lists(
    st.builds(
        lambda match, approvals, otherwise, forbid, user_keys, approvers: Rule(
            "", match, "C1", approvals, otherwise, forbid, user_keys=user_keys, approvers=approvers
        ),
        MATCHES,
        st.sampled_from((0, 0, 1, 2)),
        st.sampled_from((1, 2, None)),
        st.sampled_from(("", "", "Not here.")),
        st.booleans(),
        st.sampled_from((None, None, Condition(barred=("owner",)), Condition((Party(("S1",)),), ("owner",)))),
    ),
    min_size=2,
    max_size=5,
).map(lambda rules: tuple(replace(rule, name=str(number)) for number, rule in enumerate(rules)))


def resource_of(example: Example) -> Resource:
    """What such a key opens; ids that no rule names stand for "any other"."""
    kind, place = example.kind, example.environment or "env-unnamed"
    match kind.row.shape:
        case Shape.ORGANIZATION:
            return OrganizationScope(kind)
        case Shape.REGION:
            return FlinkRegion(example.cluster or f"{CLOUDS[0]}.unnamed-1", place, place)
        case Shape.KSQL:
            return KsqlCluster(example.cluster or "lksqlc-unnamed", "", place, place, "lkc-unnamed")
        case _:
            id_ = example.cluster or f"{kind.row.prefix}unnamed"
            return Cluster(kind, id_, id_, place, place)


def owner_of(example: Example, *, manages: bool) -> Owner:
    match example.owner:
        case "me":
            return HERS if example.operation in CHANGES and not manages else MyAccount(DANA.principal)
        case "new-service-account":
            return NewServiceAccount("new", "")
        case _:
            return ServiceAccount(Principal(example.owner or "sa-unnamed"), "unnamed")


def requester(by: frozenset[str] = frozenset(), *, manages: bool) -> HeldRoles:
    """Someone who is in these groups, and has this Slack id, where one is among them."""
    held = holding(DANA, *[("OrganizationAdmin", crn())] * manages, table=NEWEST)
    slack = next((SlackUserId(each) for each in by if each.startswith("U")), DANA.slack)
    person = replace(DANA, slack=slack)
    return replace(held, person=person, groups=by & GROUPS, looked_up=GROUPS)


def asked_of(policy: Policy, example: Example, *, manages: bool) -> tuple[str, int]:
    """The rule that decides about such a request, and how many approvals it asks for."""
    owner, resource = owner_of(example, manages=manages), resource_of(example)
    who = requester(example.by, manages=manages)
    ask = an_ask(requester=who.person, operation=example.operation, owner=owner, resource=resource)
    match decide(policy, ask, who):
        case Forbidden(rule):
            return rule, NEVER
        case NeedsApproval(terms, missing):
            return terms.rule, missing
        case Allowed(terms):
            return terms.rule, 0


@pytest.mark.search
@given(RULES, st.lists(BY, min_size=5, max_size=5))
def test_each_loss_is_shown_by_a_request_that_is_decided_as_it_says(
    rules: tuple[Rule, ...], selectors: list[Selector]
) -> None:
    pairs = zip(rules, selectors, strict=False)
    rules = tuple(replace(rule, match=replace(rule.match, by=by)) for rule, by in pairs)
    policy, found = Policy(rules, table=NEWEST), 0
    for index, rule in enumerate(rules):
        for loss in losses(Reach(policy), rules, index):
            found += 1
            alone = Policy((rule,), table=NEWEST)
            decided = asked_of(policy, loss.example, manages=loss.manages)
            assert decided == (rules[loss.earlier].name, loss.decided)
            assert asked_of(alone, loss.example, manages=loss.manages) == (rule.name, loss.wanted)
            assert loss.earlier < index
            assert loss.decided < loss.wanted or (loss.lacks and loss.decided == loss.wanted)
    event(f"losses: {min(found, 3)}")


@pytest.mark.search
@given(RULES)
def test_no_loss_is_missed_but_that_to_an_exception(rules: tuple[Rule, ...]) -> None:
    """Counted by hand: over every request, who decides it, and what the rule behind would have asked for."""
    policy = Policy(rules, table=NEWEST)
    decided = [(ask, rule) for ask in EVERY_ASK if (rule := policy.rule(*ask, None)) is not None]
    for index, rule in enumerate(rules):
        found = {loss.earlier for loss in losses(Reach(policy), rules, index)}
        for earlier, other in enumerate(rules[:index]):
            said = rule.match.operations or {*RULED}
            theirs = [ask for ask, by in decided if by is other and ask[0] in said]
            both = [ask for ask in theirs if rule.match.speaks_of(*ask)]
            is_looser = any(
                is_less(other, rule, example_of(*ask), manages=manages) for ask in both for manages in (True, False)
            )
            assert (earlier in found) == (is_looser and len(both) < len(theirs))


def is_less(one: Rule, other: Rule, example: Example, *, manages: bool) -> bool:
    """Whether the first rule is less strict about such a request. Any two conditions in `RULES` can be compared."""
    number, others = (needed(each, example, manages=manages) for each in (one, other))
    if number != others or number in {0, NEVER}:
        return number < others
    mine, theirs = one.approvers or Condition(), other.approvers or Condition()
    has_owners = example.owner not in {ME, NEW_SERVICE_ACCOUNT}
    return len(mine.one_of) < len(theirs.one_of) or (has_owners and len(mine.barred) < len(theirs.barred))


def example_of(operation: Operation, target: Target) -> Example:
    resource, kind = target.resource, target.owner.kind
    owner = {"user": ME, "new-service-account": NEW_SERVICE_ACCOUNT}.get(kind, target.owner.id)
    return Example(operation, resource.kind, resource.environment, resource.id, owner)


OWN_FIRST = """rules:
- {name: own, match: {owner: me}, approvals: 0}
- {name: prod, match: {environment: env-prod01, operation: create}, forbid: No keys in production.}
- {name: wide, match: {kind: [cloud, global]}, forbid: Ask us.}
"""


def test_a_rule_that_loses_a_part_to_a_looser_one_is_found_with_an_example() -> None:
    def loss(kind: str, place: str) -> str:
        return (
            'part of what it matches is decided by "own" above it, which is less strict. '
            f"Example: creating a {kind} key of the "
            f'requester\'s own account{place}, by someone who manages it: "own" requires no approval, this rule '
            f'refuses it. Move this rule up, or narrow "own". '
            "If that's intended, add a rule for just that part above both"
        )

    assert [line for line in findings(OWN_FIRST) if "warning" not in line] == [
        f'5: rule "prod": {loss("Kafka", " in env-prod01")}',
        f'6: rule "wide": {loss("Cloud resource management", "")}',
    ]


@pytest.mark.parametrize(
    ("rules", "is_warning"),
    [
        ("{name: a, match: {owner: me}, approvals: 0}|{name: b, match: {kind: kafka}, approvals: 1}", False),
        ("{name: a, match: {owner: me}}|{name: b, match: {kind: kafka}, user_keys: off}", False),
        ("{name: a, match: {operation: delete}}|{name: b, match: {kind: kafka}, approvals: 2}", True),
        (
            "{name: a, match: {owner: me}, approvals: 0}|{name: b, match: {kind: kafka}, approvals: 0, else: 2}",
            True,
        ),
    ],
)
def test_fewer_approvals_are_a_warning_and_none_or_no_refusal_are_a_mistake(rules: str, *, is_warning: bool) -> None:
    written = "rules:\n" + "".join(f"- {rule}\n" for rule in rules.split("|"))

    (found,) = [line for line in findings(written) if "less strict" in line]

    assert found.startswith("5: warning: " if is_warning else '5: rule "b"')


def test_as_many_approvals_by_more_people_are_a_warning_that_names_what_is_lost() -> None:
    rules = """rules:
- {name: all, match: {owner: [service-account, new-service-account]}, approvals: 2}
- {name: prod, match: {environment: env-prod01}, approvals: 2,
   approvers: {one_of: [team:ops, team:leads], distinct: true, not: [owner]}}
teams: [{name: ops, members: [S1]}, {name: leads, members: [S2]}]
"""

    (found,) = findings(rules)

    assert found == (
        '5: warning: rule "prod": part of what it matches is decided by "all" above it, which is less strict. '
        "Example: creating a Kafka key of a service account in env-prod01, by someone who manages it: "
        '"all" requires 2 approvals, this rule requires 2 approvals and is stricter about who approves '
        '(one_of, not: owner, distinct). Move this rule up, or narrow "all". '
        "If that's intended, add a rule for just that part above both"
    )


def test_an_example_is_about_an_account_that_has_owners_where_that_matters() -> None:
    rules = """rules:
- {name: kafka, match: {kind: kafka, owner: service-account}, approvals: 2}
- {name: all, match: {owner: [service-account, new-service-account]}}
- {name: prod, match: {environment: env-prod01}, approvers: {not: [owner]}}
"""

    (found,) = findings(rules)

    assert "a Schema Registry key of a service account in env-prod01, by" in found


@pytest.mark.parametrize(
    ("upper", "lower", "place"),
    [
        ("prod-*", "'*-eu'", 'an environment called "*-eu" and "prod-*"'),
        ("prod-*", "[prod-eu, dev]", 'an environment called "prod-eu"'),
        ("[env-1, prod]", "[env-1, dev]", "env-1"),
    ],
)
def test_environments_by_name_are_told_by_what_rules_call_them(upper: str, lower: str, place: str) -> None:
    rules = f"{{name: a, match: {{environment: {upper}}}}}|{{name: b, match: {{environment: {lower}}}, forbid: No.}}"

    (found,) = [line for line in findings("rules:\n- " + rules.replace("|", "\n- ")) if "less strict" in line]

    assert f" key of the requester's own account in {place}, by " in found


def test_an_environment_by_id_may_have_any_name_but_that_alone_is_no_finding() -> None:
    text = "rules:\n- {name: a, match: {environment: dev-*}}\n- {name: b, match: {environment: env-1}, forbid: No.}\n"

    assert findings(text) == []


SOME, OWNERS = "approvers: {one_of: [team:ops]}", "approvers: {not: [owner]}"
TWO = "{name: b, match: {kind: kafka}, approvals: 2}"


@pytest.mark.parametrize(
    "rules",
    [
        "{name: a, match: {owner: me, kind: kafka}, approvals: 0}|{name: b, match: {kind: kafka}, approvals: 2}",
        "{name: a, match: {owner: me}, forbid: no way}|{name: b, match: {kind: kafka}, approvals: 2}",
        "{name: a, match: {owner: me}, approvals: 2}|{name: b, match: {kind: kafka}, approvals: 1}",
        f"{{name: c, match: {{owner: me, kind: kafka}}}}|{{name: a, match: {{owner: me}}}}|{TWO}",
        "{name: a, match: {owner: me, kind: kafka}}|{name: b, match: {operation: create, kind: kafka}, approvals: 2}",
        f"{{name: a, match: {{kind: kafka}}, {SOME}}}|{{name: b, match: {{environment: env-1}}, {OWNERS}}}",
        f"{{name: a, match: {{kind: kafka}}, {SOME}}}|{{name: b, match: {{environment: env-1}}}}",
        f"{{name: a, match: {{owner: me}}}}|{{name: b, match: {{environment: env-1}}, {OWNERS}}}",
        f"{{name: a, match: {{owner: new-service-account}}}}|{{name: b, match: {{environment: env-1}}, {OWNERS}}}",
        f"{{name: a, match: {{kind: kafka}}, {SOME}}}|{{name: b, match: {{environment: env-1}}, {SOME}}}",
        f"{{name: a, match: {{kind: kafka}}, forbid: Never.}}|{{name: b, match: {{environment: env-1}}, {SOME}}}",
    ],
)
def test_an_exception_and_a_stricter_rule_before_are_fine(rules: str) -> None:
    teams = "teams: [{name: ops, members: [S1]}]\n" if SOME in rules else ""

    assert findings(f"{teams}rules:\n" + "".join(f"- {rule}\n" for rule in rules.split("|"))) == []


def test_a_file_with_hundreds_of_rules_that_overlap_is_checked_in_the_end() -> None:
    named = [frozenset({f"env-{n}", f"env-{n + 1}", f"env-only-{n}"}) for n in range(150)]
    rules = tuple(Rule(str(n), Match(environments=each), "C1", n % 3) for n, each in enumerate(named))
    reach = Reach(Policy(rules))

    assert sum(1 for index in range(len(rules)) for _ in losses(reach, rules, index)) > 50
