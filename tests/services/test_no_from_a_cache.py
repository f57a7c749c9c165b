"""T24: nothing that is a minute old refuses anybody; and nobody gets Confluent asked without end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.errors import NotFound, Throttled
from bot.domain.policy import RoleMapping
from bot.domain.requests import Pending
from bot.services.commands import Check, Draft, Send
from bot.services.pages import Page, ReviewPage, TextPage
from bot.services.people.directory import MOST_REREADS
from tests.services.keys.test_change import KEY, a_key
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import CLUSTER, DANA, ERIN, HERE
from tests.support.fakes import FakeCloud

DRAFT = Draft("me", CLUSTER.environment, CLUSTER.id, "n", "", "r")


async def review(world: World) -> Page:
    await world.click(Check(DRAFT), view="V1")
    await world.work_now()
    return world.slack.pages[-1]


def may_approve(world: World) -> None:
    world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN, "OrganizationAdmin", HERE)]


@pytest.mark.parametrize("otherwise", [1, None])
@pytest.mark.parametrize("how", ["a role", "a group"])
async def test_t24_a_role_that_was_granted_a_moment_ago_counts_on_the_review_page(
    how: str, otherwise: int | None
) -> None:
    async with a_world() as world:
        world.cloud.bindings[DANA.principal] = []
        world.policy = replace(build.a_policy(0, otherwise), mappings=(RoleMapping("S01", "DeveloperRead"),))
        page = await review(world)
        assert page.terms.approvals == 1 if isinstance(page, ReviewPage) else otherwise is None

        if how == "a group":
            world.slack.groups["S01"] = [DANA.slack]
        else:
            world.cloud.bindings[DANA.principal] = [build.a_binding(DANA, "DeveloperRead", HERE)]
        page = await review(world)
        assert isinstance(page, ReviewPage)
        assert page.terms.approvals == 0


async def test_t24_an_approver_of_a_moment_ago_counts_on_the_review_page_and_when_it_is_sent() -> None:
    async with a_world() as world:
        world.cloud.bindings = {DANA.principal: [build.a_binding(DANA, "DeveloperRead", HERE)]}
        refused = await review(world)
        assert isinstance(refused, TextPage)
        assert "no one else can approve it" in refused.text

        may_approve(world)
        page = await review(world)
        assert isinstance(page, ReviewPage)
        world.cloud.bindings[ERIN.principal] = []
        world.clock.advance(timedelta(minutes=2))
        await review(world)

        may_approve(world)
        await world.click(Send(page.draft_id), view="V1")
        await world.work_now()
        assert isinstance(await world.state(page.draft_id), Pending)


async def test_t24_a_key_shows_to_whom_a_role_was_granted_a_moment_ago() -> None:
    async with a_world() as world:
        await a_key(world)
        world.cloud.bindings[ERIN.principal] = []
        key_views = world.start().services.key_views
        with pytest.raises(NotFound):
            await key_views.read(ERIN.slack, ERIN.team, lambda now, roles: now.key_page(KEY, roles))

        may_approve(world)
        page = await key_views.read(ERIN.slack, ERIN.team, lambda now, roles: now.key_page(KEY, roles))
        assert page.view.key.id == KEY


async def test_t24_nobody_has_confluent_asked_without_end() -> None:
    async with a_world() as world:
        world.policy = build.a_policy(0, otherwise=None)
        world.cloud.bindings[DANA.principal] = []
        last = [await review(world) for _ in range(MOST_REREADS + 20)][-1]
        asked = world.plan.calls.count("cloud.role_bindings")

        assert asked <= MOST_REREADS + 1
        assert isinstance(last, TextPage)
        assert "several times in the last minute" in last.text, "not knowing is no refusal"

        world.clock.advance(timedelta(seconds=61))
        assert "several times" not in str(await review(world))


async def test_t24_the_wait_is_said_and_is_no_refusal() -> None:
    async with a_world() as world:
        directory = world.start().services.directory
        for _ in range(MOST_REREADS):
            await directory._count_reread(DANA.slack)
        with pytest.raises(Throttled) as raised:
            await directory._count_reread(DANA.slack)
        assert timedelta() < raised.value.wait <= timedelta(minutes=1)
        await directory._count_reread(ERIN.slack)


@pytest.mark.parametrize("approvals", [0, 1])
async def test_nobody_is_refused_for_roles_that_confluent_may_only_not_show(
    approvals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(approvals=approvals) as world:
        world.cloud.bindings = {DANA.principal: [build.a_binding(DANA, "DeveloperRead", HERE)]}
        if approvals == 0:
            world.cloud.bindings = {}
        else:
            may_approve(world)
        page = await review(world)
        world.cloud.bindings.pop(ERIN.principal, None)
        world.clock.advance(timedelta(minutes=2))

        async def may_hide(_: FakeCloud) -> None:
            raise Throttled("Confluent Cloud may show a part only.", wait=timedelta(minutes=1))

        monkeypatch.setattr(FakeCloud, "must_see_all", may_hide)
        if isinstance(page, ReviewPage):
            await world.click(Send(page.draft_id), view="V1")
            await world.work_now()
            seen = world.slack.pages[-1]
        else:
            seen = await review(world)

        assert isinstance(seen, TextPage)
        assert "may show a part only" in seen.text
        assert not [line for line in await world.audit() if line["action"] == "request:refused"]
