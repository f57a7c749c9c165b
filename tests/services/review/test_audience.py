"""Whom the review asks about a key: its owner, who owns its service account, else who asked for it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.domain.catalog import Account
from bot.domain.errors import Throttled
from bot.domain.keys import Cluster, MyAccount, OrganizationScope, Person, Principal, Resource, ServiceAccount
from bot.domain.kinds import Kind
from bot.domain.policy import RoleMapping
from bot.services.review.audience import MOST_OWNERS, KnownOwner, Recipients
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, ERIN, FEMI, HERE, OTTO

OWNS = f"{HERE}/service-account={ACCOUNT.id}"
KNOWN = KnownOwner(ACCOUNT, "", is_gone=False)
GONE = KnownOwner(ACCOUNT, "", is_gone=True)
CLOUD = OrganizationScope(Kind.CLOUD)
MADE = build.states()["shown"]
"""What Dana asked for."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        world.cloud.bindings.clear()
        yield world


def owning(world: World, *people: Person, role: str = "ResourceOwner", crn: str = OWNS) -> None:
    world.cloud.bindings |= {each.principal: [build.a_binding(each, role, crn)] for each in people}


def mapped(
    world: World, subject: str, role: str = "ResourceOwner", scope: str = f"service-account={ACCOUNT.id}"
) -> None:
    world.policy = replace(world.policy, mappings=(*world.policy.mappings, RoleMapping(subject, role, scope)))


@pytest.fixture
def recipients(world: World) -> Recipients:
    return world.start().services.reviews.recipients


async def asked(recipients: Recipients, known: KnownOwner = KNOWN) -> set[tuple[str, str]]:
    """Who is asked, and as what."""
    return {(each.to, each.audience) for each in await recipients.people(known)}


async def readers(recipients: Recipients, resource: Resource | None = CLUSTER, known: KnownOwner = KNOWN) -> list[str]:
    people = await recipients.people(known)
    return [each.to for each in await recipients.readers(known, resource, MADE, people)]


async def test_an_owner_is_known_as_confluent_has_it_now(world: World, recipients: Recipients) -> None:
    made = Account(Principal("sa-new001"), "clicks-service", "")
    world.cloud.accounts[made.id] = made
    known = [
        KnownOwner(MyAccount(DANA.principal), "Dana", is_gone=False),
        KNOWN,
        KnownOwner(ServiceAccount(made.id, made.name), "", is_gone=False),
        KnownOwner(ServiceAccount(Principal("sa-gone"), ""), "", is_gone=True),
        KnownOwner(MyAccount(Principal("u-gone")), "", is_gone=True),
    ]

    assert [await recipients.known(each.owner.id) for each in known] == known


async def test_nobody_is_taken_for_gone_by_a_confluent_that_shows_a_part(world: World, recipients: Recipients) -> None:
    world.cloud.is_partial = True

    for principal in (DANA.principal, Principal("sa-gone")):
        with pytest.raises(Throttled):
            await recipients.known(principal)


@pytest.mark.parametrize("known", [GONE, KnownOwner(MyAccount(DANA.principal), "Dana", is_gone=True)])
async def test_nobody_is_asked_about_keys_of_an_owner_that_is_gone(
    world: World, recipients: Recipients, known: KnownOwner
) -> None:
    owning(world, ERIN)

    assert await asked(recipients, known) == set()
    people = await recipients.people(KNOWN)
    assert await recipients.readers(known, CLUSTER, MADE, people) == ()


async def test_a_user_is_asked_about_all_keys_of_their_own(recipients: Recipients) -> None:
    known = KnownOwner(MyAccount(OTTO.principal), "Otto", is_gone=False)

    assert await asked(recipients, known) == {(OTTO.slack, "owner")}
    for resource in (CLUSTER, CLOUD, None):
        assert await readers(recipients, resource, known) == [OTTO.slack]


async def test_a_user_who_is_not_in_slack_is_not_asked(world: World, recipients: Recipients) -> None:
    world.slack.people.remove(OTTO)

    assert await asked(recipients, KnownOwner(MyAccount(OTTO.principal), "Otto", is_gone=False)) == set()


async def test_a_person_who_has_the_address_and_is_another_user_by_the_policy_is_not_asked(
    world: World, recipients: Recipients
) -> None:
    world.policy = replace(world.policy, people={OTTO.slack: DANA.principal})

    assert await asked(recipients, KnownOwner(MyAccount(OTTO.principal), "Otto", is_gone=False)) == set()


async def test_an_owner_of_the_account_itself_is_asked(world: World, recipients: Recipients) -> None:
    owning(world, ERIN)
    owning(world, FEMI, role="Operator")
    owning(world, OTTO, crn=HERE)

    assert await asked(recipients) == {(ERIN.slack, "account-owner")}


async def test_a_person_whom_the_policy_gives_the_account_is_asked_once(world: World, recipients: Recipients) -> None:
    owning(world, ERIN)
    mapped(world, ERIN.slack)
    mapped(world, FEMI.slack)
    mapped(world, OTTO.slack, role="Operator")
    mapped(world, OTTO.slack, scope="service-account=sa-other1")
    mapped(world, OTTO.slack, scope="")

    assert await asked(recipients) == {(ERIN.slack, "account-owner"), (FEMI.slack, "account-owner")}
    assert len(await recipients.people(KNOWN)) == 2


async def test_so_many_owners_of_an_account_are_asked_and_no_more(world: World, recipients: Recipients) -> None:
    crowd = [build.a_person(f"Person{number}") for number in range(MOST_OWNERS + 2)]
    world.cloud.people += crowd
    world.slack.people += crowd
    owning(world, *crowd)

    assert await asked(recipients) == {(each.slack, "account-owner") for each in crowd[:MOST_OWNERS]}
    assert world.plan.calls.count("cloud.users") == 1, "a list of the last minute will do"


@pytest.mark.parametrize(
    ("resource", "sees"),
    [
        (CLUSTER, ERIN),
        (Cluster(Kind.KAFKA, "lkc-2", "billing", "env-2", "production"), ERIN),
        (CLOUD, DANA),
        (None, DANA),
    ],
)
async def test_an_owner_of_the_account_sees_the_keys_that_this_covers_and_others_no_matter_who_requested_them(
    world: World, recipients: Recipients, resource: Resource | None, sees: Person
) -> None:
    owning(world, ERIN)

    assert await readers(recipients, resource) == [sees.slack]


async def test_where_nobody_asked_for_it_nobody_sees_it(world: World, recipients: Recipients) -> None:
    owning(world, ERIN)

    assert await recipients.readers(KNOWN, CLOUD, None, await recipients.people(KNOWN)) == []


async def test_a_requester_who_is_another_user_since_does_not_see_the_key(world: World, recipients: Recipients) -> None:
    world.policy = replace(world.policy, people={DANA.slack: OTTO.principal})

    assert await readers(recipients) == []
