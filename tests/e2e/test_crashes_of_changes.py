"""`kill -9` while a key is rotated, edited, extended, deleted, or gets an account of its own: another process goes on.

What the dead process had sent may still arrive, or may never; both are tried where it makes a difference.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.services import worker
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.gate import Gate
from sandbox.stage import BotProcess
from tests.support.play import POLICY_FILE, Play, bot_of
from tests.support.processes import (
    LEASE,
    Bots,
    actions,
    audit_of,
    creates,
    crew,
    in_time,
    payloads_with,
    reached,
    until,
)
from tests.support.walks import is_drawn, managed, opened, sent
from tests.support.wishes import NEW, OWN, Wish, ask, review

LAPTOP = "DANASLAPTOP00001"
"""Dana's own key, which she may change without anybody's approval; a rotation takes one."""
ENDING = """\
version: 1
channel: C0APPROVE
defaults: {lifetime: 30d}
rules:
  - {name: nobody has to approve, match: {operation: [create]}, approvals: 0}
  - {name: one approval, match: {operation: [rotate]}, approvals: 1}
"""


@pytest.fixture(autouse=True)
def successor_looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of these tests runs fast, so the process that takes over has to look more often than each second."""
    monkeypatch.setattr(worker, "POLL", 0.05)


@dataclass(slots=True)
class Scene:
    """A play in which one process is killed at one moment, and another takes over."""

    it: Play
    bots: Bots
    victim: BotProcess
    stack: AsyncExitStack
    late: list[Gate] = field(default_factory=list[Gate])
    """Where what the dead process had sent is held."""

    def gates(self, where: str) -> dict[str, Gate]:
        """The gates of one side: `confluent before`, `slack after` and so on."""
        side, moment = where.split()
        faults = self.it.stage.faults if side == "confluent" else self.it.stage.slack.faults
        gates: dict[str, Gate] = getattr(faults, f"hold_{moment}")
        return gates

    async def killed(
        self, doing: Callable[[], Awaitable[object]], where: str, call: str, nth: int = 0, *, lands: bool = True
    ) -> None:
        """Do something; the process dies in the nth call of this name that follows. With `lands`, that call goes on."""
        gates = self.gates(where)
        gate = gates[call] = Gate()
        await doing()
        await reached(gate)
        for _ in range(nth):
            passed, gate = gate, Gate()
            gates[call] = gate
            passed.opened.set()
            await reached(gate)
        await self.bots.kill(self.victim)
        del gates[call]
        if lands:
            gate.opened.set()
        else:
            self.late.append(gate)
        await self.succeeded()

    async def succeeded(self) -> None:
        """Another process takes over what the dead one held."""
        await self.stack.enter_async_context(bot_of(self.it.stage))
        self.it.advance(seconds=LEASE)


@asynccontextmanager
async def scene(folder: Path, policy: str = "") -> AsyncGenerator[Scene]:
    if policy:
        (folder / POLICY_FILE).write_text(policy)
    async with crew(folder) as (it, bots), AsyncExitStack() as stack:
        changes = {"LATCHKEY_POLICY": str(folder / POLICY_FILE)} if policy else {}
        here = Scene(it, bots, await bots.start(**changes), stack)
        try:
            yield here
        finally:
            for gate in here.late:
                gate.opened.set()


# --- a rotation ------------------------------------------------------------------------------------------------------

