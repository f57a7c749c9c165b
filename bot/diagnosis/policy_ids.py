"""Looks up at Slack and Confluent Cloud what a policy file names."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.catalog import Environment, is_called, is_environment_id
from bot.domain.keys import SlackUserId
from bot.domain.kinds import PLACED, Kind
from bot.policyfile import Finding, PolicyFile
from bot.policyfile.findings import of_rule
from bot.policyfile.teams import PREFIX
from bot.policyfile.tree import KeyPath
from bot.policyfile.words import shown
from bot.services.people.directory import belongs
from bot.services.ports.cloud import Cloud
from bot.slack.api.people import SlackPeople
from bot.slack.api.workspace import Workspace, channel_problem

_KEYS: tuple[KeyPath, ...] = (
    ("channel",),
    ("notify",),
    ("break_glass", "notify"),
    ("match", "cluster"),
    ("match", "owner"),
)
"""The settings of a rule that hold IDs."""


@dataclass(frozen=True, slots=True)
class Named:
    """An ID, and where in the file it is."""

    id: str
    line: int
    where: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What Confluent Cloud shows our key: the name of each environment and the environment of each cluster, by ID."""

    environments: Mapping[str, str]
    clusters: Mapping[str, str]
    principals: frozenset[str]


async def look_up(slack: AsyncWebClient, workspace: Workspace, cloud: Cloud, file: PolicyFile) -> list[Finding]:
    """Everything in the file that doesn't exist or doesn't fit its use, ordered by line.

    Raises `LatchkeyError` if Slack or Confluent Cloud doesn't answer.
    """
    seen = await _seen(cloud)
    problems = {id_: text async for id_, text in _problems(file, slack, workspace, seen)}
    others = [each async for each in _other_people(file, SlackPeople(slack), cloud)]
    found = [Finding(each.line, each.where, problems[each.id]) for each in _named(file) if each.id in problems]
    found += [*others, *_misplaced(file, seen), *_environments(file, seen)]
    return sorted(set(found), key=lambda each: (each.line, each.text))


async def _seen(cloud: Cloud) -> Seen:
    environments, accounts, users = await asyncio.gather(cloud.environments(), cloud.service_accounts(), cloud.users())
    clusters = await asyncio.gather(*(_clusters(cloud, environment) for environment in environments))
    return Seen(
        {each.id: each.name for each in environments},
        {id_: environment.id for environment, ids in zip(environments, clusters, strict=True) for id_ in ids},
        frozenset([account.id for account in accounts] + [user.id for user in users]),
    )


async def _clusters(cloud: Cloud, environment: Environment) -> list[str]:
    """The IDs of an environment's clusters. Flink regions are left out: one can be used before anything runs in it."""
    kinds = [kind for kind in PLACED if not kind.row.is_regional]
    found = await asyncio.gather(*(cloud.resources(kind, environment) for kind in kinds))
    return [each.id for resources in found for each in resources]


def _named(file: PolicyFile) -> Iterator[Named]:
    """Every ID in the file that can be looked up."""
    yield from _in_rules(file)
    for index, mapping in enumerate(file.policy.mappings):
        line, where = file.mapping_line(index), f"role mapping of {mapping.subject}"
        yield from (Named(id_, line, where) for id_ in (mapping.subject, *_ids(mapping.scope)))
    for index, team in enumerate(file.teams):
        ids = [*team.members, *(id_ for scope in team.scopes for id_ in _ids(scope))]
        yield from (Named(id_, file.tree.line(("teams", index)), f"team {shown(team.name)}") for id_ in ids)
    for index, (user, principal) in enumerate(file.policy.people.items()):
        line = file.tree.line(("people", index))
        yield from (Named(id_, line, f"person {user}") for id_ in (str(user), str(principal)))


def _in_rules(file: PolicyFile) -> Iterator[Named]:
    places: list[tuple[KeyPath, str]] = [
        (("channel",), "the file"),
        (("defaults", "notify"), "defaults"),
        (("review", "channel"), "review"),
    ]
    for index, rule in enumerate(file.policy.rules[: file.rules]):
        places += [(("rules", index, *key), f"rule {shown(rule.name)}") for key in _KEYS]
    for place, where in places:
        if place in file.tree.lines:
            found = (each for each in _texts(file, place) if not each.startswith(PREFIX))
            yield from (Named(id_, file.tree.lines[place], where) for id_ in found)
    for index, rule in enumerate(file.policy.rules[: file.rules]):
        line, by = file.tree.line(("rules", index, "match", "by")), rule.match.by
        yield from (Named(id_, line, f"rule {shown(rule.name)}") for id_ in sorted(by.users | by.groups))
        if rule.break_glass:
            line, by = file.tree.line(("rules", index, "break_glass", "by")), rule.break_glass.by
            yield from (Named(id_, line, f"rule {shown(rule.name)}") for id_ in sorted(by.users | by.groups))
        if rule.approvers:
            line = file.tree.line(("rules", index, "approvers", "one_of"))
            ids = sorted({id_ for party in rule.approvers.one_of for id_ in party.ids})
            yield from (Named(id_, line, f"rule {shown(rule.name)}") for id_ in ids)


