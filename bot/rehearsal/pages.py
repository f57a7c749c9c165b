"""The pages that the operator clicks through, and the listener that runs instead of the bot during a rehearsal.

No page contains anything real. What other people do meanwhile is answered but not recorded.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.rehearsal.findings import PAYLOADS, Findings
from bot.slack.api.client import ephemeral
from bot.slack.blocks import kit
from bot.slack.blocks.text import TEXT, Block, mrkdwn
from bot.slack.payloads import ids

TITLE: Final = "Latchkey rehearsal"
FIRST, SECOND, MENU, TYPED, DRAW, DELETE = (
    f"rehearsal:{name}" for name in ["first", "second", "menu", "typed", "draw", "delete"]
)
SECOND_BLOCK: Final = "second:hard"
OLD_BLOCK, FRESH_BLOCK, NEW_BLOCK = "kept", "fresh~1", "fresh~2"
METADATA: Final = '{"rehearsal": "a & b < c > d"}'
SHOWN_NEW: Final = "new text"
DUMMY: Final = "This is dummy text from `latchkey rehearse`. It isn't a secret. Select Delete to remove it."
HeardKind: TypeAlias = Literal["command", "action", "options", "submit", "closed"]
BUSY = "Latchkey is being tested right now. Nothing changed. Try again later."
HARD = "Fish & <chips>"
"""The text of an option and a menu. Slack may send it back escaped."""
_ANY = re.compile(r".*", re.DOTALL)
log = logging.getLogger("latchkey.rehearsal")


def _page(text: str, *blocks: Block, submit: str = "", external_id: str = "") -> Block:
    view = kit.modal(TITLE, [mrkdwn(text), *blocks], callback="rehearsal", submit=submit, metadata=METADATA)
    return view | {"notify_on_close": True} | ({"external_id": external_id} if external_id else {})


def _search(label: str, block_id: str, action: str) -> Block:
    return kit.field(label, block_id, kit.search(action, "Search", None)) | {"dispatch_action": True}


def _text(label: str, block_id: str, text: str = "") -> Block:
    return kit.field(label, block_id, kit.text_input(TYPED, text, limit=TEXT))


def dependent() -> Block:
    """Two searchable fields, and a menu that the operator leaves alone."""
    soup, hard = kit.option("Soup", "soup"), kit.option(HARD, "hard")
    menu: Block = {"type": "static_select", "action_id": MENU, "options": [soup, hard], "initial_option": hard}
    return _page(
        "Choose anything in *First field*, then anything in *Second field*. Leave the menu at the end as it is.",
        _search("First field", "first", FIRST),
        _search("Second field", SECOND_BLOCK, SECOND),
        kit.actions(menu, block="untouched"),
        submit="Skip",
    )


def typing() -> Block:
    """Two text fields to type into, and a button that redraws the page."""
    return _page(
        "Type `old` into both fields. Then select *Draw again*.",
        _text("Kept field", OLD_BLOCK),
        _text("Fresh field", FRESH_BLOCK),
        kit.actions(kit.button("Draw again", DRAW), block="draw"),
        submit="Skip",
    )


def redrawn() -> Block:
    """The same page with other texts: one field under its old block ID, one under a new ID."""
    return _page(
        "The page was drawn again. Don't type anything. Select *Submit*.",
        _text("Kept field", OLD_BLOCK, SHOWN_NEW),
        _text("Fresh field", NEW_BLOCK, SHOWN_NEW),
        submit="Submit",
    )


def submitting() -> Block:
    """A page whose submission is answered."""
    return _page("Select *Submit* once more.", submit="Submit")


def waiting(external_id: str = "") -> Block:
    """The page that answers a submission. It has no fields."""
    return _page("One moment.", external_id=external_id)


def landed() -> Block:
    """The page that follows the answer."""
    return _page("One moment more.")


def over(text: str = "The rehearsal of the form is over. You can close this window.") -> Block:
    """The page at the end of a rehearsal."""
    return _page(text)


def dummy() -> Mapping[str, Any]:
    """The message that is shown and then deleted."""
    return ephemeral(DUMMY, [mrkdwn(DUMMY), kit.actions(kit.button("Delete", DELETE))])


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that the operator did, as Slack sent it."""

    kind: HeardKind
    body: dict[str, Any]

    def is_it(self, kind: HeardKind, action: str = "") -> bool:
        """Whether this has the kind, and is a click on the button or menu `action`, if one is given."""
        actions: list[dict[str, Any]] = self.body.get("actions") or [{}]
        return self.kind == kind and action in {"", actions[0].get("action_id")}


@dataclass(slots=True)
class Ears:
    """Listeners of a Bolt app. The operator is the person who types the code shown only in their terminal."""

    code: str
    operator: str = ""
    answer: Block | None = None
    """The page that answers the next submission."""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The requests for options so far."""
    findings: Findings = field(default_factory=Findings)
    """Records the shapes of the operator's payloads."""
    _heard: "asyncio.Queue[Heard]" = field(default_factory=lambda: asyncio.Queue())  # noqa: PLW0108 - generic

    async def wait(self, is_it: Callable[[Heard], bool]) -> Heard:
        """The next event that fits. Those before it are dropped."""
        while True:
            heard = await self._heard.get()
            if is_it(heard):
                return heard

    def listen(self, app: AsyncApp) -> None:
        """Register listeners for everything that Slack can send according to the bot's manifest."""
        untyped: Any = app
        untyped.command(ids.COMMAND)(self._command)
        untyped.action(_ANY)(self._action)
        untyped.options(_ANY)(self._options)
        untyped.view(_ANY)(self._submit)
        untyped.view_closed(_ANY)(self._closed)
        untyped.shortcut(_ANY)(_nothing)
        untyped.event(_ANY)(_nothing)
        untyped.error(_failed)

    async def _command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        if str(body.get("text", "")).strip() != self.code or self.operator not in {"", body["user_id"]}:
            await ack(text=BUSY, response_type="ephemeral")
            return
        self.operator = body["user_id"]
        await ack()
        self._tell("command", body)

    async def _action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._tell("action", body)

    async def _options(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack(options=[kit.option(HARD, "hard"), kit.option("Soup", "soup")])
        if self._is_operator(body):
            self.asked.append(body)
            self._keep_shape(body)

    async def _submit(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        if self._is_operator(body) and self.answer is not None:
            page, self.answer = self.answer, None
            await ack(response_action="update", view=page)
        else:
            await ack()
        self._tell("submit", body)

    async def _closed(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._tell("closed", body)

    def _is_operator(self, body: dict[str, Any]) -> bool:
        user: dict[str, Any] = body.get("user") or {}
        return bool(self.operator) and user.get("id") == self.operator

    def _tell(self, kind: HeardKind, body: dict[str, Any]) -> None:
        if kind == "command" or self._is_operator(body):
            self._keep_shape(body)
            self._heard.put_nowait(Heard(kind, body))

    def _keep_shape(self, body: dict[str, Any]) -> None:
        kind = str(body.get("type", "slash_command"))
        if kind not in PAYLOADS:
            return
        paths = PAYLOADS[kind]
        if body.get("view"):  # a click in a view has no `state` of its own
            paths = tuple(path for path in paths if path != "state")
        self.findings.note_payload(kind, body, paths)


async def _nothing(ack: AsyncAck) -> None:
    await ack()


async def _failed(error: Exception) -> None:
    log.error("a listener of the rehearsal failed", exc_info=error)