MOMENTS: dict[str, tuple[str, str, str]] = {
    "its submit was answered": ("submit", "slack before", "users.info"),
    "the approval was answered": ("approve", "slack before", "users.info"),
    "before the create": ("approve", "confluent before", "create"),
    "after the create": ("approve", "confluent after", "create"),
    "before the secret was shown": ("show", "slack before", "response_url"),
    "after the secret was shown": ("show", "slack after", "response_url"),
    "before the old key is deleted": ("end", "confluent before", "delete"),
    "after the old key was deleted": ("end", "confluent after", "delete"),
}
"""What was just done, and the call in which the process dies."""


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_in_a_rotation_both_keys_stay_known_and_the_plan_goes_on(tmp_path: Path, moment: str) -> None:
    fatal, where, call = MOMENTS[moment]
    async with scene(tmp_path) as here:
        it = here.it
        await opened(it.dana, "rotate", LAPTOP)
        await it.dana.fill({"Name of the new key": "laptop 2", "Reason": "It leaked"})

        async def act(name: str, doing: Callable[[], Awaitable[object]]) -> None:
            await (here.killed(doing, where, call) if name == fatal else doing())

        await act("submit", it.dana.submit)
        await in_time(it, it.erin, "laptop 2")
        await act("approve", it.approve)
        await in_time(it, it.dana, "is ready.")
        assert LAPTOP in it.stage.organization.api_keys
        await act("show", lambda: it.dana.click("Show secret"))
        if fatal == "show":
            await _replaced(it)
        await in_time(it, it.dana, f"The old key {LAPTOP} still works.")
        (new,) = it.our_keys()
        assert payloads_with(it.stage, it.stage.organization.secrets_issued[new]) == 1
        assert {LAPTOP, new} <= set(it.stage.organization.api_keys)

        await act("end", lambda: _a_day_passes(it))
        await in_time(it, it.dana, f"The old key {LAPTOP} for orders-dev was deleted.")
        assert LAPTOP not in it.stage.organization.api_keys
        assert it.our_keys() == [new]
        lines = await audit_of(it.stage)

    made = [line["details"]["key"] for line in lines if line["action"] == "key:created"]
    gone = [line["details"]["key"] for line in lines if line["action"] == "key:deleted"]
    assert made[-1] == new
    assert LAPTOP in gone
    assert actions(lines).count("request:submitted") == actions(lines).count("request:approved") == 1
    assert creates(it.stage) <= 2


async def _a_day_passes(it: Play) -> None:
    it.advance(hours=24, seconds=1)


async def _replaced(it: Play) -> None:
    """Nobody knows whether the secret was seen: its key goes, the old one does not, and Dana gets another."""
    (lost,) = it.our_keys()
    await in_time(it, it.dana, f"Your key {lost} for orders-dev (laptop 2) was deleted")
    assert it.our_keys() == []
    assert LAPTOP in it.stage.organization.api_keys
    await it.dana.click("Replace key", in_channel=it.dana.dm)
    await in_time(it, it.dana, "is ready.")
    await it.dana.click("Show secret")


