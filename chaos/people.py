"""Requesters and approvers at their Slack clients. Each does one random thing after another, and gives up easily."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from random import Random
from typing import Any, TypeAlias

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json, interactive, plain_words
from sandbox.slack.errors import NotPossible, SlackError
from sandbox.stage import Stage
from tests.support.play import send_anyway
from tests.support.walks import is_loading, says
from tests.support.wishes import NEW, OWN, Wish, review

PATIENCE = 10.0
"""Seconds after which someone gives up what they were doing, and reloads Slack."""
RECENT = 40
"""How many messages of a channel someone scrolls through."""
REQUESTERS: Mapping[str, str] = {
    "U0DANA": "DANASLAPTOP00001",
    "U0SAMI": "SAMISNOTEBOOK001",
    "U0OMAR": "",
    "U0MONA": "",
    "U0DISHA": "",
    "U0REED": "",
    "U0LENA": "",
    "U0KIM": "",
    "U0CHIYO": "",
    "U0GRETA": "",
}
"""Who requests keys, and the key that they had before."""
APPROVERS = ("U0ERIN", "U0OLGA", "U0INES", "U0RAVI", "U0PAVEL")
WISHES = (
    Wish(),
    Wish(OWN),
    Wish(lifetime="1 day"),
    Wish(environment="production", cluster="orders"),
    Wish(NEW, kind="schema-registry", cluster="lsrc-dev01"),
    Wish(kind="schema-registry", cluster="lsrc-dev01"),
    Wish(kind="ksqldb", cluster="enrichment"),
    Wish(kind="flink", cluster="aws.us-east-1"),
    Wish("payments-service", kind="cloud"),
    Wish(kind="tableflow"),
    Wish("payments-service", kind="global"),
    Wish(NEW, access=(("Write topics", "clicks-, audit-"), ("Use consumer groups", "clicks-"))),
    Wish(access=(("Read topics", "clicks-"), ("Write topics", "orders-"))),
    Wish(kind="schema-registry", cluster="lsrc-dev01", access=(("Read subjects", "clicks-"),)),
    *[Wish(also=True)] * 3,
    *[Wish(NEW, also=True)] * 2,
)
URGENT = (Wish(), Wish(), Wish(environment="production", cluster="orders"), Wish(kind="flink", cluster="aws.us-east-1"))
"""What people use break-glass for, if their rules let them."""
_KEY = re.compile(r"API key: `?([A-Z0-9]{16})")
Deed: TypeAlias = Callable[[], Coroutine[Any, Any, str]]
"""Returns a word for how it went; "" if there was nothing to do."""


class Member(ABC):
    """One person; `tally` counts what they did and how it went."""

    def __init__(self, here: Stage, user: str, numbers: Random, tally: Counter[str]) -> None:
        self._slack, self._numbers, self._tally = here.slack, numbers, tally
        self.client = here.slack.person(user)
        self.user = user

    @abstractmethod
    def deeds(self) -> Mapping[str, tuple[int, Deed]]:
        """What they may do, by name: how likely it is, and a function that does it."""

    async def live(self, stop: asyncio.Event) -> None:
        """Do one thing after another until `stop` is set."""
        deeds = self.deeds()
        names, weights = list(deeds), [weight for weight, _ in deeds.values()]
        while not stop.is_set():
            (name,) = self._numbers.choices(names, weights)
            await self._try(name, deeds[name][1])
            await asyncio.sleep(self._numbers.uniform(0.05, 0.6))

    async def _try(self, name: str, deed: Deed) -> None:
        self.client.notices.clear()
        doing, told = asyncio.create_task(deed()), asyncio.create_task(self._notice())
        try:
            await asyncio.wait({doing, told}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            went = doing.result() if doing.done() else "given up"
        except (AssertionError, NotPossible, SlackError):
            went = "given up"
        finally:
            doing.cancel()
            told.cancel()
            await asyncio.gather(doing, told, return_exceptions=True)
        if went == "given up":
            self.client.reload()
        if went:
            self._tally[f"{name}: {went}"] += 1

    async def _notice(self) -> None:
        """Wait until Slack says that the app didn't respond. A menu that didn't load is worth another try."""
        await self.client.wait_for(lambda: any("did not load" not in each for each in self.client.notices))

    def _buttons(self, channel: str, text: str) -> Iterator[tuple[Json, Json]]:
        """The newest messages with this button, and for each the action that pressing it sends."""
        for message in reversed(self._slack.workspace.messages(channel)[-RECENT:]):
            for action in _actions(message, text):
                yield message, action

    async def press(self, channel: str, text: str, *, times: int = 1) -> str:
        """Press this button in one of the newest messages. Returns how it went."""
        found = list(self._buttons(channel, text))
        if not found:
            return ""
        message, action = found[min(int(self._numbers.expovariate(0.7)), len(found) - 1)]
        does = self._slack.interactions
        await asyncio.gather(
            *(does.act_in_message(self.user, channel, message["ts"], action) for _ in range(times)),
            return_exceptions=True,
        )
        return "pressed" if times == 1 else "pressed twice"

    async def home(self) -> str:
        """Open Home."""
        await self.client.open_home()
        return "Home"

    async def below(self, button: str, channel: str, reason: str) -> str:
        """Press this button, which opens a form, and enter this reason."""
        if not await self.press(channel, button):
            return ""
        await self.client.wait_for(lambda: self.client.modal and not is_loading(self.client.modal))
        return await self.sent({"Reason": reason})

    async def sent(self, answers: Mapping[str, str]) -> str:
        """Fill in the open form, submit it, and read the result."""
        await self.client.fill(answers)
        before = says(self.client.modal)
        if await self.client.submit():
            await self.client.close(everything=True)
            return "not accepted"
        await self.client.wait_for(lambda: not self.client.modal or says(self.client.modal) != before)
        if self.client.modal:
            await self.client.close(everything=True)
        return "sent"


class Requester(Member):
    """Requests keys and changes of keys, and views the secrets."""

    def __init__(self, here: Stage, user: str, numbers: Random, tally: Counter[str]) -> None:
        super().__init__(here, user, numbers, tally)
        self._made = 0
        self._keys = [REQUESTERS[user]] if REQUESTERS[user] else []

    def deeds(self) -> Mapping[str, tuple[int, Deed]]:
        """As `Member.deeds`."""
        dm = self.client.dm
        return {
            "create": (8, self._create),
            "break glass": (4, self._break_glass),
            "show secret": (10, self._take),
            "edit": (2, lambda: self._change("edit", lambda: {"Name": self._name(), "Reason": "It has a new name"})),
            "rotate": (3, lambda: self._change("rotate", self._rotation)),
            "extend": (3, self._extend),
            "remove access": (3, self._remove_access),
            "delete": (
                2,
                lambda: self._change("delete", lambda: {"word": "CONFIRM", "Reason": "It is no longer used"}),
            ),
            "report a leak": (3, lambda: self._change("leaked", dict)),
            "cancel": (1, lambda: self.press(dm, "Cancel request")),
            "replace a lost key": (3, lambda: self.press(dm, "Replace key")),
            "keep the old key": (1, lambda: self.press(dm, "Keep 1 more day")),
            "delete the old key": (1, lambda: self.press(dm, "Delete old key now")),
            "keep in the review": (2, lambda: self._keep_all(dm)),
            "look": (2, self._look),
        }

    async def _keep_all(self, dm: str) -> str:
        reason = "It is still needed."
        return await self.below("Keep all for now", dm, reason) or await self.below("Keep all shown", dm, reason)

    def _name(self) -> str:
        self._made += 1
        return f"{self.user.lower()} {self._made}"

    async def _create(self) -> str:
        wish = self._numbers.choice(WISHES)
        name = self._name()
        wanted = Wish(
            wish.account,
            wish.environment,
            wish.cluster,
            name,
            wish.kind,
            account_name=f"{name.replace(' ', '-')}-service",
            lifetime=wish.lifetime,
            access=wish.access,
            also=wish.also,
        )
        kind = f"{wish.kind} pair" if wish.also else wish.kind
        if "Send request" not in await review(self.client, wanted):
            await self.client.close(everything=True)
            return f"{kind} refused"
        await send_anyway(self.client)
        return f"{kind} sent"

    async def _break_glass(self) -> str:
        """Use break-glass: some people may, unless a use of theirs waits for its review."""
        wish = self._numbers.choice(URGENT)
        await review(self.client, Wish(wish.account, wish.environment, wish.cluster, self._name(), wish.kind))
        went = "not offered"
        if any(_actions(self.client.modal or {}, "Use break-glass")):
            await self.client.click("Use break-glass", place="modal")
            await self.client.wait_for(lambda: "Review your request" not in str(self.client.front()["title"]))
            if self.client.front().get("submit"):
                return await self.sent({"Why it can't wait": "Orders are down."})
            went = "refused"
        await self.client.close(everything=True)
        return went

    async def _take(self) -> str:
        went = await self.press(self.client.dm, "Show secret", times=self._numbers.choice((1, 1, 1, 2)))
        if not went:
            return ""
        await self.client.wait_for(lambda: any("API secret:" in says(each) for each in self.client.ephemerals))
        message = next(each for each in reversed(self.client.ephemerals) if "API secret:" in says(each))
        found = _KEY.findall(" ".join(plain_words(message)))
        self._keys += found
        next_step = self._numbers.choices(("I saved it", "Replace key", ""), (7, 1, 2))[0]
        if not any(_actions(message, next_step)):  # no key by break-glass is replaced before its review
            next_step = ""
        if next_step:
            await self._press_below(message, next_step)
        else:
            self.client.reload()
        return f"{'both shown' if len(found) > 1 else 'shown'}, then {next_step or 'left alone'}"

    async def _press_below(self, message: Json, text: str) -> None:
        action = next(_actions(message, text))
        await self._slack.interactions.act_in_ephemeral(self.user, message["channel"], message["ts"], action)
        await self.client.wait_for(lambda: all(each["ts"] != message["ts"] for each in self.client.ephemerals))

    async def _change(self, verb: str, answers: Callable[[], Mapping[str, str]]) -> str:
        if not self._keys:
            return ""
        key = self._numbers.choice(self._keys[-6:])
        await self.client.command(f"/apikey {verb} {key}")
        await self.client.wait_for(lambda: not is_loading(self.client.modal))
        if not (self.client.modal and self.client.modal.get("submit")):
            await self.client.close(everything=True)
            self._keys.remove(key)
            return "refused"
        return await self.sent(answers())

    def _rotation(self) -> Mapping[str, str]:
        return {"Name of the new key": self._name(), "Reason": "every quarter"}

    async def _extend(self) -> str:
        if not await self.press(self.client.dm, "Manage key"):
            return ""
        await self.client.wait_for(lambda: self.client.modal and not is_loading(self.client.modal))
        if not any(_actions(self.client.modal or {}, "Extend")):
            await self.client.close(everything=True)
            return "nothing to extend"
        await self.client.click("Extend", place="modal")
        await self.client.wait_for(lambda: self.client.modal and self.client.modal.get("submit"))
        return await self.sent({"Reason": "It goes on"})

    async def _remove_access(self) -> str:
        """Remove access: some people manage keys that they requested, and so have the button."""
        if not await self.press(self.client.dm, "Manage key"):
            return ""
        await self.client.wait_for(lambda: self.client.modal and not is_loading(self.client.modal))
        went = "nothing to remove"
        if any(_actions(self.client.modal or {}, "Remove access")):
            await self.client.click("Remove access", place="modal")
            went = "pressed"
        await self.client.close(everything=True)
        return went

    async def _look(self) -> str:
        if self._numbers.random() < 0.3:  # noqa: PLR2004 - now and then
            return await self.home()
        words = ["list", "requests", "whoami", *(f"show {key}" for key in self._keys[-1:])]
        await self.client.command(f"/apikey {self._numbers.choice(words)}")
        if self.client.modal:
            await self.client.wait_for(lambda: not is_loading(self.client.modal))
            await self.client.close(everything=True)
        return "command"


class Approver(Member):
    """Decides about what waits in the approvals channel, and approves most of it."""

    def deeds(self) -> Mapping[str, tuple[int, Deed]]:
        """As `Member.deeds`."""
        return {
            "approve": (12, lambda: self.press(APPROVALS_CHANNEL, "Approve")),
            "approve, double click": (1, lambda: self.press(APPROVALS_CHANNEL, "Approve", times=2)),
            "delete a leaked key": (1, lambda: self._end_leaked("Delete now", {"word": "CONFIRM"})),
            "rotate a leaked key": (1, lambda: self._end_leaked("Rotate now", {"Name of the new key": "after a leak"})),
            "deny": (1, lambda: self.below("Deny", APPROVALS_CHANNEL, "Not this week.")),
            "justified": (4, lambda: self.press(APPROVALS_CHANNEL, "Justified")),
            "not justified": (1, lambda: self.below("Not justified", APPROVALS_CHANNEL, "Someone was there.")),
            "look": (1, self.home),
        }

    async def _end_leaked(self, button: str, answers: Mapping[str, str]) -> str:
        """Press a button under a message about a leaked key, and submit what it opens."""
        if not await self.press(APPROVALS_CHANNEL, button):
            return ""
        await self.client.wait_for(lambda: self.client.modal and not is_loading(self.client.modal))
        if not (self.client.modal and self.client.modal.get("submit")):
            await self.client.close(everything=True)
            return "refused"
        return await self.sent(answers)


_ALIKE = {
    "Show secrets": "Show secret",
    "I saved them": "I saved it",
    "Replace keys": "Replace key",
    "Manage Kafka key": "Manage key",
    "Keep key": "Keep all shown",
    "Keep for now": "Keep all for now",
}
"""The text of a button for both keys of a pair, or for one key of a review, and its usual text."""


def _actions(message: Json, text: str) -> Iterator[Json]:
    """The actions that pressing the buttons with this text in a message sends."""
    for block, element in interactive(message.get("blocks", [])):
        if element["type"] == "button" and _ALIKE.get(label := element["text"]["text"], label) == text:
            yield {**element, "block_id": block["block_id"]}
