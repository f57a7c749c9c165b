"""The rehearsal steps in Slack. Each is complete in itself, because the operator may skip any of them."""

import asyncio
import html
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, TypeVar, cast

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, Undeliverable
from bot.domain.keys import Secret
from bot.rehearsal import pages
from bot.rehearsal.console import Console, Skipped, ask, wait_or_skip
from bot.rehearsal.findings import Findings, Shape, shapes
from bot.rehearsal.pages import HARD, Ears, Heard, HeardKind
from bot.services.people.directory import Tenant
from bot.slack.api.client import Replies, UrlAnswer, call
from bot.slack.blocks.text import Block

SETTLED = 4.0
"""Seconds after which the answer to a submission has arrived in the client."""
EARLY = 0.1
"""Seconds after an answer at which Latchkey usually puts its own page."""
GRACE = 30.0
"""Seconds that the operator still has to delete the message after an interruption."""
ANSWERED_WITHIN = 15.0
"""Seconds after which a call to Slack won't be answered anymore."""
T = TypeVar("T")
_PROFILE = ("team_id", "enterprise_user", "is_email_confirmed", "is_restricted", "deleted", "profile")
_TYPES = ("application/json", "text/html", "text/plain")


@dataclass(slots=True)
class SlackSteps:
    """The steps in order. Call `leave_nothing` at the end, whatever happened."""

    client: AsyncWebClient
    replies: Replies
    tenant: Tenant
    ears: Ears
    console: Console
    findings: Findings
    seconds: float
    grace: float = GRACE
    settled: float = SETTLED
    _view: str = ""
    _opening: str = ""
    _answered_at: float = -SETTLED
    _url: Secret | None = None
    _shown: bool = False
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _calls: set["asyncio.Future[Any]"] = field(default_factory=set["asyncio.Future[Any]"])

    def all(self, channels: Sequence[str]) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Every step and its title, in order."""
        return [
            ("Two dependent fields", self.dependent_fields),
            ("A page drawn again", self.redrawn),
            ("The answer to a submit, by external_id", self.acked_external_id),
            ("The answer to a submit and a later update", self.late_ack),
            ("A message that only you see, and its deletion", self.ephemeral),
            ("Your Slack profile", self.profile),
            ("The approvals channels", lambda: self.channels(channels)),
        ]

    def hurry(self) -> None:
        """Stop waiting for the operator's last click."""
        self._hurry.set()

    async def dependent_fields(self) -> None:
        """See what a request for options contains, and what a page sends back."""
        await self._show(pages.dependent())
        await self._did("In the window, choose anything in First field", "action", pages.FIRST)
        before = len(self.ears.asked)
        heard = await self._did("Choose anything in Second field", "action", pages.SECOND)
        self._judge_echo(heard.body.get("view") or {})
        requests = [each for each in self.ears.asked[before:] if each.get("action_id") == pages.SECOND]
        if not requests:
            return
        asked, states = requests[0], {_state(each) for each in requests}
        self.findings.judge("slack.suggestion-state", states != {"whole"})
        is_same = asked.get("block_id") == pages.SECOND_BLOCK
        self.findings.judge("slack.block-id-echo", is_same, handled=is_same)
        self.findings.note("slack.suggestion-state", **shapes(asked, ("view", "container", "block_id", "team")))
        self.findings.note("slack.suggestion-state", state=states.pop() if len(states) == 1 else "not always the same")

    async def redrawn(self) -> None:
        """Redraw a page with one field under its old ID and one under a new ID."""
        await self._show(pages.typing())
        await self._did("Type old into both fields, then select Draw again", "action", pages.DRAW)
        await self._show(pages.waiting())  # a field that stays keeps its text; this tests one that returns
        await self._show(pages.redrawn())
        heard = await self._submit("Don't type anything. Select Submit", pages.over("Thank you. Next: one more page."))
        values = _values(heard.body)
        view: dict[str, Any] = heard.body.get("view") or {}
        metadata = str(view.get("private_metadata"))
        is_readable = html.unescape(metadata) == pages.METADATA
        self.findings.judge("slack.metadata-unescaped", metadata == pages.METADATA, handled=is_readable)
        self.findings.judge("slack.state-of-the-page-before", pages.FRESH_BLOCK in values)
        kept, fresh = _typed(values, pages.OLD_BLOCK), _typed(values, pages.NEW_BLOCK)
        if kept is not None:
            self.findings.judge("slack.redrawn-input", kept != pages.SHOWN_NEW)
        is_fresh = fresh == pages.SHOWN_NEW
        self.findings.judge("slack.new-ids-are-fresh", is_fresh, handled=is_fresh)

    async def acked_external_id(self) -> None:
        """Update the page that answered a submission by the external_id that it brought."""
        await self._show(pages.submitting())
        name, at = await self._submitted(pages.waiting)
        adopted = False
        while not adopted and _now() - at < self.settled:
            adopted = await self._put({"external_id": name, "view": pages.landed()})
            if not adopted:
                await asyncio.sleep(EARLY * 2)
        self.findings.judge("slack.acked-external-id", adopted)
        self.findings.note("slack.late-ack", adopted_after_seconds=round(_now() - at, 1))
        is_there = await self._put({"view_id": self._view, "view": pages.landed()})
        if not is_there:
            self._view = ""

    async def late_ack(self) -> None:
        """Put a page right after an answer, and see by its hash whether the answer landed on top of it."""
        await self._show(pages.submitting())
        await self._submitted(pages.waiting)
        await asyncio.sleep(EARLY)
        landed = {"view_id": self._view, "view": pages.landed()}
        first = await self._whole(call(self.client, "views.update", landed))
        await asyncio.sleep(self.settled)
        body = {"view_id": self._view, "view": pages.over(), "hash": first["view"]["hash"]}
        try:
            await self._whole(call(self.client, "views.update", body))
        except Undeliverable as error:
            if error.reason != "hash_conflict":
                raise
            self.findings.judge("slack.late-ack", claim_holds=True)
            await self._put({"view_id": self._view, "view": pages.over()})
        else:
            self.findings.judge("slack.late-ack", claim_holds=False)

    async def ephemeral(self) -> None:
        """Show the operator a dummy message, and delete it when they click."""
        if self._url is None:
            await self._command("to see a message that only you see")
        url, self._url = self._url, None  # it works for a few posts and half an hour
        if url is None:
            return
        self._shown = True
        self._judge_answer("command", await self._whole(self.replies.exchange(url, pages.dummy())))
        heard = await self._did("In Slack, select Delete below the dummy message", "action", pages.DELETE)
        await self._delete(heard)
        gone = await ask(self.console, "Is the dummy message gone?", self.seconds)
        if gone is not None:
            self.findings.judge("slack.delete-ephemeral", gone)

    async def profile(self) -> None:
        """See which fields the operator's profile has."""
        if not self.ears.operator:
            await self._command("so that Latchkey knows who you are")
        found = (await call(self.client, "users.info", {"user": self.ears.operator}, form=True))["user"]
        grid: dict[str, Any] = found.get("enterprise_user") or {}
        self.findings.note("slack.users-info", **shapes(found, _PROFILE))
        in_grid = shapes(grid, ("enterprise_id", "teams"))
        self.findings.note("slack.users-info", **{f"enterprise_user.{name}": it for name, it in in_grid.items()})
        self.findings.note("slack.users-info", team_is_ours=found.get("team_id") == self.tenant.team)
        self.findings.judge("slack.grid-user", found.get("team_id") != self.tenant.team)
        if grid or self.tenant.enterprise:
            self.findings.judge("slack.grid-ids", found.get("id") == self.ears.operator)
        self.findings.judge("slack.email-confirmed", found.get("is_email_confirmed") is True)

    async def channels(self, channels: Sequence[str]) -> None:
        """See whether Slack says that the bot is a member of each channel."""
        for number, channel in enumerate(channels, 1):
            try:
                found = (await call(self.client, "conversations.info", {"channel": channel}, form=True))["channel"]
            except Undeliverable:
                seen: dict[str, Shape] = {"is_member": "the channel is not shown"}
            else:
                seen = shapes(found, ("is_member", "is_private", "is_archived", "is_ext_shared"))
            self.findings.note("slack.channel-info", **{f"channel {number}.{name}": it for name, it in seen.items()})
            is_told = str(seen["is_member"]).startswith("boolean")
            if not is_told or "slack.is-member" not in self.findings.verdicts:
                self.findings.judge("slack.is-member", not is_told)

    async def leave_nothing(self) -> None:
        """Close and delete what was shown, and say on the terminal what can't be."""
        if self._calls:  # otherwise an interrupted call could show something after this
            await asyncio.wait(self._calls, timeout=ANSWERED_WITHIN)
        try:
            await self._finish_view()
        except LatchkeyError:
            self.console.say("The window in Slack couldn't be updated. Close it: it does nothing.")
        if self._shown:
            await self._delete_late()

    async def _finish_view(self) -> None:
        """Show the last page, and again if the answer to a submission may still land on top of it."""
        if self._opening and not self._view:
            await self._put({"external_id": self._opening, "view": pages.over()})
        if not self._view:
            return
        await self._put({"view_id": self._view, "view": pages.over()})
        if await self._settle():
            await self._put({"view_id": self._view, "view": pages.over()})

    async def _settle(self) -> bool:
        """Wait until the answer to the last submission has arrived. Returns whether it had to wait."""
        left = self._answered_at + self.settled - _now()
        if left > 0:
            await asyncio.sleep(left)
        return left > 0

    async def _delete_late(self) -> None:
        self.console.say(f"→ Select Delete below the dummy message in Slack within {self.grace:g} seconds.")
        clicked = asyncio.create_task(self.ears.wait(lambda it: it.is_it("action", pages.DELETE)))
        hurried = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait({clicked, hurried}, timeout=self.grace, return_when=asyncio.FIRST_COMPLETED)
            if clicked.done():
                await self._delete(clicked.result())
        except LatchkeyError:
            pass
        finally:
            clicked.cancel()
            hurried.cancel()
        if self._shown:
            self.console.say(
                "The dummy message may still show. It contains no secret, and disappears when Slack reloads."
            )

    async def _delete(self, heard: Heard) -> None:
        answer = await self.replies.exchange(Secret(str(heard.body.get("response_url", ""))), {"delete_original": True})
        self._shown = answer.refusal is not None
        self._judge_answer("click", answer)

    def _judge_answer(self, what: str, answer: UrlAnswer) -> None:
        taken, kind = answer.refusal is None, _body(answer)
        content_type = answer.content_type if answer.content_type in _TYPES else "other"
        seen: dict[str, Shape] = {"status": answer.status, "type": content_type, "body": kind}
        self.findings.note("slack.response-url-answer", **{f"{what}.{name}": shape for name, shape in seen.items()})
        if kind == "web page":
            self.findings.judge("slack.response-url-html", claim_holds=True, handled=False)
        if self.findings.verdicts.get("slack.response-url-answer") != "FALSE":
            self.findings.judge("slack.response-url-answer", taken, handled=taken)

    def _judge_echo(self, view: dict[str, Any]) -> None:
        blocks: list[dict[str, Any]] = view.get("blocks") or []
        elements = [each["elements"] for each in blocks if each.get("block_id") == "untouched"]
        if elements:
            seen = str(elements[0][0]["initial_option"]["text"]["text"])
            self.findings.judge("slack.echo-escaped", seen != HARD, handled=html.unescape(seen) == HARD)
        untouched = _values({"view": view}).get("untouched", {}).get(pages.MENU, {}).get("selected_option")
        self.findings.judge("slack.untouched-menu", not untouched)

    async def _show(self, page: Block) -> None:
        """Show a page in the window. Without a window, open one at the operator's next command."""
        await self._settle()
        if self._view and await self._put({"view_id": self._view, "view": page}):
            return
        self._view = ""
        heard = await self._command("to open a window")
        self._opening = token_hex(16)
        body = {"trigger_id": heard.body["trigger_id"], "view": {**page, "external_id": self._opening}}
        self._view = (await self._whole(call(self.client, "views.open", body)))["view"]["id"]

    async def _command(self, why: str) -> Heard:
        heard = await self._did(f"In Slack, in any channel, type  /apikey {self.ears.code}  {why}", "command")
        self._url = Secret(heard.body["response_url"])
        return heard

    async def _submitted(self, page: Callable[[str], Block]) -> tuple[str, float]:
        """Wait for the next submission and answer it.

        Returns the answer's external_id, and when it was sent (loop time).
        """
        name = token_hex(16)
        await self._submit("In the window, select Submit", page(name))
        return name, self._answered_at

    async def _submit(self, what: str, answer: Block) -> Heard:
        """Wait for the next submission and answer it with a page."""
        self.ears.answer = answer
        try:
            return await self._did(what, "submit")
        finally:
            self.ears.answer = None
            self._answered_at = _now()

    async def _put(self, body: Block) -> bool:
        """Update a view. Returns False if it doesn't exist."""
        try:
            await self._whole(call(self.client, "views.update", body))
        except Undeliverable as error:
            if error.reason != "not_found":
                raise
            return False
        return True

    async def _whole(self, work: Awaitable[T]) -> T:
        """Await `work`, which an interruption doesn't cancel, because Slack may carry it out anyway."""
        doing = asyncio.ensure_future(work)
        self._calls.add(doing)
        doing.add_done_callback(self._ended)
        return await asyncio.shield(doing)

    def _ended(self, doing: "asyncio.Future[Any]") -> None:
        self._calls.discard(doing)
        if not doing.cancelled():
            doing.exception()  # mark it as retrieved: nobody may be waiting for it

    async def _did(self, what: str, kind: HeardKind, action: str = "") -> Heard:
        # If no page waits for a submission, it also closes the window.
        waiting = self.ears.wait(lambda it: it.is_it(kind, action) or it.kind in {"closed", "submit"})
        heard = await wait_or_skip(self.console, what, waiting, self.seconds)
        if not heard.is_it(kind, action):
            self._view = ""
            self.console.say("  The window was closed, so this step is skipped.")
            raise Skipped
        return heard


def _now() -> float:
    return asyncio.get_running_loop().time()


def _values(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    view: dict[str, Any] = body.get("view") or {}
    state: dict[str, Any] = view.get("state") or {}
    values: dict[str, dict[str, Any]] = state.get("values") or {}
    return values


def _state(asked: dict[str, Any]) -> str:
    """How much of the form a request for options includes."""
    values = _values(asked)
    if values.get("first", {}).get(pages.FIRST, {}).get("selected_option"):
        return "whole"
    return "stale" if values else "empty"


def _typed(values: dict[str, dict[str, Any]], block: str) -> str | None:
    value = values.get(block, {}).get(pages.TYPED, {}).get("value")
    return None if value is None else str(value)


def _body(answer: UrlAnswer) -> str:
    """The kind of body, in a word or two."""
    text = answer.body.decode("utf-8-sig", "replace").strip()
    if not text or text == "ok":
        return text or "empty"
    if text.startswith("<") or answer.content_type == "text/html":
        return "web page"
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        return "other text"
    if not isinstance(said, dict):
        return "other JSON"
    verdict = cast("dict[str, object]", said).get("ok")
    return f"JSON ok {str(verdict).lower()}" if isinstance(verdict, bool) else "other JSON"
