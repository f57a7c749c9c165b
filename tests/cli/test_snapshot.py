"""A snapshot: what is in it, what never is, and that it answers what Confluent Cloud and Slack answered."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.cli.explain import explainer
from bot.cli.snapshot import Snapshot, SnapshotCloud, SnapshotError, SnapshotPeople, parse, read, take
from bot.confluent.client import Client
from bot.confluent.cloud import ConfluentCloud
from bot.domain.authority import Target, describe
from bot.domain.errors import NotFound, Throttled, Unavailable
from bot.domain.keys import Operation, Secret, SlackUserId, TeamId
from bot.domain.kinds import Kind
from bot.policyfile import parse as parse_policy
from bot.services.catalog.index import find_owner, find_resource
from bot.services.people.approvers import Approver, Someone, names_of
from bot.services.people.directory import Tenant
from bot.services.people.explain import Explainer
from bot.services.ports.slack import People, Profile
from bot.slack.api.people import SlackPeople
from sandbox.cast import CAST, ORG_CRN, ORGANIZATION, TEAM
from sandbox.confluent import BOT_KEY
from sandbox.slack.web_api import BOT_TOKEN
from tests.cli.given import POLICY, acme
from tests.support.processes import latchkey

NOW = datetime(2026, 3, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Explainer]:
    """Confluent Cloud and Slack themselves."""
    async with acme(tmp_path) as (here, environment):
        secret = Secret(here.organization.secrets_issued[BOT_KEY])
        slack = AsyncWebClient(BOT_TOKEN, base_url=environment["SLACK_API_URL"])
        async with Client(here.confluent_url, BOT_KEY, secret, version="0") as client:
            policy = parse_policy(POLICY.encode(), default_channel="").policy
            yield explainer(ConfluentCloud(client), SlackPeople(slack), Tenant(TeamId(TEAM)), policy)


def offline(org: Path) -> Explainer:
    found = read(org)
    policy = parse_policy(POLICY.encode(), default_channel="").policy
    return explainer(SnapshotCloud(found), SnapshotPeople(found.slack), found.slack.tenant, policy)


# --- what is in it ------------------------------------------------------------------------------------------------


def test_it_holds_the_organization_and_whom_slack_knows(org: Path) -> None:
    content = json.loads(org.read_text())

    assert content["version"] == 1
    assert content["organization"] == ORGANIZATION
    assert [each["id"] for each in content["environments"]] == ["env-dev001", "env-prod01"]
    assert len(content["kafka_clusters"]) == 5
    assert {each["id"] for each in content["schema_registries"]} == {"lsrc-dev01", "lsrc-prod01"}
    assert [(each["id"], each["kafka_cluster"]) for each in content["ksql_clusters"]] == [
        ("lksqlc-dev01", "lkc-dev001"),
        ("lksqlc-dev02", "lkc-dev002"),
        ("lksqlc-prod1", "lkc-prod01"),
    ]
    assert {(each["environment"], each["id"]) for each in content["flink_regions"]} == {
        ("env-dev001", "aws.us-east-1"),
        ("env-dev001", "azure.westeurope"),
        ("env-prod01", "aws.us-east-1"),
        ("env-prod01", "aws.eu-central-1"),
    }
    bound = {(each["principal"], each["role"], each["crn"]) for each in content["role_bindings"]}
    assert bound >= {(who.principal, *binding) for who in CAST for binding in who.bindings}
    assert content["slack"]["groups"] == {"S0PLATFORM": ["U0OLGA", "U0RAVI"]}
    assert {each["id"] for each in content["slack"]["people"]} >= {"U0DANA", "U0GUS", "U0TESS"}


def test_it_holds_no_secret_and_no_key(org: Path, folder: Path) -> None:
    text, secrets = org.read_text(), (folder / "secrets").read_text().splitlines()

    assert len(secrets) > 20
    assert [secret for secret in secrets if len(secret) > 6 and secret in text and secret != "C0APPROVE"] == []


def test_only_its_owner_can_read_the_file_although_it_was_there_before(org: Path) -> None:
    assert stat.S_IMODE(org.stat().st_mode) == 0o600


def test_it_reads_back_as_it_was_written(org: Path) -> None:
    found = read(org)

    assert found.dump() == org.read_text()
    assert parse(found.dump()) == found


@pytest.fixture
def longer(org: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An older snapshot, longer than the new one will be."""
    file = tmp_path_factory.mktemp("older") / "org.json"
    file.write_text(org.read_text() + " " * 10_000)
    return file


