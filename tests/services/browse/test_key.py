"""Looking at keys: who sees which, what may be asked for, and lists of any length."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from bot.domain.authority import HeldRoles
from bot.domain.catalog import Environment
from bot.domain.deadlines import end_of_life
from bot.domain.errors import CloudRefused, NotFound, Refused, Unavailable
from bot.domain.keys import (
    ApiKey,
    Cluster,
    KeyId,
    Marker,
    MyAccount,
    NewServiceAccount,
    Operation,
    Person,
    Placed,
    Principal,
    RequestId,
    Secret,
    ServiceAccount,
    SlackUserId,
)
from bot.domain.kinds import Kind
from bot.domain.leaks.report import Leak
from bot.domain.policy import Policy, without_a_file
from bot.domain.requests import Life, ReplacedKey, Request, Retired, Shown
from bot.domain.roles import Binding
from bot.services.browse.key import FIELD, KeyViews
from bot.services.browse.keys import MOST_OWNERS, PAGE, WHOLE, KeyLists
from bot.services.pages import Filters, KeysPage, Replacement, replacements
from bot.services.people.candidates import Candidates
from bot.services.ports.store import Change
from bot.slack.views import key as key_pages
from bot.store import Store
from sandbox.slack.blocks import plain_words
from tests.support import build
from tests.support.build import ACCOUNT, DANA, DAY, ERIN, FEMI, HERE, NOW, OTTO, a_grant, a_key, a_rule, an_ask, terms
from tests.support.composed import a_store, composed, keep
from tests.support.fakes import FakeCloud, FakeSlack, TestClock

EDIT, DELETE, ROTATE, EXTEND = Operation.EDIT, Operation.DELETE, Operation.ROTATE, Operation.EXTEND
LATCHKEY = ServiceAccount(Principal("sa-latchk"), "latchkey-bot")
PRODUCTION = Cluster(Kind.KAFKA, "lkc-prod01", "orders", "env-prod01", "production")


@dataclass(slots=True)
class Organization(FakeCloud):
    """A Confluent Cloud with as many accounts as a test needs; it counts whose keys were read."""

    others: list[ServiceAccount] = field(default_factory=list[ServiceAccount])
    read: list[Principal] = field(default_factory=list[Principal])
    refusing: set[Principal] = field(default_factory=set[Principal])
    garbled: set[Principal] = field(default_factory=set[Principal])
    """Accounts of which one key cannot be read."""
    away: bool = False

    async def environments(self) -> Sequence[Environment]:
        return [Environment("env-dev001", "dev"), Environment("env-prod01", "production")]

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        return [each for each in (build.CLUSTER, PRODUCTION) if (each.kind, each.environment) == (kind, environment.id)]

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        return [ACCOUNT, LATCHKEY, *self.others]

    async def keys_shown(self, owner: Principal) -> tuple[Sequence[ApiKey], int]:
        return await self.keys_of(owner), int(owner in self.garbled)

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        self.read.append(owner)
        if self.away:
            raise Unavailable("Confluent Cloud didn't answer. Nothing changed. Try again in a minute.")
        if owner in self.refusing:
            raise CloudRefused(status=403, detail="no", reference="R-1")
        return [each for each in self._shown() if each.owner == owner]


@dataclass(slots=True)
class House:
    """The services that look at keys, over a Confluent and a store of their own."""

    cloud: Organization
    store: Store
    key_views: KeyViews
    key_lists: KeyLists
    clock: TestClock
    policy: Policy = field(default=without_a_file("C01"))

    async def reader(self, person: Person) -> HeldRoles:
        return await self.key_views.reader(person.slack, person.team)

    async def list(self, person: Person, cursor: str = "", **filters: str) -> KeysPage:
        return await self.key_lists.page(await self.reader(person), Filters(**filters), cursor)

    async def sees(self, person: Person, key: str = "KEY0000000000001") -> bool:
        try:
            await self.key_views.key_view(KeyId(key), await self.reader(person))
        except NotFound:
            return False
        return True

    async def may(self, person: Person, key: str = "KEY0000000000001") -> set[Operation]:
        return set((await self.key_views.key_view(KeyId(key), await self.reader(person))).may)

    async def keep(self, request: Request) -> None:
        await keep(self.store, request)

    def roles(self, person: Person, *held: tuple[str, str]) -> None:
        self.cloud.bindings[person.principal] = [Binding(person.principal, role, HERE + at) for role, at in held]

    def grow(self, accounts: int, keys_each: int = 0) -> None:
        """Add service accounts, by number, and keys of each."""
        for number in range(accounts):
            account = ServiceAccount(Principal(f"sa-{number:04}"), f"team {number:04}")
            self.cloud.others.append(account)
            for each in range(keys_each):
                self.cloud.add(other_key(f"K{number:04}N{each:010}", owner=account.id, name=f"key {each:04}"))


@asynccontextmanager
async def a_house() -> AsyncGenerator[House]:
    clock, people = TestClock(), [DANA, ERIN, FEMI, OTTO]
    cloud, slack = Organization(clock, people=people), FakeSlack(people)
    redis = FakeAsyncRedis(server=FakeServer())
    store = a_store(redis, clock)
    houses: list[House] = []
    services = composed(store, cloud, slack, clock, lambda: houses[0].policy)
    house = House(cloud, store, services.key_views, services.key_lists, clock)
    houses.append(house)
    try:
        yield house
    finally:
        await redis.aclose()


def other_key(id_: str = "KEY0000000000001", **fields: Any) -> ApiKey:
    """A key for orders-dev that was not made by Latchkey."""
    usual: dict[str, Any] = {"kind": Kind.KAFKA, "description": "by hand"}
    return a_key(id_, **(usual | fields))


def made(request: str = "R1", state: type[Shown] | type[Retired] = Shown, **fields: Any) -> Shown | Retired:
    """A request of Dana's whose key someone has, or had."""
    ask = an_ask(id=RequestId(request))
    key = a_key(marker=str(Marker(ask.id, 1)), kind=Kind.KAFKA)
    usual: dict[str, Any] = {"terms": terms(), "grant": a_grant(ask=ask), "attempt": 1, "key": key, "at": NOW}
    return state(ask, **(usual | fields))


