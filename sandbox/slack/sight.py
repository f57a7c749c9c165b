"""What one open client of one person shows, and waiting until it shows something."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sandbox.slack.blocks import Json, Values, find_element, interactive, plain_words
from sandbox.slack.views import Views
from sandbox.slack.workspace import Workspace

Place: TypeAlias = Literal["modal", "message", "home"]
SECONDS = 60.0
"""Much longer than anything takes: how busy a machine is, is not what a person waits to see."""


@dataclass(frozen=True, slots=True)
class Spot:
    """An element that a person can act on, with its block and its view or message."""

    where: Json
    block: Json
    element: Json


class Sight:
    """One open client of one person, as that person sees it.

    `ephemerals` and `notices` are what this client was shown since it was opened, and `bells` the new messages for
    which it rang. `typed` is what the person typed and chose, by view ID or message ts, and `errors` what is under the
    fields after the last submission, by block_id.
    """

    def __init__(self, workspace: Workspace, views: Views, user: str) -> None:
        self.user = user
        self.ephemerals: list[Json] = []
        self.notices: list[str] = []
        self.errors: dict[str, str] = {}
        self.typed: dict[str, Values] = {}
        self.bells: list[Json] = []
        self._workspace = workspace
        self._views = views
        self._changed = asyncio.Event()
        self._session = workspace.connect(user, self._take)

    def reload(self) -> None:
        """Reload the page. Ephemeral messages, open modals and unsent input are gone."""
        self.leave()
        self.ephemerals, self.notices, self.errors, self.typed = [], [], {}, {}
        self._session = self._workspace.connect(self.user, self._take)

    def leave(self) -> None:
        """Close the client. Ephemeral messages sent to it meanwhile are lost."""
        self._session.deliver = None

    @property
    def dm(self) -> str:
        """The ID of the DM with the bot."""
        return self._workspace.dm(self.user).id

    @property
    def modal(self) -> Json | None:
        """The front modal, as Slack's view object."""
        stack = self._views.stack_before(self._session)
        return stack[-1] if stack else None

    @property
    def home(self) -> Json | None:
        """The Home tab that the bot published for this person."""
        return self._views.home(self.user)

    def messages(self, channel: str | None = None) -> list[Json]:
        """The stored messages of a channel (None: the DM with the bot), oldest first; empty if not a member."""
        seen = {each.id for each in self._workspace.channels_of(self.user)}
        wanted = channel or self.dm
        return self._workspace.messages(wanted) if wanted in seen else []

    def sees(self, text: str) -> bool:
        """Whether the person sees this text anywhere now."""
        return any(text in words for words in self._everything())

    def describe(self) -> str:
        """Everything that the person sees, for the message of a failed test."""
        return "\n".join(self._everything()) or "(nothing)"

    def front(self) -> Json:
        """The front modal. Raises AssertionError if there is none."""
        if self.modal is None:
            raise AssertionError(f"{self.user} has no modal open; they see:\n{self.describe()}")
        return self.modal

    async def wait_for(self, predicate: Callable[[], object], what: str = "what was waited for") -> None:
        """Wait until the predicate is true. After `SECONDS`, raises AssertionError with everything the person sees."""
        try:
            async with asyncio.timeout(SECONDS):
                while not predicate():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self.user} waited in vain for {what}; they see:\n{self.describe()}") from None

    async def see(self, text: str) -> None:
        """Wait until the person sees this text somewhere."""
        await self.wait_for(lambda: self.sees(text), repr(text))

    def spots(self, is_it: Callable[[Json], bool], beside: str, surfaces: list[Json]) -> list[Spot]:
        """The elements that fit, likeliest first; with `beside`, only from the block that contains these words on."""
        spots: list[Spot] = []
        for surface in surfaces:
            blocks = surface.get("blocks", [])
            if beside:
                naming = [any(beside in word for word in plain_words(each)) for each in blocks]
                blocks = blocks[naming.index(True) :] if True in naming else []
            hits = [Spot(surface, block, element) for block, element in interactive(blocks) if is_it(element)]
            spots += hits if beside else reversed(hits)
        return spots

    def surfaces(self, in_channel: str | None, place: Place | None) -> list[Json]:
        """Everything that can be clicked in now, likeliest first: views as they are, messages with their `channel`."""
        surfaces: list[Json] = []
        if self.modal and not in_channel and place in (None, "modal"):
            surfaces.append(self.modal)
        if place in (None, "message"):
            surfaces += self._messages_newest_first(in_channel)
        if self.home and not in_channel and place in (None, "home"):
            surfaces.append(self.home)
        return surfaces

    def _messages_newest_first(self, in_channel: str | None) -> list[Json]:
        channels = [each.id for each in self._workspace.channels_of(self.user)]
        stored = [{**each, "channel": channel} for channel in channels for each in self._workspace.messages(channel)]
        both = [each for each in (*stored, *self.ephemerals) if in_channel in (None, each["channel"])]
        return sorted(both, key=lambda each: each["ts"], reverse=True)

    def _take(self, event: Json) -> None:
        kind = event["type"]
        if kind == "message" and event["rings"]:
            self.bells.append({**event["message"], "channel": event["channel"]})
        elif kind == "notice":
            self.notices.append(event["text"])
        elif kind.startswith("ephemeral"):
            self._take_ephemeral(event)
        elif kind in ("view_updated", "home"):
            view = event["view"]
            self.typed[view["id"]] = _still_there(view["blocks"], self.typed.get(view["id"], {}))
        self._changed.set()

    def _take_ephemeral(self, event: Json) -> None:
        if event["type"] == "ephemeral":
            self.ephemerals.append({**event["message"], "channel": event["channel"]})
            return
        ts = event.get("ts") or event["message"]["ts"]
        place = next((index for index, each in enumerate(self.ephemerals) if each["ts"] == ts), None)
        if place is not None:
            new = [{**event["message"], "channel": event["channel"]}] if "message" in event else []
            self.ephemerals[place : place + 1] = new

    def _everything(self) -> list[str]:
        shown: list[object] = [self.modal, *self.ephemerals, self.home]
        for channel in self._workspace.channels_of(self.user):
            shown += self._workspace.messages(channel.id)
        return [word for each in shown for word in plain_words(each)] + self.notices + list(self.errors.values())


def _still_there(blocks: list[Json], typed: Values) -> Values:
    kept: Values = {}
    for block_id, fields in typed.items():
        for action_id, given in fields.items():
            if find_element(blocks, block_id, action_id):
                kept.setdefault(block_id, {})[action_id] = given
    return kept