async def test_it_goes_to_standard_output_or_replaces_a_file(
    org: Path, policy: Path, longer: Path, tmp_path: Path
) -> None:
    async with acme(tmp_path) as (_, environment):
        printed = await latchkey("policy", "snapshot", "--policy", str(policy), **environment)
        replaced = await latchkey("policy", "snapshot", "--output", str(longer), **environment)
        failed = await latchkey("policy", "snapshot", "--output", str(longer / "org.json"), **environment)

    taken, written, before = parse(printed.out), read(longer), read(org)
    assert (printed.code, replaced.code) == (0, 0)
    assert taken.users == written.users == before.users
    assert set(taken.role_bindings) == set(written.role_bindings) == set(before.role_bindings)
    assert (taken.slack, written.slack.groups) == (before.slack, {})
    assert (failed.code, failed.out) == (2, "")
    assert "can't be written" in failed.err


# --- whom it knows ------------------------------------------------------------------------------------------------

NOT_MATCHED = ("gus@contractor.example", "nora@acme.example", "vera@acme.example", "lee@acme.example",
               "xavi@partner.example", "ivo@acme.example", "tess@acme.example", "nobody@acme.example")  # fmt: skip
LATER = """version: 1
channel: C0APPROVE
people: [{slack: U0NORA, confluent: u-vera01}, {slack: U0GUS, confluent: u-lena01}]
"""


async def taken_without_a_policy(live: Explainer, *include: str) -> Snapshot:
    plain = parse_policy(b"{version: 1, channel: C0APPROVE}", default_channel="").policy
    return await take(live.cloud, live.people, plain, live.tenant, NOW, include)


def explained(live: Explainer, taken: Snapshot, policy: str) -> tuple[Explainer, Explainer]:
    """Over Slack and Confluent, and over the snapshot."""
    read_ = parse_policy(policy.encode(), default_channel="").policy
    there = explainer(live.cloud, live.people, live.tenant, read_)
    return there, explainer(SnapshotCloud(taken), SnapshotPeople(taken.slack), taken.slack.tenant, read_)


async def found(who: Explainer, word: str) -> Someone | str:
    try:
        return await who.find(word)
    except NotFound as error:
        return error.tell


async def test_p8_people_who_are_not_matched_are_as_in_slack(live: Explainer) -> None:
    taken = parse((await taken_without_a_policy(live, *NOT_MATCHED)).dump())

    for policy in (POLICY, LATER):
        there, here = explained(live, replace(taken, slack=replace(taken.slack, groups={"S0PLATFORM": ()})), policy)
        for word in (*NOT_MATCHED, "u-vera01", "u-lena01", "u-lee001"):
            assert await found(here, word) == await found(there, word), (policy, word)


async def test_p8_what_a_snapshot_cannot_know_is_said_and_decides_nothing(live: Explainer) -> None:
    _, here = explained(live, await taken_without_a_policy(live), LATER)

    with pytest.raises(Unavailable, match=r"doesn't say who nora@acme\.example is in Slack\. Take one with `--include"):
        await here.find("nora@acme.example")
    with pytest.raises(Unavailable, match=r"doesn't say who U0NORA is in Slack\. Take one with this policy\."):
        await here.find("u-vera01")


async def test_p8_a_snapshot_from_before_answers_as_it_did(org: Path) -> None:
    before = json.loads(read(org).dump())
    del before["slack"]["asked"]
    people = SnapshotPeople(parse(json.dumps(before)).slack)

    assert await people.by_email("nora@acme.example") is None
    assert await people.profile(SlackUserId("U0NORA")) is None


# --- what it answers ----------------------------------------------------------------------------------------------


async def target_of(explainer: Explainer, kind: Kind, resource: str, owner: str) -> Target:
    dana = await explainer.find("dana@acme.example")
    found = await find_resource(explainer.cloud, kind, resource, "env-dev001" if kind is Kind.FLINK else "")
    return Target(await find_owner(explainer.cloud, owner, dana.person), found)


ASKED = [
    (Kind.KAFKA, "lkc-prod01", "sa-orders"),
    (Kind.KAFKA, "lkc-dev001", "me"),
    (Kind.SCHEMA_REGISTRY, "lsrc-dev01", "new"),
    (Kind.KSQLDB, "lksqlc-dev01", "sa-orders"),
    (Kind.FLINK, "aws.us-east-1", "sa-etl001"),
    (Kind.CLOUD, "", "sa-orders"),
]


async def test_it_explains_as_confluent_and_slack_do(live: Explainer, org: Path) -> None:
    for kind, resource, owner in ASKED:
        both = []
        for one in (live, offline(org)):
            target = await target_of(one, kind, resource, owner)
            dana = await one.find("dana@acme.example")
            both.append(await one.explain(dana, Operation.CREATE, target))
        assert both[0] == both[1], kind