# --- who sees a key ---------------------------------------------------------------------------------------------------


async def test_a_key_is_seen_by_its_owner_and_by_who_manages_it_and_by_nobody_else() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(owner=DANA.principal))
        house.roles(ERIN, ("EnvironmentAdmin", "/environment=env-dev001"))
        house.roles(FEMI, ("EnvironmentAdmin", "/environment=env-prod01"))
        house.roles(OTTO, ("DeveloperRead", "/environment=env-dev001/cloud-cluster=lkc-dev001"))

        assert [await house.sees(each) for each in (DANA, ERIN, FEMI, OTTO)] == [True, True, False, False]


async def test_an_owner_without_any_role_sees_the_key() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(owner=OTTO.principal))

        assert await house.sees(OTTO)


async def test_an_operator_sees_what_others_own_in_reach_and_no_cloud_keys() -> None:
    async with a_house() as house:
        house.roles(OTTO, ("Operator", "/environment=env-dev001"))
        house.roles(FEMI, ("Operator", ""))
        house.cloud.add(other_key())
        house.cloud.add(other_key("KEY0000000000002", resource="lkc-prod01"))
        house.cloud.add(other_key("KEY0000000000003", resource="cloud", kind=Kind.CLOUD))

        seen = [[await house.sees(each, f"KEY000000000000{n}") for n in (1, 2, 3)] for each in (OTTO, FEMI)]

        assert seen == [[True, False, False], [True, True, False]]


@pytest.mark.parametrize("crn", ["crn://confluent.cloud/organization=another", "no crn at all"])
async def test_a_role_of_another_organization_shows_nothing_here(crn: str) -> None:
    async with a_house() as house:
        house.cloud.add(other_key())
        house.cloud.bindings[OTTO.principal] = [
            Binding(OTTO.principal, role, crn) for role in ("Operator", "OrganizationAdmin")
        ]

        assert not await house.sees(OTTO)
        assert (await house.list(OTTO)).views == []


async def test_who_may_use_an_account_sees_none_of_its_keys() -> None:
    """An Assigner is bound to the account as its owner is, and manages no key of it."""
    async with a_house() as house:
        house.cloud.add(other_key())
        house.roles(OTTO, ("Assigner", f"/service-account={ACCOUNT.id}"))
        house.roles(FEMI, ("ResourceOwner", f"/service-account={ACCOUNT.id}"))

        assert [await house.sees(each) for each in (OTTO, FEMI)] == [False, True]
        assert [len((await house.list(each)).views) for each in (OTTO, FEMI)] == [0, 1]
        assert house.cloud.read.count(ACCOUNT.id) == 1