async def test_killed_while_the_overlap_was_made_longer_the_old_key_goes_when_it_was_said_last(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        it = here.it
        await opened(it.dana, "rotate", LAPTOP)
        await it.dana.fill({"Name of the new key": "laptop 2", "Reason": "It leaked"})
        await it.dana.submit()
        await in_time(it, it.erin, "laptop 2")
        await it.approve()
        await in_time(it, it.dana, "is ready.")
        await it.dana.click("Show secret")
        await it.dana.see(f"The old key {LAPTOP} still works.")
        await here.killed(lambda: it.dana.click("Keep 1 more day"), "slack before", "users.info")
        await in_time(it, it.dana, "is kept until")

        it.advance(hours=47)
        await in_time(it, it.dana, f"The old key {LAPTOP} still works.")
        assert LAPTOP in it.stage.organization.api_keys
        await here.it.dana.click("Delete old key now")
        await in_time(it, it.dana, f"The old key {LAPTOP} for orders-dev was deleted.")
        lines = await audit_of(it.stage)

    assert LAPTOP not in it.stage.organization.api_keys
    assert actions(lines).count("key:overlap-changed") == 2


# --- a Kafka key with its Schema Registry's ---------------------------------------------------------------------------

BOTH = Wish(name="orders service", also=True)
OF_A_PAIR: dict[str, tuple[str, str, str, int]] = {
    "before the first create": ("approve", "confluent before", "create", 0),
    "after the first create": ("approve", "confluent after", "create", 0),
    "after the second create": ("approve", "confluent after", "create", 1),
    "before both were shown": ("show", "slack before", "response_url", 0),
    "after both were shown": ("show", "slack after", "response_url", 0),
    "before either of them is replaced": ("replace", "confluent before", "delete", 0),
    "after one of them was deleted": ("replace", "confluent after", "delete", 0),
    "while one of them is rotated": ("rotate", "confluent after", "create", 0),
    "while one of them is deleted": ("delete", "confluent after", "delete", 0),
}
"""The step after which the process dies, and the call in which it does."""


@pytest.mark.parametrize("moment", OF_A_PAIR)
async def test_killed_at_any_step_of_a_pair_both_keys_are_in_use_or_neither_is(tmp_path: Path, moment: str) -> None:
    fatal, where, call, nth = OF_A_PAIR[moment]
    async with scene(tmp_path) as here:
        it, every = here.it, here.it.stage.organization.api_keys

        async def act(name: str, doing: Callable[[], Awaitable[object]]) -> None:
            await (here.killed(doing, where, call, nth) if name == fatal else doing())

        await ask(it, it.dana, BOTH)
        await act("approve", it.approve)
        await in_time(it, it.dana, " are ready.")
        await act("show", lambda: it.dana.click("Show secrets"))
        if fatal == "show":
            await in_time(it, it.dana, "Until ")  # nobody knows whether she saw them
            assert it.our_keys() == []
        else:
            await it.dana.see("Schema Registry API secret:")
        if fatal in {"show", "replace"}:
            await act("replace", lambda: it.dana.click("Replace keys", in_channel=it.dana.dm))
            await in_time(it, it.dana, " are ready.")
            await it.dana.click("Show secrets")
            await until(lambda: len(it.dana.ephemerals) and _shown(here), "both secrets")
        kafka, registry = sorted(it.our_keys(), key=lambda key: every[key].resource.id)
        assert [every[key].resource.id[:4] for key in (kafka, registry)] == ["lkc-", "lsrc"]
        assert _shown(here)

        if fatal == "rotate":
            await opened(it.dana, "rotate", registry)
            await it.dana.fill({"Name of the new key": "next", "Reason": "It leaked"})
            await it.dana.submit()
            await in_time(it, it.erin, "next")
            await act("rotate", it.approve)
            await in_time(it, it.dana, "is ready.")
        if fatal == "delete":
            await opened(it.erin, "delete", registry)
            await it.erin.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
            await act("delete", it.erin.submit)
            await in_time(it, it.erin, "The key was deleted")
        lines = await audit_of(it.stage)

    assert kafka in it.our_keys()
    assert (registry in it.our_keys()) is (fatal != "delete")
    assert len(it.our_keys()) == 2 + {"rotate": 1, "delete": -1}.get(fatal, 0)
    gone = {line["details"]["key"] for line in lines if line["action"] == "key:deleted"}
    assert {line["details"]["key"] for line in lines if line["action"] == "key:created"} - gone == set(it.our_keys())
    assert actions(lines).count("request:approved") == 1 + (fatal == "rotate")


def _shown(here: Scene) -> bool:
    """Whether the secret of each of our keys was in one message."""
    issued = here.it.stage.organization.secrets_issued
    return all(payloads_with(here.it.stage, issued[key]) == 1 for key in here.it.our_keys())


# --- an edit, a deletion, an extension -------------------------------------------------------------------------------


AROUND = [("confluent before", True), ("confluent before", False), ("confluent after", True)]
"""On which side of the effect the process dies, and whether what it had sent arrives after that."""


@pytest.mark.parametrize(("where", "lands"), AROUND)
async def test_killed_around_an_edit_the_key_has_the_new_texts_and_it_is_said(
    tmp_path: Path, where: str, *, lands: bool
) -> None:
    async with scene(tmp_path) as here:
        it, key = here.it, here.it.stage.organization.api_keys[LAPTOP]
        await opened(it.dana, "edit", LAPTOP)
        await it.dana.fill({"Name": "old laptop", "Description": "to be given back"})
        await here.killed(it.dana.submit, where, "edit", lands=lands)
        await in_time(it, it.dana, "The key was updated")
        lines = await audit_of(it.stage)

    assert (key.name, key.description) == ("old laptop", "to be given back")
    assert actions(lines) == ["request:submitted", "key:edit-intended", "key:edited"]


@pytest.mark.parametrize(("where", "lands"), AROUND)
async def test_killed_around_a_deletion_the_key_is_gone_and_nobody_else_is_said_to_have_done_it(
    tmp_path: Path, where: str, *, lands: bool
) -> None:
    async with scene(tmp_path) as here:
        it = here.it
        await opened(it.dana, "delete", LAPTOP)
        await it.dana.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        await here.killed(it.dana.submit, where, "delete", lands=lands)
        await in_time(it, it.dana, "The key was deleted")
        lines = await audit_of(it.stage)

    assert LAPTOP not in it.stage.organization.api_keys
    assert "outside Latchkey" not in str(it.dana.messages())
    assert actions(lines) == ["request:submitted", "key:delete-intended", "key:deleted"]


@pytest.mark.parametrize("nth", [0, 1])
async def test_killed_around_an_extension_the_key_is_extended_once(tmp_path: Path, nth: int) -> None:
    """The calls: who is it that asks; and once more, in the moment of the effect."""
    async with scene(tmp_path, ENDING) as here:
        it = here.it
        it.stage.faults.expires_at = "ignored"  # or Confluent's end is the longest that it can be extended to
        assert "Send request" in await review(it.dana, Wish(OWN, name="short", lifetime="7 days"))
        await sent(it.dana, "No approval needed.")
        await it.dana.see("is ready.")
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")
        await managed(it.dana, it.our_keys()[0], "Extend")
        await it.dana.wait_for(lambda: is_drawn(it.dana, "Extend API key"), "the page to extend it")
        await it.dana.fill({"New expiration": "Maximum allowed", "Reason": "It goes on"})
        await here.killed(it.dana.submit, "slack before", "users.info", nth)
        await in_time(it, it.dana, "The key was extended")

        it.advance(days=24)
        await in_time(it, it.dana, "Extend it, or rotate it")
        assert len(it.our_keys()) == 1
        it.advance(days=7)
        await in_time(it, it.dana, "expired and was deleted")
        await until(lambda: not it.our_keys(), "the key to be deleted")
        lines = await audit_of(it.stage)

    assert actions(lines).count("key:extended") == actions(lines).count("key:retired") == 1


# --- an account of its own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "call", "lands"),
    [*((where, "account", lands) for where, lands in AROUND), ("confluent before", "create", False)],
)
async def test_killed_around_the_making_of_an_account_there_is_one_account_with_its_one_key(
    tmp_path: Path, where: str, call: str, *, lands: bool
) -> None:
    async with scene(tmp_path) as here:
        it, olga = here.it, here.it.person("U0OLGA")
        await ask(it, it.dana, Wish(NEW, name="clicks", account_name="clicks-service"))
        await here.killed(lambda: olga.click("Approve", in_channel=APPROVALS_CHANNEL), where, call, lands=lands)
        await in_time(it, it.dana, "is ready.")
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")
        (key,) = it.our_keys()
        accounts = it.stage.organization.service_accounts
        (account,) = [each for each in accounts.values() if each.name == "clicks-service"]
        it.advance(hours=25)  # until then the key may be replaced, and its replacement looks for the mark
        await until(lambda: "[lk:" not in account.description, "its own description")
        lines = await audit_of(it.stage)

    assert it.stage.organization.api_keys[key].owner == account.id
    of_account = [each for each in actions(lines) if each.startswith("account:")]
    assert of_account[-1] == "account:edited"  # the last look for what was given up may come before it, or after
    assert "account:created" in of_account


async def test_killed_after_an_account_was_made_for_a_key_that_nobody_takes_both_go(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        it, olga = here.it, here.it.person("U0OLGA")
        await ask(it, it.dana, Wish(NEW, name="clicks", account_name="clicks-service"))
        await here.killed(lambda: olga.click("Approve", in_channel=APPROVALS_CHANNEL), "confluent after", "account")
        await in_time(it, it.dana, "is ready.")
        it.advance(hours=25)
        await in_time(it, it.dana, "was deleted")
        it.advance(minutes=3)  # once: a clock that goes on by itself ends the lease of anyone who removes the account
        accounts = it.stage.organization.service_accounts
        await until(lambda: "clicks-service" not in str(list(accounts.values())), "the account to go")
        lines = await audit_of(it.stage)

    assert it.our_keys() == []
    assert actions(lines).count("account:deleted") == 1