def _environments(file: PolicyFile, seen: Seen) -> Iterator[Finding]:
    """The environments in the file, by ID, name or wildcard, that don't exist."""
    named: list[tuple[KeyPath, str, Sequence[str]]] = [
        (("teams", index, "environments"), f"team {shown(team.name)}", team.environments)
        for index, team in enumerate(file.teams)
    ]
    for index, rule in enumerate(file.policy.rules[: file.rules]):
        place: KeyPath = ("rules", index, "match", "environment")
        if place in file.tree.lines:
            named.append((place, f"rule {shown(rule.name)}", _texts(file, place)))
    for place, where, words in named:
        for word in words:
            if not word.startswith(PREFIX) and (text := _no_environment(word, seen)):
                yield Finding(file.tree.line(place), where, text)


def _no_environment(word: str, seen: Seen) -> str | None:
    if is_environment_id(word):
        return _at_confluent(word, seen)
    names = seen.environments.values()
    if any(is_called(name, word) for name in names):
        return None
    near = next((name for name in names if is_called(name.lower(), word.lower())), None)
    what = "whose name matches" if "*" in word else "called"
    more = f": {shown(near)} is written in another case" if near else ""
    return f"Latchkey can't find an environment {what} {shown(word)} in Confluent Cloud{more}"


def _texts(file: PolicyFile, place: KeyPath) -> list[str]:
    """The words at a place in the file, which may be a list or a single word."""
    found: Any = file.tree.value
    for part in place:
        found = found[part]
    if place[-1] == "notify" and isinstance(found, str):
        return []  # `closest` and `none` aren't IDs
    return cast("list[str]", found) if isinstance(found, list) else [found]


def _ids(scope: str) -> list[str]:
    return [value for _, _, value in (part.partition("=") for part in scope.split("/")) if value]


async def _problems(
    file: PolicyFile, slack: AsyncWebClient, workspace: Workspace, seen: Seen
) -> AsyncIterator[tuple[str, str]]:
    """Each ID in the file that has a problem, and the problem. Asks one at a time, because of Slack's rate limits."""
    for id_ in dict.fromkeys(each.id for each in _named(file)):
        text = await _at_slack(id_, slack, workspace) if id_[0].isupper() else _at_confluent(id_, seen)
        if text is not None:
            yield id_, text


async def _at_slack(id_: str, slack: AsyncWebClient, workspace: Workspace) -> str | None:
    people = SlackPeople(slack)
    if id_[0] in "CG":
        return await channel_problem(slack, id_)
    if id_[0] == "S":
        return None if await people.members(id_) else f"the user group {id_} is empty, or Slack has no such group"
    profile = await people.profile(SlackUserId(id_))
    if profile is None:
        return f"Slack has no user {id_}"
    if not belongs(workspace.tenant, profile.team, profile.enterprise, profile.teams):
        return f"{id_} is in another workspace: only members of this one can use Latchkey"
    if profile.deleted or profile.is_bot or profile.is_guest:
        return f"{id_} is deactivated, a bot or a guest, and can't use Latchkey"
    return None


async def _other_people(file: PolicyFile, people: SlackPeople, cloud: Cloud) -> AsyncIterator[Finding]:
    """Lines of `people` that contradict an email address: Latchkey then takes someone for another person."""
    users = await cloud.users()
    for index, (user, principal) in enumerate(file.policy.people.items()):
        line, where = file.tree.line(("people", index)), f"person {user}"
        profile = await people.profile(user)
        address = profile.email if profile else ""
        for other in (each for each in users if each.email == address != "" and each.id != principal):
            text = f"the address {address} belongs to {other.id}, but this line matches {user} to {principal}"
            yield Finding(line, where, text, is_warning=True)
        for named in (each for each in users if each.id == principal and each.email not in {"", address}):
            owner = await people.by_email(named.email)
            if owner is not None and owner.id != user:
                text = f"{principal} has the address of {owner.id}, so {owner.id} and {user} count as one person"
                yield Finding(line, where, text, is_warning=True)


def _at_confluent(id_: str, seen: Seen) -> str | None:
    prefix = id_.partition("-")[0]
    known = {
        "env": seen.environments,
        "sa": seen.principals,
        "u": seen.principals,
    }.get(prefix, seen.clusters if Kind.of_id(id_) else None)
    return f"Latchkey can't find {id_} in Confluent Cloud" if known is not None and id_ not in known else None


def _misplaced(file: PolicyFile, seen: Seen) -> Iterator[Finding]:
    """Clusters that aren't in any of the environments named with them, so that the line matches nothing."""
    for index, rule in enumerate(file.policy.rules[: file.rules]):
        for cluster in sorted(rule.match.clusters & seen.clusters.keys()):
            environment = seen.clusters[cluster]
            if not rule.match.covers(environment, seen.environments[environment]):
                text = f"{cluster} is in {seen.clusters[cluster]}, which the rule doesn't name, so it never matches"
                yield of_rule(file, index, text, ("match", "cluster"))
    for index, mapping in enumerate(file.policy.mappings):
        ids = _ids(mapping.scope)
        for cluster in ids[1:]:
            if seen.clusters.get(cluster, ids[0]) != ids[0]:
                text = f"{cluster} is in {seen.clusters[cluster]}, not in {ids[0]}, so the role applies nowhere"
                yield Finding(file.mapping_line(index), f"role mapping of {mapping.subject}", text)