async def test_who_asked_for_a_key_sees_it_and_who_copied_its_marker_does_not_help_anybody() -> None:
    async with a_house() as house:
        await house.keep(made())
        house.cloud.add(a_key(marker="[lk:R1/1]", kind=Kind.KAFKA))
        house.cloud.add(a_key("KEY0000000000002", marker="[lk:R1/1]", kind=Kind.KAFKA))

        assert await house.sees(DANA)
        assert not await house.sees(DANA, "KEY0000000000002")
        assert not await house.sees(OTTO)


async def test_that_confluent_refuses_a_key_means_little_where_its_owners_keys_are_listed_with_it() -> None:
    """`confluent-api`: nothing counts as deleted for a single 403."""
    async with a_house() as house:
        await house.keep(made())
        asked_for = a_key(marker="[lk:R1/1]", kind=Kind.KAFKA)
        own = other_key("KEY0000000000002", owner=DANA.principal)
        for key in (asked_for, own):
            house.cloud.add(key)
            house.cloud.unshown.add(key.id)

        assert [await house.sees(DANA, each.id) for each in (asked_for, own)] == [True, True]
        assert [await house.sees(OTTO, each.id) for each in (asked_for, own)] == [False, False]

        house.cloud.minted.clear()
        with pytest.raises(NotFound, match="it was deleted"):
            await house.key_views.key_view(asked_for.id, await house.reader(DANA))


async def test_a_key_that_is_not_there_and_one_that_is_not_theirs_are_told_in_the_same_words() -> None:
    async with a_house() as house:
        house.cloud.add(other_key())
        house.cloud.add(other_key("KEY0000000000002", owner=None))
        held_roles, told = await house.reader(OTTO), set[str]()
        for key in ("KEY0000000000001", "KEY0000000000002", "KEY0000000000009", ""):
            with pytest.raises(NotFound) as error:
                await house.key_views.key_view(KeyId(key), held_roles)
            told.add(error.value.tell)

        assert len(told) == 1


async def test_a_key_shows_its_resource_by_name_its_age_and_no_marker() -> None:
    async with a_house() as house:
        await house.keep(made())
        house.cloud.add(a_key(marker="[lk:R1/1]", kind=Kind.KAFKA))
        house.clock.advance(3 * DAY)

        view = await house.key_views.key_view(KeyId("KEY0000000000001"), await house.reader(DANA))

        assert (view.key.description, view.age) == ("reads orders", 3 * DAY)
        assert (view.resource, view.owner_name) == (build.CLUSTER, "orders-service")
        assert view.request == made()
        assert not view.is_own


async def test_a_resource_that_the_catalog_does_not_know_is_covered_at_the_organization_alone() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(resource="lkc-gone01"))
        house.roles(ERIN, ("EnvironmentAdmin", "/environment=env-dev001"))
        house.roles(FEMI, ("OrganizationAdmin", ""))

        assert not await house.sees(ERIN)
        view = await house.key_views.key_view(KeyId("KEY0000000000001"), await house.reader(FEMI))
        assert view.resource == Cluster(Kind.KAFKA, "lkc-gone01", "lkc-gone01", "", "")
        assert view.may == {EDIT, DELETE}  # nobody knows what a new key would open


async def test_a_key_of_a_kind_that_nobody_knows_is_shown_to_who_manages_all_and_changed_by_nobody() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(kind=None, resource="lnew-1"))
        house.roles(ERIN, ("EnvironmentAdmin", "/environment=env-dev001"))
        house.roles(FEMI, ("OrganizationAdmin", ""))

        assert not await house.sees(ERIN)
        assert await house.may(FEMI) == set()
        with pytest.raises(Refused, match="doesn't know this kind of key"):
            await house.key_views.delete_page(KeyId("KEY0000000000001"), await house.reader(FEMI))
        assert (await house.key_views.catalog.index()).resource(other_key(kind=None)) is None


async def test_a_user_who_owns_a_key_is_told_apart_from_a_service_account_that_nobody_lists() -> None:
    async with a_house() as house:
        index = await house.key_views.catalog.index()

        assert [index.owner(Principal(each)) for each in ("u-x", "sa-x")] == [
            MyAccount(Principal("u-x")),
            ServiceAccount(Principal("sa-x"), ""),
        ]


