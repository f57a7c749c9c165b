"""Asking for a change of a key: what is refused before anything is stored, and what the request then holds."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from bot.domain.catalog import Catalog, Quota
from bot.domain.deadlines import end_of_life
from bot.domain.errors import NotFound, Refused
from bot.domain.keys import ApiKey, KeyId, Operation, RequestId
from bot.domain.kinds import Kind
from bot.domain.requests import MOST_OVERLAP, Ask, Shown
from bot.services.catalog.cache import NEW
from bot.services.commands import Delete, Edit, Extend, Rotate, fingerprint
from bot.services.form.validate import LIMITS
from bot.services.pages import EditPage, Page, TextPage
from bot.services.requests.change import CONFIRM, KeyRequests, chosen
from bot.services.requests.submit import SENT_ALREADY
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import CLUSTER, DANA, DAY, ERIN, HERE, NOW
from tests.support.composed import may_approve
from tests.support.fakes import FakeCloud

KEY = KeyId("KEY0000000000001")
REASON = "The project goes on"
LONG = "x" * (LIMITS["name"] + 1)


@dataclass(slots=True)
class Reads(FakeCloud):
    """A Confluent where someone else changes a key right after so many looks at it; 0 is never."""

    change_after: int = 0
    looks: int = 0
    becomes: ApiKey | None = field(default=None)

    async def key(self, key: KeyId) -> ApiKey | None:
        found = await FakeCloud.key(self, key)
        self.looks += 1
        if self.looks == self.change_after:
            if self.becomes is None:
                self.minted[key].deleted_at = self.clock()
            else:
                self.minted[key].key = self.becomes
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Dana's key, which ends in ten days, under a rule that needs an approval for everything."""
    async with a_world(cloud=Reads) as world:
        world.policy = build.policy_of(build.a_rule(lifetime=30 * DAY, overlap=2 * DAY))
        may_approve(world.cloud, DANA)
        key = world.cloud.add(build.a_key(KEY, kind=Kind.KAFKA))
        await world.seed(build.shown(terms=build.terms(lifetime=10 * DAY), key=key))
        yield world


async def ask(world: World, deed: Edit | Delete | Rotate | Extend, click: str = "R2") -> Page:
    """Dana asks; returns what she reads."""
    services = (world.processes or [world.start()])[0].services
    service = KeyRequests(
        services.forms.proposals, services.key_views, services.directory, services.catalog, world.cloud, world.clock
    )
    clicked = build.a_click(deed, at=world.clock(), id=click, anyway=True)
    match deed:
        case Edit():
            return await service.edit(deed, clicked)
        case Delete():
            return await service.delete(deed, clicked)
        case Rotate():
            return await service.rotate(deed, clicked)
        case Extend():
            return await service.extend(deed, clicked)


async def asked(world: World, click: str = "R2") -> Ask | None:
    """What is on record of it."""
    stored = await world.store.requests.get(RequestId(click))
    return stored.value.ask if stored else None


def an_edit(name: str = "orders v2", description: str = "reads orders", reason: str = REASON) -> Edit:
    return Edit(KEY, name, description, fingerprint("orders producer", "reads orders"), reason)


def a_rotation(**fields: object) -> Rotate:
    usual: dict[str, object] = {"name": "orders v2", "description": "", "reason": REASON, "overlap_days": 0}
    return Rotate(KEY, **(usual | fields))  # type: ignore[arg-type]


async def refusal(world: World, deed: Edit | Delete | Rotate | Extend) -> str:
    """Why nothing is asked for."""
    with pytest.raises(Refused) as error:
        await ask(world, deed)
    assert await asked(world) is None
    return error.value.tell


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (an_edit(name=LONG), "Name: At most 64 characters"),
        (an_edit(description="x" * 201), "Description: At most 200 characters"),
        (an_edit(reason="x" * 3001), "Reason: At most 3,000 characters"),
        (an_edit(name="orders [lk:R9/1]"), "Name: Remove the tag at the end"),
        (Delete(KEY, CONFIRM, f"cflt{'x' * 60}"), "Reason: This looks like it contains an API secret."),
        (a_rotation(description="a\nb"), "Description: Use one line"),
        (a_rotation(name=" "), "Enter a name and a reason for the new key."),
        (a_rotation(reason="\u200b"), "Enter a name and a reason for the new key."),
        (an_edit(reason="\u2800"), "A reason is required, because this isn't your personal key."),
        (Delete(KEY, CONFIRM, " "), "A reason is required, because this isn't your personal key."),
        (Extend(KEY, "\u200b", "20"), "Enter a reason."),
        (Extend(KEY, "x" * 3001, "20"), "Reason: At most 3,000 characters"),
    ],
)
async def test_texts_that_the_form_would_refuse_are_refused_here(
    world: World, deed: Edit | Delete | Rotate | Extend, said: str
) -> None:
    told = await refusal(world, deed)

    assert told.startswith(said)
    assert told.endswith("Nothing was sent.")