async def test_places_that_reach_the_key_are_enough_to_find_its_approvers(live: Explainer, org: Path) -> None:
    def seen(approvers: Sequence[Approver]) -> set[tuple[str, str]]:
        return {(each.someone.person.email, each.basis.crn) for each in approvers}

    for kind, resource, owner in ASKED:
        for one in (live, offline(org)):
            dana = await one.find("dana@acme.example")
            target = await target_of(one, kind, resource, owner)
            few = await one.who.of(target, dana.person)
            all_ = await one.who.of(target, dana.person, thorough=True)
            assert few
            # A role bound by a pattern is found only by who looks everywhere.
            assert seen(few) == {each for each in seen(all_) if "*" not in each[1]}, kind


async def test_approvers_are_told_by_what_gives_them_the_right(live: Explainer) -> None:
    dana = await live.find("dana@acme.example")
    target = await target_of(live, Kind.KAFKA, "lkc-prod01", "sa-orders")

    found, names = await live.who.of(target, dana.person), names_of(target)

    able = {each.someone.person.name: (describe(each.basis, names), each.distance) for each in found}
    assert able == {
        "Sami Haddad": ("ResourceOwner on orders-service (sa-orders)", 0),
        "Chiyo Tanaka": ("CloudClusterAdmin on production (env-prod01) / orders (lkc-prod01)", 1),
        "Pavel Novák": ("EnvironmentAdmin on production (env-prod01)", 2),
        "Ines Carvalho": ("OrganizationAdmin on the whole organization", 3),
        "Olga Lindqvist": ("OrganizationAdmin on the whole organization", 3),
        "Ravi Menon": ("ResourceKeyAdmin on the whole organization", 3),
    }


async def test_nobody_approves_for_themselves(live: Explainer) -> None:
    erin = await live.find("ERIN@acme.example ")
    target = await target_of(live, Kind.KAFKA, "lkc-dev001", "sa-orders")

    principals = {each.someone.principal for each in await live.who.of(target, erin.person, thorough=True)}

    assert "u-olga01" in principals
    assert "u-erin01" not in principals


async def test_somebody_elses_own_key_can_be_edited_by_its_owner_too(live: Explainer) -> None:
    olga = await live.find("u-olga01")
    target = await target_of(live, Kind.KAFKA, "lkc-dev001", "u-dana01")

    assert "u-dana01" in {each.someone.principal for each in await live.who.of(target, olga.person)}


# --- patience -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class BusySlack:
    """A Slack that asks everybody to come back once."""

    people: People
    asked: set[str] = field(default_factory=set)

    def _once(self, what: str) -> None:
        if what not in self.asked:
            self.asked.add(what)
            raise Throttled("Slack has too much to do.", wait=timedelta(0))

    async def profile(self, user: SlackUserId) -> Profile | None:
        self._once(user)
        return await self.people.profile(user)

    async def by_email(self, email: str) -> Profile | None:
        self._once(email)
        return await self.people.by_email(email)

    async def members(self, group: str) -> Sequence[SlackUserId]:
        self._once(group)
        return await self.people.members(group)


async def test_taking_one_waits_when_slack_asks_to(org: Path) -> None:
    calm = offline(org)
    busy = BusySlack(calm.people)

    async with asyncio.timeout(60):
        taken = await take(calm.cloud, busy, calm.policy, calm.tenant, NOW)

    assert {"dana@acme.example", "S0PLATFORM", "U0GUS"} <= busy.asked
    assert taken.slack == read(org).slack


async def test_the_organization_itself_is_no_place_below_the_organization(org: Path) -> None:
    cloud = offline(org).cloud

    at, under = await cloud.bindings_at(ORG_CRN), await cloud.bindings_under(ORG_CRN)

    assert {each.role for each in at} == {"OrganizationAdmin", "ResourceKeyAdmin"}
    assert not set(at) & set(under)
    assert {*at, *under} == set(read(org).role_bindings)


@pytest.mark.parametrize("text", ["[]", '"x"', "null", "1e999"])
def test_json_that_is_no_object_is_no_snapshot(text: str) -> None:
    with pytest.raises(SnapshotError, match="not a snapshot"):
        parse(text)


def test_a_file_from_before_there_was_a_kind_has_none_of_it(org: Path) -> None:
    """Lists keep the names that they had in the first files, `kafka_clusters` and the like."""
    content = json.loads(org.read_text())
    del content["flink_regions"]

    found = parse(json.dumps(content))

    assert found.resources == {**read(org).resources, Kind.FLINK: ()}