# --- what may be asked for --------------------------------------------------------------------------------------------


async def test_what_may_be_asked_for_follows_the_policy_and_the_state_of_the_key() -> None:
    async with a_house() as house:
        house.cloud.add(a_key(marker="[lk:R1/1]", kind=Kind.KAFKA))
        house.cloud.add(other_key("KEY0000000000002", owner=DANA.principal))
        await house.keep(made(terms=terms(lifetime=30 * DAY)))

        assert await house.may(DANA) == {EDIT, DELETE, ROTATE, EXTEND}
        assert await house.may(DANA, "KEY0000000000002") == {EDIT, DELETE, ROTATE}

        house.policy = replace(house.policy, rules=(a_rule(name="no", forbid="Ask the platform team."),))
        assert await house.may(DANA) == set()
        with pytest.raises(Refused, match=r"Ask the platform team\. Nothing changed\. \(Rule: no\.\)"):
            await house.key_views.rotate_page(KeyId("KEY0000000000001"), await house.reader(DANA))


async def test_a_key_without_an_end_cannot_be_extended_and_one_that_is_ending_can_nothing() -> None:
    async with a_house() as house:
        house.cloud.add(a_key(marker="[lk:R1/1]", kind=Kind.KAFKA))
        await house.keep(made())
        assert await house.may(DANA) == {EDIT, DELETE, ROTATE}
        with pytest.raises(Refused, match="has no expiration in Latchkey"):
            await house.key_views.extend_page(KeyId("KEY0000000000001"), await house.reader(DANA))

    async with a_house() as house:
        house.cloud.add(a_key(marker="[lk:R1/1]", kind=Kind.KAFKA))
        await house.keep(made(state=Retired))
        assert await house.may(DANA) == set()


@pytest.mark.parametrize(("by", "reader"), [(DANA, DANA), (FEMI, FEMI), (DANA, FEMI)])
async def test_a_key_that_was_rotated_ends_with_its_overlap_and_is_not_extended(by: Person, reader: Person) -> None:
    async with a_house() as house:
        house.roles(FEMI, ("EnvironmentAdmin", "/environment=env-dev001"))
        old, new = a_key(marker="[lk:R1/1]", kind=Kind.KAFKA), a_key("KEY0000000000002", "[lk:R2/1]", kind=Kind.KAFKA)
        house.cloud.add(old)
        house.cloud.add(new)
        await house.keep(made(terms=terms(lifetime=30 * DAY)))
        ask, life = build.a_change(ROTATE, key=old, requester=by), Life(former=ReplacedKey(NOW + DAY))
        rotation = build.shown(ask=ask, key=new, terms=terms(lifetime=30 * DAY), life=life)
        await house.keep(rotation)

        view = await house.key_views.key_view(old.id, await house.reader(reader))

        assert view.replaced == Replacement(new.id, NOW + DAY)
        assert view.ends_at == NOW + DAY
        assert [EXTEND in await house.may(reader, each) for each in (old.id, new.id)] == [False, True]
        with pytest.raises(
            Refused, match=r"`KEY0000000000002` replaced it, and Latchkey deletes it .* Nothing changed"
        ):
            await house.key_views.extend_page(old.id, await house.reader(reader))
        if reader is by:  # a list knows only what its reader requested
            ends = {each.key.id: each.ends_at for each in (await house.list(by)).views}
            assert ends == {old.id: NOW + DAY, new.id: end_of_life(rotation)}


async def test_a_page_says_you_to_the_person_who_reported_a_leak() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("EnvironmentAdmin", "/environment=env-dev001"))
        key = other_key(owner=DANA.principal)
        house.cloud.add(key)
        leaks = house.key_views.leaks
        await leaks.put(Leak(key, DANA.slack, NOW, "C1"))
        seen = [(await house.key_views.key_page(key.id, await house.reader(each))) for each in (DANA, FEMI)]
        await leaks.put(Leak(key, SlackUserId(""), NOW, "C1", source="A secret scanner"))
        seen.append(await house.key_views.key_page(key.id, await house.reader(DANA)))

        says = [" ".join(plain_words(key_pages.key(each)["blocks"])) for each in seen]
        for text, who in zip(says, ("You", f"<@{DANA.slack}>", "A secret scanner"), strict=True):
            assert f"{who} reported this API key as leaked " in text


