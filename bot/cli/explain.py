"""`latchkey policy explain`, `who-can-approve` and `snapshot`.

Exit codes: 0 it's allowed or enough people could approve it, 1 it's forbidden or too few could, 2 it can't be checked.

Imports are inside the functions, as in `bot.cli.main`.
"""

import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bot.cli.terminal import cloud_settings, complete, fail
from bot.domain.keys import Operation
from bot.domain.kinds import Kind

User = Annotated[str, typer.Option("--user", metavar="ADDRESS", help="The requester: an email address, or u-….")]
Doing = Annotated[Operation, typer.Option("--operation", help="The operation.")]
OfKind = Annotated[Kind, typer.Option("--kind", help="The kind of key.")]
For = Annotated[str, typer.Option("--resource", metavar="ID", help="A cluster, or a region such as aws.us-east-1.")]
OwnedBy = Annotated[str, typer.Option("--owner", metavar="OWNER", help="me, new, or a service account's ID or name.")]
Within = Annotated[
    str,
    typer.Option("--environment", metavar="ID", help="The environment of the resource; looked up if omitted."),
]
Wanted = Annotated[
    list[str] | None,
    typer.Option(
        "--access",
        metavar="NAME=TEXT",
        help="Access requested with a new key, as in the form: 'Write topics=orders-'. Repeat it for more.",
    ),
]
Also = Annotated[
    str,
    typer.Option("--also", metavar="ID", help="The Schema Registry for a second key, requested with the Kafka key."),
]
InEmergency = Annotated[bool, typer.Option("--break-glass", help="Use break-glass, without an approval.")]
ByPolicy = Annotated[
    Path | None,
    typer.Option(
        "--policy", metavar="FILE", envvar="LATCHKEY_POLICY", help="A policy file; the built-in rules if omitted."
    ),
]
OnSnapshot = Annotated[
    Path | None,
    typer.Option("--snapshot", metavar="FILE", help="Use this snapshot instead of asking Slack and Confluent."),
]
CardsIn = Annotated[str, typer.Option("--channel", envvar="LATCHKEY_CHANNEL", hidden=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

if TYPE_CHECKING:
    from bot.cli.snapshot import Snapshot
    from bot.domain.access import WantedBinding
    from bot.domain.authority import Target
    from bot.domain.keys import Cluster, Resource
    from bot.domain.policy import Policy
    from bot.services.people.directory import Tenant
    from bot.services.people.explain import Explainer, Explanation
    from bot.services.ports.cloud import Inventory
    from bot.services.ports.slack import People
    from bot.settings import CloudSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """The request that the options describe."""

    user: str
    operation: Operation
    kind: Kind
    resource: str
    owner: str
    environment: str
    access: Sequence[str] = ()
    """Each is an entry's name in the policy's list, `=`, and the text typed for it."""
    also: str = ""
    """The Schema Registry of a pair; "" for none."""
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to get the answer from."""

    policy: Path | None
    snapshot: Path | None = None
    channel: str = ""
    live: "CloudSettings | None" = None
    """How to reach Slack and Confluent Cloud; None if a snapshot is used instead."""


def explain(  # noqa: PLR0913 -- one for each option
    *,
    user: User,
    operation: Doing = Operation.CREATE,
    kind: OfKind,
    resource: For = "",
    owner: OwnedBy,
    environment: Within = "",
    access: Wanted = None,
    also: Also = "",
    break_glass: InEmergency = False,
    policy: ByPolicy = None,
    snapshot: OnSnapshot = None,
    channel: CardsIn = "",
    as_json: AsJson = False,
) -> None:
    """Show how a request would be decided: by which rule, what each role gives, and who could approve.

    Exits with 1 if the request is forbidden, or if too few people could approve it.
    """
    from bot.cli import explanation as explained

    question = Question(user, operation, kind, resource, owner, environment, access or (), also, break_glass)
    explanation, names = _answered(question, Sources(policy, snapshot, channel))
    if as_json:
        print_json(explained.as_json(explanation, names))
    else:
        typer.echo(explained.as_text(explanation, names))
    raise typer.Exit(0 if explanation.is_possible else 1)


def who_can_approve(  # noqa: PLR0913 -- one for each option
    *,
    user: User,
    operation: Doing = Operation.CREATE,
    kind: OfKind,
    resource: For = "",
    owner: OwnedBy,
    environment: Within = "",
    access: Wanted = None,
    also: Also = "",
    policy: ByPolicy = None,
    snapshot: OnSnapshot = None,
    channel: CardsIn = "",
    as_json: AsJson = False,
) -> None:
    """List the people who could approve a request, and by which role.

    Exits with 1 if the request is forbidden, or if too few people could approve it.
    """
    from bot.cli import explanation as explained

    question = Question(user, operation, kind, resource, owner, environment, access or (), also)
    explanation, names = _answered(question, Sources(policy, snapshot, channel))
    if as_json:
        print_json(explained.approvers_as_json(explanation, names))
    elif explanation.able:
        typer.echo(explained.approvers_as_text(explanation, names))
    typer.echo(explained.notes(explanation, names), err=True)
    raise typer.Exit(0 if explanation.is_possible else 1)


def snapshot(
    *,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The file to write; standard output if omitted.")
    ] = None,
    policy: ByPolicy = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="ADDRESS", help="Someone in Slack who may have no Confluent Cloud user."),
    ] = None,
    channel: CardsIn = "",
) -> None:
    """Save everything that decisions depend on, for `explain` and `who-can-approve` to use.

    It contains names, email addresses and roles, but no keys or secrets. Only the owner of FILE can read it.
    """
    sources = Sources(policy, channel=channel, live=cloud_settings())
    taken = finished(lambda: _taken(sources, include or ()))
    if output is None:
        typer.echo(taken.dump(), nl=False)
        return
    try:
        _write_private(output, taken.dump())
    except OSError as error:
        fail(f"{output} can't be written: {error.strerror}")


def _answered(question: Question, sources: Sources) -> tuple["Explanation", dict[str, str]]:
    found = reached(sources)
    return finished(lambda: _answer(question, found))


def reached(sources: Sources) -> Sources:
    """The sources, with settings unless there is a snapshot. Ends the program with 2 if the settings are invalid."""
    return sources if sources.snapshot else replace(sources, live=cloud_settings())


async def _answer(question: Question, sources: Sources) -> tuple["Explanation", dict[str, str]]:
    from bot.services.catalog.index import all_names
    from bot.services.people.approvers import names_of

    async with opened(sources) as who:
        explanation = await answer(who, question)
        return explanation, {**await all_names(who.cloud), **names_of(explanation.target)}


async def answer(who: "Explainer", question: Question) -> "Explanation":
    """What would be decided. Raises `NotFound` for unknown names, and `LatchkeyError` if there is no answer."""
    from bot.domain.authority import Target
    from bot.services.catalog.index import find_owner, find_resource

    someone = await who.find(question.user)
    owner = await find_owner(who.cloud, question.owner, someone.person, question.operation)
    resource = await find_resource(who.cloud, question.kind, question.resource, question.environment)
    target = Target(owner, resource, also=await _also(who.cloud, question, resource))
    target = replace(target, bindings=_bindings(who.policy, question, target))
    return await who.explain(someone, question.operation, target, break_glass=question.break_glass)


async def _also(cloud: "Inventory", question: Question, resource: "Resource") -> "Cluster | None":
    """The Schema Registry of a pair. Raises `NotFound` if it doesn't exist, or if there can't be a pair."""
    from bot.domain.errors import NotFound
    from bot.domain.keys import Cluster
    from bot.services.catalog.index import find_resource

    if not question.also:
        return None
    kind = Kind.called(resource.kind.row.companion)
    if kind is None or question.operation is not Operation.CREATE:
        raise NotFound("--also: only a new Kafka key can be requested together with one for Schema Registry.")
    found = await find_resource(cloud, kind, question.also, resource.environment)
    return found if isinstance(found, Cluster) else None


def _bindings(policy: "Policy", question: Question, target: "Target") -> "tuple[WantedBinding, ...]":
    """The role bindings requested with the keys. Raises `NotFound` for access that can't be requested."""
    from bot.domain.errors import NotFound
    from bot.domain.keys import MyAccount
    from bot.services.commands import Draft, Wish
    from bot.services.form.access import offered, wanted

    if not question.access:
        return ()
    is_own = isinstance(target.owner, MyAccount) or question.operation is not Operation.CREATE
    kinds = [each.kind for each in target.resources]
    offers = {each.name: each for each in offered(policy.offers, *kinds, is_own=is_own)}
    wishes: list[Wish] = []
    for each in question.access:
        name, _, typed = each.partition("=")
        if name.strip() not in offers:
            listed = f" It can be {', '.join(offers)}." if offers else " There is none for this request."
            raise NotFound(f"--access: no “{name.strip()}” can be requested.{listed}")
        wishes.append(Wish(offers[name.strip()].id, typed))
    bindings, problems = wanted(Draft(access=tuple(wishes)), tuple(offers.values()), *target.resources, is_own=False)
    if problems:
        raise NotFound(f"--access: {' '.join(problems.values())}")
    return bindings


async def _taken(sources: Sources, include: Sequence[str]) -> "Snapshot":
    from datetime import UTC, datetime

    from bot.cli.snapshot import take

    async with opened(sources) as live:
        return await take(live.cloud, live.people, live.policy, live.tenant, datetime.now(UTC), include)


@asynccontextmanager
async def opened(sources: Sources) -> AsyncGenerator["Explainer"]:
    """Yield an explainer over the snapshot if there is one, otherwise over Slack and Confluent Cloud as of now."""
    if sources.live is None:
        from bot.cli.snapshot import SnapshotCloud, SnapshotPeople, read

        found = read(sources.snapshot or Path())
        people, policy = SnapshotPeople(found.slack), _policy(sources.policy, sources.channel)
        yield explainer(SnapshotCloud(found), people, found.slack.tenant, policy)
        return

    from bot.connections import opened_clouds
    from bot.slack.api.people import SlackPeople

    policy = _policy(sources.policy, sources.channel)
    async with opened_clouds(sources.live) as clouds:
        yield explainer(clouds.cloud, SlackPeople(clouds.slack), clouds.workspace.tenant, policy)


def explainer(cloud: "Inventory", people: "People", tenant: "Tenant", policy: "Policy") -> "Explainer":
    """Build the object that explains decisions over an organization and a workspace."""
    from bot.services.people.approvers import Approvers
    from bot.services.people.explain import Explainer

    return Explainer(cloud, people, tenant, policy, Approvers(cloud, people, tenant, policy))


def _policy(file: Path | None, channel: str) -> "Policy":
    from datetime import UTC, datetime

    from bot.domain.policy import without_a_file
    from bot.policyfile import read

    policy = without_a_file(channel) if file is None else read(file, default_channel=channel).policy
    return policy.on(datetime.now(UTC).date())


def finished(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` and return its result. Ends the program with 2 if it can't be answered, or 75 if it may be later."""

    async def guarded() -> T:
        from html import unescape

        from bot.cli.snapshot import SnapshotError
        from bot.domain.errors import LatchkeyError
        from bot.policyfile import PolicyError
        from bot.settings import StartupError

        try:
            return await work()
        except LatchkeyError as error:
            raise StartupError(unescape(error.tell)) from None
        except (PolicyError, SnapshotError) as error:
            raise StartupError(str(error)) from None

    return complete(guarded())


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor, not a path
        os.fchmod(descriptor, 0o600)  # an existing file may be readable for others
        file.truncate()
        file.write(text)
