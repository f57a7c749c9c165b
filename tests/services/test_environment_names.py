"""Rules that know environments by name: the name is read when it counts, and not knowing it refuses."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from bot.domain.authority import Target
from bot.domain.catalog import Environment
from bot.domain.errors import Refused, Unavailable
from bot.domain.keys import KeyId, Operation, RequestId
from bot.domain.kinds import Kind
from bot.domain.policy import Match
from bot.domain.requests import Approved, Failed, Pending, Ready
from bot.services.commands import Approve, ReportLeak
from bot.services.form.fill import form
from tests.services.requests.test_submit import DRAFT, is_stored, sent
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, HOUR
from tests.support.composed import may_approve
from tests.support.fakes import FakeCloud

R1 = RequestId("R1")
HERE = CLUSTER.environment
KEY = KeyId("ABCD1234EFGH5678")


def in_(*words: str, operation: Operation | None = None) -> Match:
    return Match(frozenset([operation] if operation else []), environments=frozenset(words))


NEVER = build.a_rule(1, in_("prod*"), name="production", forbid="Not in production.")
ANYWHERE = build.a_rule(0, name="anywhere")


class Listing(FakeCloud):
    """A Confluent whose list of environments fails now and then."""

    is_down = False
    asked = 0

    async def environments(self) -> Sequence[Environment]:
        self.asked += 1
        if self.is_down:
            raise Unavailable("Confluent Cloud reported an error.")
        return await super().environments()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world(cloud=Listing) as world:
        world.policy = build.policy_of(NEVER, ANYWHERE, digest="now")
        may_approve(world.cloud, DANA)
        yield world


@pytest.mark.parametrize("word", ["dev", "d*", "*", HERE])
async def test_a_rule_knows_an_environment_by_id_name_and_wildcard(world: World, word: str) -> None:
    rule = build.a_rule(1, in_("other", word), name="production", forbid="Not in production.")
    world.policy = build.policy_of(rule, ANYWHERE)

    with pytest.raises(Refused, match=r"Not in production\. \(rule: production\)"):
        await sent(world)
    assert not await is_stored(world)


@pytest.mark.parametrize("word", ["Dev", "de", "*dev?", "dev-*", "env-prod01"])
async def test_another_name_leads_to_the_next_rule(world: World, word: str) -> None:
    world.policy = build.policy_of(replace(NEVER, match=in_(word)), ANYWHERE)

    await sent(world)
    assert isinstance(await world.state("D1"), Approved)


async def test_both_environments_of_one_name_are_meant(world: World) -> None:
    world.cloud.called = {"env-other1": "prod", HERE: "prod", "env-other2": "prod-eu"}

    with pytest.raises(Refused, match="Not in production"):
        await sent(world)


# --- renamed ----------------------------------------------------------------------------------------------------------


async def test_a_request_in_an_environment_that_was_renamed_is_not_approved(world: World) -> None:
    """The names that the request and the catalog hold are those of before."""
    world.policy = build.policy_of(NEVER, build.a_rule(1, name="anywhere"), digest="now")
    await world.seed(build.pending(terms=world.policy.rules[1].terms(world.policy.table), policy="now"))
    await world.start().services.catalog.refresh()
    world.cloud.called[HERE] = "production"
    await world.click(Approve(R1), by=ERIN)
    await world.work_now()

    state = await world.state()
    assert isinstance(state, Pending)
    assert state.approvals == ()
    assert "Not in production." in world.slack.said[-1][1]


async def test_a_key_in_an_environment_that_was_renamed_since_its_approval_is_not_created(world: World) -> None:
    await world.seed(
        build.approved(terms=ANYWHERE.terms(world.policy.table), grant=replace(build.a_grant(), approvals=()))
    )
    world.cloud.called[HERE] = "production"
    await world.work_now()

    state = await world.state()
    assert isinstance(state, Failed)
    assert "Not in production." in state.happened
    assert world.cloud.minted == {}


async def test_a_rename_between_two_rules_begins_the_approvals_anew_and_says_why(world: World) -> None:
    one, two = (build.a_rule(n, in_(word), name=word) for n, word in ((1, "dev"), (2, "staging")))
    world.policy = build.policy_of(one, two, digest="now")
    await world.seed(build.pending(terms=one.terms(world.policy.table), policy="now"))
    world.cloud.called[HERE] = "staging"
    await world.click(Approve(R1), by=ERIN)
    await world.work_now()

    state = await world.state()
    assert isinstance(state, Pending)
    assert (state.terms.rule, state.terms.approvals, state.drawn) == ("staging", 2, 1)
    assert "the environment's name, changed. Policy rule: dev → staging." in state.changed


# --- not known --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", HERE])
async def test_an_environment_whose_name_is_not_told_slips_out_of_no_rule(world: World, name: str | None) -> None:
    """It is missing from the list, as new ones may be; or Confluent tells no name, and it goes by its id."""
    await world.start().services.catalog.refresh()  # where its name of before still stands
    world.cloud.called = {"env-other1": "dev"} | ({} if name is None else {HERE: name})

    with pytest.raises(Unavailable, match=f"couldn't read what `{HERE}` is called. Nothing changed"):
        await sent(world)
    assert not await is_stored(world)


async def test_what_was_approved_waits_for_a_name_that_is_not_told(world: World) -> None:
    await world.seed(
        build.approved(terms=ANYWHERE.terms(world.policy.table), grant=replace(build.a_grant(), approvals=()))
    )
    assert isinstance(world.cloud, Listing)
    world.cloud.is_down = True
    await world.work_now()
    assert isinstance(await world.state(), Approved)
    assert world.cloud.minted == {}

    world.cloud.is_down = False
    await world.settle(DAY / 12)
    assert isinstance(await world.state(), Ready)


async def test_a_name_that_makes_no_difference_is_not_needed(world: World) -> None:
    by_id = build.a_rule(0, in_(HERE), name="by id")
    elsewhere = replace(NEVER, match=replace(NEVER.match, kinds=frozenset({Kind.FLINK})), name="elsewhere")
    world.policy = build.policy_of(elsewhere, by_id, NEVER)
    world.cloud.called = {}

    await sent(world)
    assert isinstance(await world.state("D1"), Approved)


async def test_names_are_read_only_for_a_policy_that_has_some(world: World) -> None:
    world.policy = build.policy_of(build.a_rule(0, in_(HERE), name="by id"))
    directory = world.start().services.directory
    asker = await directory.asking(await directory.held_roles(DANA), Operation.CREATE, Target(ACCOUNT, CLUSTER))

    assert isinstance(world.cloud, Listing)
    assert (world.cloud.asked, asker.environments) == (0, {})


async def test_a_page_takes_a_name_of_the_last_minute_but_asks_again_for_a_new_environment(world: World) -> None:
    assert isinstance(world.cloud, Listing)
    directory, target = world.start().services.directory, Target(ACCOUNT, CLUSTER)
    new = replace(CLUSTER, environment="env-new001")
    for _ in range(3):
        assert await directory.environments(target, shown=True) == {HERE: "dev"}
    assert world.cloud.asked == 1

    world.cloud.called["env-new001"] = "prod"
    assert (await directory.environments(Target(ACCOUNT, new), shown=True))["env-new001"] == "prod"
    for _ in range(3):
        await directory.environments(target)
    assert world.cloud.asked == 5


# --- leaked keys, and the form ----------------------------------------------------------------------------------------


async def test_a_leaked_key_is_deleted_at_once_only_where_the_name_is_known(world: World) -> None:
    deleting = build.a_rule(0, in_("dev", operation=Operation.DELETE), name="dev", leaked="delete", channel="C07")
    world.policy = build.policy_of(deleting, ANYWHERE)
    key = world.cloud.add(build.a_key(KEY, marker="", kind=Kind.KAFKA, owner=ACCOUNT.id))
    assert isinstance(world.cloud, Listing)
    world.cloud.called = {"env-other1": "dev"}
    await world.click(ReportLeak((key.id,)), DANA)
    await world.work_now()
    assert world.cloud.minted[key.id].deleted_at is None
    assert {place.channel for place, _ in world.slack.leaks} >= {"C01"}, "people are told all the same"

    world.cloud.called = {HERE: "dev"}
    await world.settle(HOUR / 2)
    assert world.cloud.minted[key.id].deleted_at is not None


async def test_the_form_offers_what_any_rule_allows_while_the_name_is_not_known(world: World) -> None:
    short = build.a_rule(1, in_("dev"), name="dev", lifetime=DAY)
    policy = build.policy_of(short, build.a_rule(1, lifetime=7 * DAY))
    catalog = await world.start().services.catalog.refresh()

    assert form(DRAFT, None, policy).limit == 7 * DAY
    assert form(DRAFT, catalog, policy).limit == DAY