def test_a_rotation_whose_old_key_is_gone_replaces_nothing_and_the_earliest_of_several_counts() -> None:
    gone = build.shown(ask=build.a_change(ROTATE), life=Life(former=ReplacedKey(NOW, deleted_at=NOW)))
    later, sooner = (
        build.shown(ask=build.a_change(ROTATE), key=a_key(key), life=Life(former=ReplacedKey(until)))
        for key, until in (("KEY0000000000002", NOW + 2 * DAY), ("KEY0000000000003", NOW + DAY))
    )
    old = build.a_change(ROTATE).key

    assert old is not None
    assert replacements([gone, build.pending(), build.shown()]) == {}
    for some in ([gone, later, sooner], [sooner, later, gone]):
        assert replacements(some) == {old.id: Replacement(sooner.key.id, NOW + DAY)}


async def test_a_secret_that_was_not_shown_is_not_rotated() -> None:
    async with a_house() as house:
        waiting = replace(build.ready(), key=a_key(kind=Kind.KAFKA))
        events, secret = build.submitted(waiting), Secret("cflt-made-up")
        await house.store.requests.commit(Change(None, waiting, None, events, secret=secret, secret_until=NOW + DAY))
        house.cloud.add(waiting.key)

        assert await house.may(DANA) == {EDIT, DELETE}


async def test_nobody_changes_a_key_of_latchkeys_own_account() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(owner=LATCHKEY.id))
        house.roles(FEMI, ("OrganizationAdmin", ""))
        held_roles, key = await house.reader(FEMI), KeyId("KEY0000000000001")

        assert await house.may(FEMI) == set()
        for page in (house.key_views.edit_page, house.key_views.delete_page, house.key_views.rotate_page):
            with pytest.raises(Refused, match="Latchkey's own account"):
                await page(key, held_roles)


async def test_a_page_names_the_people_who_could_approve_where_it_needs_that() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(owner=DANA.principal))
        house.roles(ERIN, ("OrganizationAdmin", ""))
        held_roles = await house.reader(DANA)
        page = await house.key_views.rotate_page(KeyId("KEY0000000000001"), held_roles)
        assert page.terms.approvals == 1

        (right,) = (await house.key_views.with_approvers(page, held_roles)).approvers
        assert right.names == ("Erin",)
        assert "OrganizationAdmin" in right.basis
        free = replace(page, terms=replace(page.terms, approvals=0))
        assert await house.key_views.with_approvers(free, held_roles) == free


async def test_a_page_opens_without_approvers_where_they_can_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("Confluent Cloud didn't answer.")

    async with a_house() as house:
        house.cloud.add(other_key(owner=DANA.principal))
        held_roles = await house.reader(DANA)
        page = await house.key_views.rotate_page(KeyId("KEY0000000000001"), held_roles)
        monkeypatch.setattr(Candidates, "of", away)
        assert await house.key_views.with_approvers(page, held_roles) == page


async def test_a_text_longer_than_a_field_is_refused_rather_than_cut() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(owner=DANA.principal, description="x" * (FIELD + 1)))
        house.cloud.add(other_key("KEY0000000000002", owner=DANA.principal, description="x" * FIELD))
        held_roles = await house.reader(DANA)

        with pytest.raises(Refused, match=r"has 3,001 characters.*nothing changed"):
            await house.key_views.edit_page(KeyId("KEY0000000000001"), held_roles)
        page = await house.key_views.edit_page(KeyId("KEY0000000000002"), held_roles)
        assert len(page.view.key.description) == FIELD


async def test_the_page_to_extend_knows_what_is_left_of_the_present_life() -> None:
    async with a_house() as house:
        house.roles(DANA, ("EnvironmentAdmin", "/environment=env-dev001"))
        key = a_key(marker="[lk:R1/1]", kind=Kind.KAFKA, created_at=NOW)
        await house.keep(made(terms=terms(lifetime=30 * DAY), key=key))
        house.cloud.add(key)
        house.clock.advance(10 * DAY)

        page = await house.key_views.extend_page(key.id, await house.reader(DANA))

        assert page.left == 20 * DAY


async def test_the_page_to_rotate_offers_what_the_rule_allows() -> None:
    async with a_house() as house:
        house.cloud.add(other_key(owner=DANA.principal))
        rule = a_rule(lifetime=45 * DAY, overlap=2 * DAY)
        house.policy = replace(house.policy, rules=(rule,))

        page = await house.key_views.rotate_page(KeyId("KEY0000000000001"), await house.reader(DANA))

        assert (page.overlaps, page.terms.lifetime) == ((0, 1, 2), 45 * DAY)


