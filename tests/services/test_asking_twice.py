"""Sending a form that was sent already: after a crash between the deed and its answer, the deed is done again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.domain.catalog import Account
from bot.domain.keys import Principal
from bot.services.clicks import Draft, Send
from bot.services.proposing import SENT_ALREADY
from tests.services.world import a_world
from tests.support import build
from tests.support.build import CLUSTER, ERIN, HERE
from tests.support.fakes import FakeCloud

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
        desk, click = world.start().desk, build.a_click(Send("D1"))
        assert await desk.submit("D1", DRAFT, click) != SENT_ALREADY
        assert isinstance(world.cloud, Naming)
        world.cloud.names.append("clicks-service")

        assert await desk.submit("D1", DRAFT, click) == SENT_ALREADY
        assert len(await world.store.requests.of_requester(click.by, 9)) == 1