async def test_a_text_that_stays_as_it_was_passes_whatever_it_holds(world: World) -> None:
    """Someone gave the key a name in the Console that our form would not take."""
    world.cloud.minted[KEY].key = replace(world.cloud.minted[KEY].key, name=LONG)
    edit = Edit(KEY, LONG, "new words", fingerprint(LONG, "reads orders"), REASON)
    await ask(world, edit)

    assert (found := await asked(world)) is not None
    assert (found.name, found.description) == (LONG, "new words")
    with pytest.raises(Refused, match="Name: At most 64"):
        await ask(world, replace(edit, name=f"{LONG}x"), "R3")


async def test_a_deletion_of_a_key_of_ones_own_account_needs_no_reason(world: World) -> None:
    world.cloud.minted[KEY].key = replace(world.cloud.minted[KEY].key, owner=DANA.principal)
    assert isinstance(await ask(world, Delete(KEY, CONFIRM)), TextPage)
    assert (found := await asked(world)) is not None
    assert (found.operation, found.reason) == (Operation.DELETE, "")


async def test_the_request_holds_the_key_with_its_marker_and_shows_its_texts_without(world: World) -> None:
    await ask(world, an_edit(name=" orders v2 ", description=" now v2 "))

    assert (found := await asked(world)) is not None
    assert (found.name, found.description) == ("orders v2", "now v2")
    assert found.key is not None
    assert found.key == world.cloud.minted[KEY].key
    assert "[lk:" in found.key.description
    assert (found.id, found.requester, found.asked_at) == ("R2", DANA, NOW)


@pytest.mark.parametrize(
    ("approvals", "said"),
    [
        (0, f"No approval needed. Deleting key `{KEY}`. Latchkey will message you when it's done."),
        (1, "Request sent. Latchkey will message you when it's approved or denied."),
    ],
)
async def test_the_answer_says_whether_somebody_has_to_approve(world: World, approvals: int, said: str) -> None:
    world.policy = build.policy_of(build.a_rule(approvals))
    page = await ask(world, Delete(KEY, CONFIRM, REASON))

    assert isinstance(page, TextPage)
    assert page.text == said
    again = await ask(world, Delete(KEY, CONFIRM, REASON))
    assert isinstance(again, TextPage)
    assert again.text == SENT_ALREADY


# --- a key that changes under the hands -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize(
    "deed",
    [an_edit(), Delete(KEY, CONFIRM, REASON), a_rotation(), Extend(KEY, REASON, "20")],
    ids=lambda deed: deed.kind,
)
async def test_whenever_somebody_else_changes_the_key_no_request_speaks_of_what_it_was(
    world: World, deed: Edit | Delete | Rotate | Extend, *, is_deleted: bool
) -> None:
    """The key is looked at several times: a change after any of these is seen, or it came after the last one."""
    cloud, said = world.cloud, set[str]()
    assert isinstance(cloud, Reads)
    await ask(world, deed, "R100")
    looks, before = cloud.looks, cloud.minted[KEY].key
    after = replace(before, name="changed in the Console")
    for number in range(1, looks + 1):
        cloud.minted[KEY].key, cloud.minted[KEY].deleted_at = before, None
        cloud.looks, cloud.change_after, cloud.becomes = 0, number, None if is_deleted else after
        try:
            page = await ask(world, replace(deed), f"R10{number}")
        except (NotFound, Refused) as error:
            said.add(error.tell.partition(".")[0])
            continue
        found = await asked(world, f"R10{number}")
        assert number == looks or isinstance(page, EditPage) or (found and found.key == after), number
    gone = "The key `KEY0000000000001` no longer exists"
    assert (gone if is_deleted else "Someone else is changing this key right now") in said