# --- lists ------------------------------------------------------------------------------------------------------------


def ids(page: KeysPage) -> list[str]:
    return [view.key.id for view in page.views]


async def walk(house: House, person: Person, **filters: str) -> list[list[str]]:
    """Every page from the first to the last."""
    pages, cursor = list[list[str]](), ""
    while True:
        page = await house.list(person, cursor, **filters)
        pages.append(ids(page))
        if not (cursor := page.next_page):
            return pages


async def test_my_keys_come_first_and_then_those_of_accounts_by_name_each_by_name() -> None:
    async with a_house() as house:
        house.roles(ERIN, ("EnvironmentAdmin", "/environment=env-dev001"))
        house.grow(2)
        for id_, owner, name in (
            ("KEY000000000000A", "sa-0001", "b"),
            ("KEY000000000000B", "sa-0001", "A"),
            ("KEY000000000000C", "sa-0000", "z"),
            ("KEY000000000000D", ERIN.principal, "zz"),
            ("KEY000000000000E", ACCOUNT.id, "mine?"),
            ("KEY000000000000F", DANA.principal, "not mine"),
        ):
            house.cloud.add(other_key(id_, owner=Principal(owner), name=name))
        house.cloud.add(other_key("KEY000000000000G", owner=ACCOUNT.id, resource="lkc-prod01"))

        assert [each[-1] for each in ids(await house.list(ERIN))] == ["D", "E", "C", "B", "A"]
        assert ids(await house.list(OTTO)) == []


async def test_the_owner_of_an_account_sees_its_keys_and_asks_about_no_other_account() -> None:
    async with a_house() as house:
        house.grow(50, 1)
        house.roles(OTTO, ("ResourceOwner", "/service-account=sa-0007"))

        assert ids(await house.list(OTTO)) == ["K0007N0000000000"]
        assert set(house.cloud.read) == {OTTO.principal, "sa-0007"}


async def test_a_key_that_i_asked_for_is_in_my_list_without_any_role() -> None:
    async with a_house() as house:
        await house.keep(made())
        house.cloud.add(a_key(marker="[lk:R1/1]", kind=Kind.KAFKA))
        house.cloud.add(other_key("KEY0000000000002"))

        page = await house.list(DANA)

        assert ids(page) == ["KEY0000000000001"]
        assert page.views[0].request == made()


async def test_a_page_reads_as_many_accounts_as_it_takes_and_never_the_whole_organization() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(400, 3)

        page = await house.list(FEMI)

        assert len(page.views) == PAGE
        assert len(house.cloud.read) <= 8
        house.cloud.read.clear()
        await house.list(FEMI, page.next_page)
        assert len(house.cloud.read) <= 8


async def test_every_key_is_on_exactly_one_page_forwards_and_backwards() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(7, 5)
        house.cloud.add(other_key(owner=FEMI.principal))

        pages = await walk(house, FEMI)
        everything = [key for page in pages for key in page]

        assert sorted(everything) == sorted(house.cloud.minted)
        assert [len(page) for page in pages] == [8, 8, 8, 8, 4]
        last = await house.list(FEMI)
        assert last.previous_page == ""
        while last.next_page:
            last = await house.list(FEMI, last.next_page)
        back = [ids(last)]
        while last.previous_page:
            last = await house.list(FEMI, last.previous_page)
            back.insert(0, ids(last))
        assert back == pages


async def test_a_reader_of_few_accounts_is_told_how_many_keys_there_are_on_every_page() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(WHOLE - 3, 5)  # beside Femi and the two accounts that there are always
        first = await house.list(FEMI)
        second = await house.list(FEMI, first.next_page)

        assert (first.accounts, first.total) == (WHOLE, len(house.cloud.minted))
        assert second.total == first.total
        assert (await house.list(FEMI, owner="sa-0001")).total == 5
        assert (await house.list(FEMI, text="no such key")).total == 0

        house.cloud.others.append(ServiceAccount(Principal("sa-more01"), "one more"))
        await house.key_views.catalog.refresh()
        assert ((await house.list(FEMI)).total, (await house.list(FEMI)).accounts) == (None, WHOLE + 1)


