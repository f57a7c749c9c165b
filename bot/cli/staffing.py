"""Checks a policy against the organization's people: rules that too few could approve, mappings that add nothing.

It reads Confluent Cloud once, and asks Slack only about people with a role that covers what a rule is for.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product

from bot.cli.snapshot import AskedOnce, Snapshot, SnapshotCloud, observe
from bot.domain.authority import HeldRoles, Target
from bot.domain.catalog import called
from bot.domain.conditions import groups_of
from bot.domain.conditions import most as together
from bot.domain.keys import (
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Person,
    Principal,
    Resource,
    SlackUserId,
    TeamId,
)
from bot.domain.kinds import Kind
from bot.domain.policy import RULED, Policy, RoleMapping, Rule
from bot.domain.roles import Scope
from bot.policyfile import Finding, PolicyFile
from bot.policyfile.findings import of_rule
from bot.services.people.approvers import Approvers
from bot.services.people.directory import Tenant
from bot.services.ports.cloud import Inventory
from bot.services.ports.slack import People

MOST_TARGETS = 100
"""How many kinds of requests are checked for one rule."""
MOST_MET = 20
"""How many of the people with a role over one key are looked up in Slack."""
_NOBODY = Principal("?requester")


async def check_people(
    cloud: Inventory, people: People, tenant: Tenant, file: PolicyFile, now: datetime
) -> list[Finding]:
    """The findings, first about rules and then about mappings. Raises `LatchkeyError` if there is no answer."""
    organization = await observe(cloud, now)
    asked_once = AskedOnce(people)
    today = file.policy.on(now.date())
    who = Approvers(SnapshotCloud(organization), asked_once, tenant, today)
    found = [each async for each in _rules(organization, who, tenant, file)]
    return found + [each async for each in _mappings(organization, who, tenant, file)]


async def _rules(organization: Snapshot, who: Approvers, tenant: Tenant, file: PolicyFile) -> AsyncIterator[Finding]:
    requester = Person(SlackUserId(_NOBODY), tenant.team, "", "", _NOBODY)
    for index, rule in enumerate(file.policy.rules):
        wanted = rule.most_approvals
        able, conditions = dict[Target, int](), (rule.approvers,) if rule.approvers else ()
        empty = [each for each in sorted(groups_of(conditions)) if not await who.people.members(each)]
        if empty and wanted:
            text = f"no one could approve under it: Slack doesn't say who is in the user group {empty[0]}"
            yield of_rule(file, index, text, ("approvers",))
            continue
        for target in _targets(organization, who.policy, rule) if wanted else ():
            found = await who.of(target, requester, conditions, thorough=True, most=MOST_MET)
            able[target] = together(conditions, [each.member for each in found if not each.someone.refusal])
        short = [target for target, number in able.items() if number < wanted]
        if not short:
            continue
        needs = "needs 1 approval" if wanted == 1 else f"needs {wanted} approvals"
        most = max(able.values())
        if most < wanted:
            text = f"{needs}, but {_people(most)} could approve any request under it"
            yield of_rule(file, index, text, is_warning=index >= file.rules)
        else:
            fewest = min(short, key=able.__getitem__)
            text = f"{needs}, but {_people(able[fewest])} could approve {_key(fewest)}"
            yield of_rule(file, index, text, is_warning=True)


def _targets(organization: Snapshot, policy: Policy, rule: Rule) -> Sequence[Target]:
    """Examples of keys that the rule decides about: each kind, in each environment, with each type of owner.

    There are none once the rule has ended.
    """
    owners: list[Owner] = [MyAccount(_NOBODY), NewServiceAccount("", "")]
    named = [each for each in organization.service_accounts if each.id in rule.match.owners]
    owners += named or organization.service_accounts[:1]
    found, requesters = dict[Target, None](), tuple(_requesters(organization, policy, rule))
    for resource, owner, operation in product(_resources(organization, rule), owners, RULED):
        target = Target(owner, resource)
        if isinstance(owner, NewServiceAccount) and operation is not Operation.CREATE:
            continue
        if any(policy.rule(operation, target, each) is rule for each in requesters):
            found.setdefault(target)
        if len(found) == MOST_TARGETS:
            break
    return tuple(found)


def _requesters(organization: Snapshot, policy: Policy, rule: Rule) -> Iterator[HeldRoles]:
    """An example of each type of requester the rule names; if it's for everyone, someone whom no other rule names."""
    groups = frozenset[str]().union(*(each.groups for each in policy.selectors))
    anyone = Person(SlackUserId(_NOBODY), TeamId(""), "", "", _NOBODY)
    names = called(organization.environments)
    nobody = HeldRoles(anyone, (), organization.organization, policy.table, looked_up=groups, environments=names)
    by = rule.match.by
    if not by:
        yield nobody
    for user in sorted(by.users):
        yield replace(nobody, person=replace(anyone, slack=SlackUserId(user)))
    for group in sorted(by.groups):
        yield replace(nobody, groups=frozenset({group}))
    for role in sorted(by.roles):
        yield replace(nobody, bindings=(RoleMapping("", role).binding(_NOBODY, organization.organization),))


def _resources(organization: Snapshot, rule: Rule) -> Iterator[Resource]:
    for kind in Kind:
        if kind.row.is_wide:
            yield OrganizationScope(kind)
        seen = set[str]()
        for resource in organization.resources.get(kind, ()):
            if resource.id in rule.match.clusters or resource.environment not in seen:
                seen.add(resource.environment)
                yield resource


def _people(number: int) -> str:
    return {0: "no one", 1: "only 1 person"}.get(number, f"only {number} people")


def _key(target: Target) -> str:
    kind, owner = target.resource.kind.row, target.owner
    whose = {"user": "a person's own account", "new-service-account": "a new service account"}.get(owner.kind, owner.id)
    place = target.resource.environment
    return f"a {kind.label} key of {whose}{f' in {place}' if place else ''}"


async def _mappings(organization: Snapshot, who: Approvers, tenant: Tenant, file: PolicyFile) -> AsyncIterator[Finding]:
    for index, mapping in enumerate(file.policy.mappings):
        holders = [await _principal(organization, who, tenant, each) for each in await who.subjects(mapping)]
        if not holders or not all(_holds(organization, each, mapping) for each in holders):
            continue
        has = "everyone in it already has" if mapping.is_group else f"{holders[0]} already has"
        text = f"{has} {mapping.role} there, by a role binding in Confluent Cloud"
        line = file.mapping_line(index)
        yield Finding(line, f"role mapping of {mapping.subject}", text, is_warning=True)


async def _principal(organization: Snapshot, who: Approvers, tenant: Tenant, slack: SlackUserId) -> Principal | None:
    stand_in = Person(slack, tenant.team, "", "", Principal(f"?{slack}"))
    return who.someone(await who.people.profile(slack), organization.users, stand_in).principal


def _holds(organization: Snapshot, holder: Principal | None, mapping: RoleMapping) -> bool:
    wanted = Scope.parse(mapping.binding(_NOBODY, organization.organization).crn)
    theirs = [each for each in organization.role_bindings if (each.principal, each.role) == (holder, mapping.role)]
    scopes = [Scope.parse(each.crn) for each in theirs]
    return any(each.organization == wanted.organization and each.covers(wanted.path) for each in scopes)