@pytest.mark.parametrize("kind", [Kind.KAFKA, Kind.CLOUD])
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("is_stale", [True, False])
async def test_confluent_is_asked_where_a_cluster_is_only_if_an_old_catalog_does_not_tell(
    world: World, kind: Kind, *, is_known: bool, is_stale: bool
) -> None:
    world.clock.advance(NEW)  # since the key was created
    clusters = build.by_kind(CLUSTER) if is_known else {}
    catalog = Catalog(build.ORGANIZATION, (), (), clusters)
    await world.store.cache.put("catalog", catalog, Catalog, now=world.clock(), keep=DAY)
    world.clock.advance(timedelta(hours=1) * is_stale)
    world.cloud.minted[KEY].key = replace(world.cloud.minted[KEY].key, kind=kind)
    world.cloud.bindings = {each.principal: [build.a_binding(each, "OrganizationAdmin", HERE)] for each in (DANA, ERIN)}

    await ask(world, Delete(KEY, CONFIRM, REASON))
    is_asked = kind is Kind.KAFKA and not is_known and is_stale
    assert world.plan.calls.count("cloud.environments") == is_asked


# --- lengths of time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "overlap"), [(-1, 0), (0, 0), (2, 2), (3, None)])
async def test_the_old_key_lives_on_for_as_long_as_the_rule_lets_it(
    world: World, days: int, overlap: int | None
) -> None:
    if overlap is None:
        assert "kept for at most 2 days" in await refusal(world, a_rotation(overlap_days=days))
        return
    await ask(world, a_rotation(overlap_days=days))
    assert (found := await asked(world)) is not None
    assert found.overlap == overlap * DAY


async def test_no_rule_lets_two_keys_live_beside_each_other_for_long(world: World) -> None:
    world.policy = build.policy_of(build.a_rule(overlap=365 * DAY))
    most = MOST_OVERLAP.days

    assert "at most" in await refusal(world, a_rotation(overlap_days=most + 1))
    await ask(world, a_rotation(overlap_days=most))
    assert (found := await asked(world)) is not None
    assert found.overlap == MOST_OVERLAP


@pytest.mark.parametrize(
    ("days", "most", "lifetime"), [("", 7, None), ("7", 7, 7), ("1", 7, 1), ("365", None, 365), ("", None, None)]
)
def test_a_lifetime_within_the_rule_is_taken(days: str, most: int | None, lifetime: int | None) -> None:
    terms = build.terms(lifetime=most and timedelta(days=most))

    assert chosen(days, terms) == (lifetime and timedelta(days=lifetime))


@pytest.mark.parametrize(
    ("days", "said"),
    [("8", "at most 7 days"), ("a week", "couldn't be read"), ("0", "couldn't be read"), ("-1", "couldn't be read")],
)
def test_a_lifetime_beyond_the_rule_or_in_no_days_is_refused(days: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        chosen(days, build.terms(lifetime=7 * DAY))


async def test_an_extension_that_would_end_the_key_earlier_is_refused(world: World) -> None:
    made = await world.state()
    assert isinstance(made, Shown)
    assert end_of_life(made) == NOW + 10 * DAY

    assert "would make it expire earlier" in await refusal(world, Extend(KEY, REASON, "9"))
    await ask(world, Extend(KEY, REASON, "10"))
    assert (found := await asked(world)) is not None
    assert found.lifetime == 10 * DAY


# --- Confluent's limits -----------------------------------------------------------------------------------------------


async def test_where_confluent_has_no_room_nothing_takes_the_keys_place_and_all_else_can_be_asked(world: World) -> None:
    world.cloud.limits = [Quota("kafka.max_api_keys.per_cluster", "", 10, 10)]

    assert "Nothing was sent" in await refusal(world, a_rotation())
    deeds: list[Edit | Delete | Extend] = [an_edit(), Delete(KEY, CONFIRM, REASON), Extend(KEY, REASON, "20")]
    for number, deed in enumerate(deeds):
        page = await ask(world, deed, f"R1{number}")
        assert isinstance(page, TextPage)
        assert await asked(world, f"R1{number}"), page.text
