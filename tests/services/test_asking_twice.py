"""Sending what was sent already: after a crash between the deed and its answer, the deed is done again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest

from bot.domain.catalog import Account
from bot.domain.keys import Principal, RequestId
from bot.domain.requests import Done, Pending
from bot.services.commands import Approve, Deed, Delete, Deny, Draft, Send
from bot.services.pages import TextPage
from bot.services.requests.submit import SENT_ALREADY
from tests.services.keys.test_change import KEY, a_key, an_edit
from tests.services.world import a_world
from tests.support import build
from tests.support.build import CLUSTER, DANA, ERIN, HERE
from tests.support.fakes import FakeCloud
from tests.support.faults import Fault

DRAFT = Draft("new", CLUSTER.environment, CLUSTER.id, "n", "", "r", account_name="clicks-service")


@dataclass(slots=True)
class Naming(FakeCloud):
    """A Confluent that knows the names of service accounts."""

    names: list[str] = field(default_factory=list[str])

    async def accounts_named(self, name: str) -> Sequence[Account]:
        return [Account(Principal("sa-new"), name, "")] if name in self.names else []


async def test_a_form_sent_twice_makes_one_request_also_when_its_account_exists_by_then() -> None:
    async with a_world(cloud=Naming) as world:
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN, "OrganizationAdmin", HERE)]
        await world.store.drafts.put("D1", DANA.slack, DRAFT)
        await world.click(Send("D1"), view="V1")
        await world.work_now()
        assert isinstance(world.cloud, Naming)
        world.cloud.names.append("clicks-service")
        await world.click(Send("D1"), view="V1")
        await world.work_now()

        said = [page.text for page in world.slack.pages if isinstance(page, TextPage)]
        assert [text == SENT_ALREADY for text in said] == [False, True]
        assert len(await world.store.requests.of_requester(DANA.slack, 9)) == 1


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.KILL_BEFORE])
@pytest.mark.parametrize("which", range(2))
async def test_a_change_whose_answer_slack_did_not_take_is_not_said_to_have_changed_nothing(
    fault: Fault, which: int
) -> None:
    async with a_world() as world:
        key = await a_key(world)
        deed: Deed = (an_edit(key), Delete(KEY, "CONFIRM", "It is no longer used"))[which]
        world.plan.faults, world.plan.calls = {("notifier.show_page", 0): fault}, []

        request = await world.click(deed, view="V1")
        await world.settle(timedelta(minutes=2))

        assert isinstance(await world.state(request), Done)
        (page,) = world.slack.pages
        assert isinstance(page, TextPage), page
        # After a crash it is carried out again; else its answer is kept.
        doing = ("Updating", "Deleting")[which]
        kept = f"No approval needed. {doing} key `{KEY}`. Latchkey will message you when it's done."
        assert page.text == (SENT_ALREADY if fault is Fault.KILL_BEFORE else kept)


@pytest.mark.parametrize("deed", [Approve, partial(Deny, reason="Not now")])
@pytest.mark.parametrize("changes", [False, True])
async def test_a_decision_whose_answer_a_crash_kept_back_is_not_said_to_have_changed_nothing(
    deed: Callable[[RequestId], Approve | Deny], *, changes: bool
) -> None:
    async with a_world() as world:
        request = RequestId("R1")
        if changes:  # by someone who no longer manages the key; carried out before the click is, once more
            await a_key(world)
            world.cloud.bindings[DANA.principal] = []
            request = RequestId(await world.click(Delete(KEY, "CONFIRM", "It is no longer used")))
        else:
            await world.seed(build.pending())
        await world.work_now()
        world.plan.faults, world.plan.calls = {("notifier.say", 0): Fault.KILL_BEFORE}, []
        world.start()

        await world.click(deed(request), by=ERIN)
        await world.settle(timedelta(minutes=5))

        assert not isinstance(await world.state(request), Pending)
        said = [text for who, text in world.slack.said if who == ERIN.slack]
        if deed is not Approve:  # an approval shows on the card that was clicked
            assert len(said) == 1
        assert all(each.endswith("Your click changed nothing more.") for each in said)