BORN = {"A": 3 * DAY, "B": 1 * DAY, "C": None, "D": 2 * DAY}
"""How old four keys are; of one Confluent does not say."""


async def an_order(house: House) -> None:
    """Four keys of two accounts, of which Latchkey created the last, to expire in five days."""
    house.roles(FEMI, ("OrganizationAdmin", ""))
    ends = {"A": 9 * DAY, "B": None, "C": 1 * DAY}
    for letter, end in ends.items():
        age = BORN[letter]
        key = other_key(
            f"KEY000000000000{letter}",
            owner=ACCOUNT.id if letter != "B" else FEMI.principal,
            created_at=NOW - age if age else None,
            expires_at=NOW + end if end else None,
        )
        house.cloud.add(key)
    ours = a_key("KEY000000000000D", marker="[lk:R1/1]", kind=Kind.KAFKA, created_at=NOW - 2 * DAY)
    await house.keep(build.shown(key=ours, terms=build.terms(lifetime=7 * DAY)))
    house.cloud.add(ours)


@pytest.mark.parametrize(
    ("order", "found"), [("newest", "BDAC"), ("oldest", "ADBC"), ("expiring", "CDAB"), ("nonsense", "BACD")]
)
async def test_keys_are_sorted_by_age_and_by_expiration_over_all_accounts(order: str, found: str) -> None:
    async with a_house() as house:
        await an_order(house)
        page = await house.list(FEMI, order=order)

        assert "".join(each[-1] for each in ids(page)) == found
        assert (page.total, page.next_page, page.previous_page) == (4, "", "")


@pytest.mark.parametrize("order", ["newest", "oldest", "expiring"])
async def test_every_key_is_on_exactly_one_page_in_every_order_forwards_and_backwards(order: str) -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(MOST_OWNERS + 10, 1)

        pages = await walk(house, FEMI, order=order)
        first = await house.list(FEMI, order=order)

        assert len({key for page in pages for key in page}) == sum(map(len, pages)) == first.total
        assert f"the first {MOST_OWNERS} of" in first.note
        last = first
        while last.next_page:
            last = await house.list(FEMI, last.next_page, order=order)
        back = [ids(last)]
        while last.previous_page:
            last = await house.list(FEMI, last.previous_page, order=order)
            back.insert(0, ids(last))
        assert back == pages


async def test_a_sorted_page_reads_no_more_accounts_than_any_other() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(400, 3)

        page = await house.list(FEMI, order="expiring")

        assert (len(page.views), len(house.cloud.read)) == (PAGE, MOST_OWNERS)
        assert (page.looked, page.accounts) == (MOST_OWNERS, 403)


async def test_a_key_that_is_deleted_between_two_pages_hides_no_other_one() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(3, 5)
        pages = await walk(house, FEMI, order="oldest")
        first = await house.list(FEMI, order="oldest")

        del house.cloud.minted[KeyId(pages[0][2])]

        assert ids(await house.list(FEMI, first.next_page, order="oldest")) == pages[1]


@pytest.mark.parametrize("text", ["team 0077", "SA-0077"])
async def test_the_keys_of_an_account_that_is_searched_for_are_found_among_thousands_of_accounts(text: str) -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(1000, 1)

        page = await house.list(FEMI, text=text)

        assert ids(page)[:1] == ["K0077N0000000000"]
        assert len(house.cloud.read) <= MOST_OWNERS


