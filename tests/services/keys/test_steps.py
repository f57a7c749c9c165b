"""What a refusal of the create says to its requester: what happened, what it left, and what to do next."""

from dataclasses import dataclass

import pytest

from bot.domain.errors import CloudRefused
from bot.domain.keys import ApiKey, MyAccount, NewServiceAccount, Owner, Secret
from bot.domain.requests import Failed
from bot.services.keys.create import NOTHING_CHANGED
from bot.services.ports.cloud import NewKey
from tests.services.world import a_world
from tests.support import build
from tests.support.build import ACCOUNT, DANA, ERIN
from tests.support.fakes import FakeCloud


@dataclass(slots=True)
class Refusing(FakeCloud):
    """A Confluent that refuses every create."""

    refusal: CloudRefused | None = None

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        assert self.refusal is not None
        raise self.refusal


QUOTA = "A Confluent quota is full. Delete an unused key"
PERHAPS = "A Confluent quota may be full"
OWN = MyAccount(DANA.principal)
REFUSALS: list[tuple[int, str, Owner, str]] = [
    (402, "", ACCOUNT, QUOTA),
    (402, "anything", OWN, QUOTA),
    (400, "quota_exceeded", ACCOUNT, QUOTA),
    (422, "quota_exceeded", ACCOUNT, QUOTA),
    (400, "", ACCOUNT, PERHAPS),
    (400, "invalid_filter", ACCOUNT, ""),
    (403, "", OWN, "Request a key for a service account instead"),
    (403, "", ACCOUNT, "Ask your Latchkey administrator: its service account isn't allowed"),
    (422, "", ACCOUNT, ""),
    (409, "", ACCOUNT, ""),
]


async def failed(owner: Owner, refusal: CloudRefused) -> tuple[Failed, dict[str, str]]:
    """An approved request whose create is refused, and what the audit log says of its end."""
    async with a_world(cloud=Refusing) as world:
        assert isinstance(world.cloud, Refusing)
        world.cloud.refusal = refusal
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN, "OrganizationAdmin", build.HERE)]
        await world.seed(build.approved(ask=build.an_ask(owner=owner)))
        await world.work_now()
        state = await world.state()
        assert isinstance(state, Failed)
        line = next(line for line in await world.audit() if line["action"] == "request:failed")
        return state, dict(line["details"])


@pytest.mark.parametrize(("status", "reason", "owner", "step"), REFUSALS)
async def test_a_refused_create_says_what_to_do_next(status: int, reason: str, owner: Owner, step: str) -> None:
    refusal = CloudRefused(status=status, detail="not here", reference="req-7", reason=reason)

    state, line = await failed(owner, refusal)

    assert state.next.startswith(step)
    assert "not here" in state.happened
    assert (state.reference, state.changed) == ("req-7", NOTHING_CHANGED)
    assert state.offer_account is (status == 403 and owner == OWN), "a click to an account that Confluent takes"
    assert line == {"happened": state.happened, "reference": "req-7"}


async def test_a_refused_create_with_an_account_made_for_it_does_not_say_that_nothing_was_changed() -> None:
    refusal = CloudRefused(status=422, detail="not here", reference="req-7")

    state, _ = await failed(NewServiceAccount("clicks-service", "reads clicks"), refusal)

    assert "Latchkey will delete it" in state.changed