async def test_a_page_that_looked_at_many_accounts_in_vain_says_so_and_goes_on() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(100)
        house.cloud.add(other_key(owner=Principal("sa-0099"), name="needle"))
        house.cloud.add(other_key("KEY0000000000002", owner=FEMI.principal, name="hay"))

        first = await house.list(FEMI, text="NEEDLE")
        assert (ids(first), len(house.cloud.read)) == ([], MOST_OWNERS)
        assert "Select *Next* to search more" in first.note
        assert [page for page in await walk(house, FEMI, text="NEEDLE") if page] == [["KEY0000000000001"]]
        page = first
        while page.next_page:
            page = await house.list(FEMI, page.next_page, text="NEEDLE")
        back = await house.list(FEMI, page.previous_page, text="NEEDLE")
        assert ids(back) == []
        assert "Select *Previous* to search more" in back.note


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"owner": "me"}, ["A"]),
        ({"owner": "sa-abc001"}, ["B", "C"]),
        ({"kind": "cloud"}, ["C"]),
        ({"environment": "env-dev001"}, ["A"]),
        ({"environment": "env-prod01", "owner": "sa-abc001"}, ["B"]),
        ({"text": " LAPTOP "}, ["A"]),
        ({"text": "orders-service"}, ["B", "C"]),
        ({"text": "by HAND"}, ["B"]),
        ({"text": "key00000000000000c"}, ["C"]),
        ({"text": "orders", "kind": "cloud"}, ["C"]),
        ({"kind": "no such kind"}, []),
        ({"owner": "sa-nobody"}, []),
        ({"environment": "*"}, []),
    ],
)
async def test_filters_narrow_the_list(filters: dict[str, str], found: list[str]) -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        cloud = house.cloud
        cloud.add(other_key("KEY00000000000000A", owner=FEMI.principal, name="Laptop", description=""))
        cloud.add(other_key("KEY00000000000000B", name="b", resource="lkc-prod01"))
        cloud.add(other_key("KEY00000000000000C", name="c", resource="cloud", kind=Kind.CLOUD, description=""))

        assert [each[-1] for each in ids(await house.list(FEMI, **filters))] == found


async def test_nobody_finds_a_marker_by_searching_for_it() -> None:
    async with a_house() as house:
        await house.keep(made())
        house.cloud.add(a_key(marker="[lk:R1/1]", kind=Kind.KAFKA))

        assert ids(await house.list(DANA, text="reads")) == ["KEY0000000000001"]
        assert ids(await house.list(DANA, text="[lk:")) == []


@pytest.mark.parametrize("cursor", ["a|0|sa-gone", "b|3|sa-gone", "nonsense", "a|x|sa-0000", "|||", "a|٣|sa-0000", "a"])
async def test_a_stale_cursor_begins_the_list_anew(cursor: str) -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(3, 2)

        assert ids(await house.list(FEMI, cursor)) == ids(await house.list(FEMI))


@pytest.mark.parametrize("way", ["a", "b"])
async def test_a_cursor_beyond_the_keys_that_are_left_shows_what_is_there(way: str) -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(3, 2)
        expected = {"a": ["K0002N0000000000", "K0002N0000000001"], "b": ids(await house.list(FEMI))}[way]

        assert ids(await house.list(FEMI, f"{way}|900|sa-0001")) == expected


async def test_a_key_that_cannot_be_read_is_left_out_and_its_account_named() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(3, 1)
        house.cloud.garbled = {Principal("sa-0001")}

        page = await house.list(FEMI)

        assert ids(page) == ["K0000N0000000000", "K0001N0000000000", "K0002N0000000000"]
        assert page.note == "Some keys of team 0001 couldn't be read and aren't listed here."


async def test_an_account_that_cannot_be_read_is_named_and_the_others_are_shown() -> None:
    async with a_house() as house:
        house.roles(FEMI, ("OrganizationAdmin", ""))
        house.grow(3, 1)
        house.cloud.refusing = {Principal("sa-0001")}

        page = await house.list(FEMI)

        assert ids(page) == ["K0000N0000000000", "K0002N0000000000"]
        assert "Couldn't load the keys of team 0001" in page.note
        house.cloud.away = True
        with pytest.raises(Unavailable):
            await house.list(FEMI)


async def test_an_account_that_was_made_with_its_key_goes_by_its_name_at_once() -> None:
    async with a_house() as house:
        ask = an_ask(owner=NewServiceAccount("clicks-service", ""))
        key = a_key(marker=str(Marker(ask.id, 1)), kind=Kind.KAFKA, owner=Principal("sa-new001"))
        await house.keep(build.shown(ask=ask, key=key))
        house.cloud.add(key)

        view = await house.key_views.key_view(key.id, await house.reader(DANA))

        assert (view.owner.id, view.owner_name) == ("sa-new001", "clicks-service")


async def test_a_catalog_is_indexed_once_for_each_time_that_it_is_read() -> None:
    """For 20,000 clusters it takes a while, and a review looks keys up for thousands of owners."""
    async with a_house() as house:
        first = await house.key_views.catalog.index()
        again = await house.key_views.catalog.index()
        house.grow(1)
        await house.key_views.catalog.refresh()
        after = await house.key_views.catalog.index()

        assert again is first
        assert "sa-0000" in after.accounts.keys() - first.accounts.keys()
