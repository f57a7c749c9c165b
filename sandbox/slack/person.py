"""A person at their Slack client, for tests that read like what people do."""

import copy
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from sandbox import cast
from sandbox.slack.blocks import ONE_OF, PICKED, SOME_OF, TEXTS, Json, Values, interactive, options_of, settle
from sandbox.slack.interactions import Interactions
from sandbox.slack.sight import Place, Sight, Spot
from sandbox.slack.views import Views
from sandbox.slack.workspace import Workspace

Choice: TypeAlias = str | list[str] | None
TIMES_TYPED = 3
"""How often a person types into a menu whose options didn't load in time."""


class PersonAtClient(Sight):
    """One open client of one person, inside the sandbox's process.

    Clicking and filling first wait until what they need appears, so a test never sleeps. If it doesn't appear within
    `sight.SECONDS`, they raise AssertionError with everything the person sees. Each returns after the bot's ack. Wait
    with `see` or `wait_for` for what the bot does then.
    """

    def __init__(self, workspace: Workspace, views: Views, interactions: Interactions, user: str) -> None:
        super().__init__(workspace, views, user)
        self._does = interactions
        self.confirms: list[Json] = []

    async def command(self, line: str, *, channel: str | None = None) -> None:
        """Run a slash command, such as `/apikey create`, in #general or another channel."""
        await self._does.command(self.user, channel or self._first_channel(), line)

    async def shortcut(self, callback_id: str) -> None:
        """Choose a global shortcut."""
        await self._does.shortcut(self.user, callback_id)

    async def message_shortcut(self, callback_id: str, channel: str, ts: str) -> None:
        """Choose a shortcut in the menu of a message."""
        await self._does.message_shortcut(self.user, channel, ts, callback_id)

    async def open_home(self, tab: Literal["home", "messages"] = "home") -> None:
        """Open the Home tab, or the one with the messages."""
        await self._does.home(self.user, tab)

    async def click(
        self, text: str, *, beside: str = "", in_channel: str | None = None, place: Place | None = None
    ) -> None:
        """Click the newest button with this text: in the front modal, otherwise in messages, otherwise on the Home tab.

        With `beside`, click the first such button in or after the block that contains these words. An entry of an
        overflow menu is found like a button. If Slack asks for confirmation, the answer is yes, and `confirms` gets the
        question.
        """
        spot = await self._find(lambda each: _reads(each, text), f"a button {text!r}", beside, in_channel, place)
        await self._click(spot, lambda option: bool(option["text"]["text"] == text))

    async def press(
        self,
        action_id: str,
        *,
        folded: str = "",
        beside: str = "",
        in_channel: str | None = None,
        place: Place | None = None,
    ) -> None:
        """Click like `click`, but a button with this action_id, or the menu entry whose value starts with `folded`."""

        def is_folded(option: Json) -> bool:
            return bool(folded) and bool(option["value"].startswith(folded))

        def is_it(element: Json) -> bool:
            return element["action_id"] == action_id or any(map(is_folded, element.get("options", ())))

        spot = await self._find(is_it, f"a button {action_id}", beside, in_channel, place)
        await self._click(spot, is_folded)

    async def _click(self, spot: Spot, is_chosen: Callable[[Json], bool]) -> None:
        if "confirm" in spot.element:
            self.confirms.append(spot.element["confirm"])
        action = {**spot.element, "block_id": spot.block["block_id"]}
        if spot.element["type"] == "overflow":
            action["selected_option"] = next(filter(is_chosen, spot.element["options"]))
        await self._act(spot.where, action)

    async def choose(
        self,
        action_id: str,
        wanted: str,
        *,
        beside: str = "",
        in_channel: str | None = None,
        place: Place | None = None,
    ) -> None:
        """Choose an option, by its text or value, in a menu that acts at once, such as an overflow menu or a filter."""
        spot = await self._find(
            lambda element: element["action_id"] == action_id, f"a menu {action_id!r}", beside, in_channel, place
        )
        option = await self._option(spot.where, spot.block, spot.element, wanted)
        given = {"type": spot.element["type"], "selected_option": option}
        ids = self._note(spot.where, spot.block, spot.element, given)
        await self._act(spot.where, {**given, **ids})

    async def fill(self, answers: Mapping[str, Choice]) -> None:
        """Fill fields of the front modal, or else of Home, in order. Each is named by its label, block_id or action_id.

        Text is typed. An option is chosen by its text or value; an external menu first asks the bot for options. None
        clears the field. A field with `dispatch_action` tells the bot at once; in a text field, that means pressing
        Enter.
        """
        for name, choice in answers.items():
            await self.wait_for(lambda name=name: self._field(name) is not None, f"a field {name!r}")  # type: ignore[misc]
            field = self._field(name)
            assert field is not None  # noqa: S101 - or the test is wrong - as above
            await self._fill_one(*field, choice)

    async def type(self, name: str, text: str) -> None:
        """Type into a text field like `fill`, but don't press Enter, so the bot isn't told yet."""
        await self.wait_for(lambda: self._field(name) is not None, f"a field {name!r}")
        field = self._field(name)
        assert field is not None  # noqa: S101 - or the test is wrong - as above
        where, block, element = field
        self._note(where, block, element, await self._given(where, block, element, text))

    async def options(self, name: str, typed: str = "", *, place: Place | None = None) -> list[str]:
        """The texts of a menu's options, after typing `typed` for an external one: in the front modal, or else on Home.

        With a `place`, it's the newest menu with this action_id there, for example in a message.
        """
        if place is not None:
            spot = await self._find(lambda one: one["action_id"] == name, f"a menu {name!r}", "", None, place)
            return [each["text"]["text"] for each in await self._offered(spot.where, spot.block, spot.element, typed)]
        await self.wait_for(lambda: self._field(name) is not None, f"a field {name!r}")
        where, block, element = self._field(name) or ({}, {}, {})
        return [each["text"]["text"] for each in await self._offered(where, block, element, typed)]

    async def submit(self) -> dict[str, str]:
        """Press the front modal's submit button. Returns and keeps the `errors`, empty if the form was sent."""
        view = self.front()
        self.errors = await self._does.submit(self.user, view["id"], self._values(view))
        return self.errors

    async def close(self, *, everything: bool = False) -> None:
        """Press Cancel, or the X of the whole stack."""
        await self._does.close(self.user, self.front()["id"], everything=everything)

    def _first_channel(self) -> str:
        channels = [each.id for each in self._workspace.channels_of(self.user)]
        return cast.GENERAL_CHANNEL if cast.GENERAL_CHANNEL in channels else channels[0]

    async def _find(
        self,
        is_it: Callable[[Json], bool],
        what: str,
        beside: str,
        in_channel: str | None,
        place: Place | None,
    ) -> Spot:
        found: list[Spot] = []

        def look() -> bool:
            found[:] = self.spots(is_it, beside, self.surfaces(in_channel, place))
            return bool(found)

        await self.wait_for(look, what + (f" beside {beside!r}" if beside else ""))
        return found[0]

    async def _act(self, where: Json, action: Json) -> None:
        values = self._values(where)
        if "channel" not in where:
            await self._does.act_in_view(self.user, where["id"], action, values)
        elif where.get("ephemeral"):
            form = settle(where.get("blocks", []), values)
            await self._does.act_in_ephemeral(self.user, where["channel"], where["ts"], action, form)
        else:
            await self._does.act_in_message(self.user, where["channel"], where["ts"], action, values)

    def _field(self, name: str) -> tuple[Json, Json, Json] | None:
        view = self.modal or self.home
        for block, element in interactive(view["blocks"]) if view else ():
            label = (block.get("label") or {}).get("text")
            if view and element["type"] != "button" and name in (label, block["block_id"], element["action_id"]):
                return view, block, element
        return None

    async def _fill_one(self, view: Json, block: Json, element: Json, choice: Choice) -> None:
        given = await self._given(view, block, element, choice)
        ids = self._note(view, block, element, given)
        if block["type"] != "input" or block.get("dispatch_action"):
            await self._act(view, {**given, **ids})

    def _note(self, where: Json, block: Json, element: Json, given: Json) -> dict[str, str]:
        typed = self.typed.setdefault(_key(where), {})
        typed.setdefault(block["block_id"], {})[element["action_id"]] = given
        return {"block_id": block["block_id"], "action_id": element["action_id"]}

    async def _given(self, view: Json, block: Json, element: Json, choice: Choice) -> Json:
        kind = element["type"]
        if kind in TEXTS:
            return {"type": kind, "value": choice or None}
        if kind in PICKED:
            return {"type": kind, f"selected_{PICKED[kind]}": choice}
        wanted = [choice] if isinstance(choice, str) else choice or []
        chosen = [await self._option(view, block, element, each) for each in wanted]
        if kind in SOME_OF:
            return {"type": kind, "selected_options": chosen}
        assert kind in ONE_OF, f"a person cannot fill a {kind}"  # noqa: S101 - or the test is wrong
        return {"type": kind, "selected_option": chosen[0] if chosen else None}

    async def _option(self, view: Json, block: Json, element: Json, wanted: str) -> Json:
        offered: list[Json] = []
        for _ in range(TIMES_TYPED):
            told = len(self.notices)
            if (offered := await self._offered(view, block, element, wanted)) or len(self.notices) == told:
                break  # type again only if Slack said that the menu didn't load
        exact = [each for each in offered if wanted in (each["text"]["text"], each["value"])]
        matching = exact or [each for each in offered if wanted in each["text"]["text"]]
        if len(matching) != 1:
            texts = [each["text"]["text"] for each in offered]
            raise AssertionError(f"{len(matching)} options match {wanted!r} of {texts}")
        return matching[0]

    async def _offered(self, view: Json, block: Json, element: Json, typed: str) -> list[Json]:
        if "external" not in element["type"]:
            return options_of(element)
        query = (block["block_id"], element["action_id"], typed)
        if "channel" not in view:
            return options_of(await self._does.suggest(self.user, view["id"], *query, self._values(view)))
        place, is_ephemeral = (view["channel"], view["ts"]), bool(view.get("ephemeral"))
        return options_of(await self._does.suggest_in_message(self.user, *place, query, is_ephemeral=is_ephemeral))

    def _values(self, where: Json) -> Values:
        return copy.deepcopy(self.typed.get(_key(where), {}))


def _reads(element: Json, text: str) -> bool:
    """Whether a button or an entry of an overflow menu has this text."""
    if element["type"] == "overflow":
        return any(each["text"]["text"] == text for each in element["options"])
    return element["type"] in ("button", "icon_button") and bool(element["text"]["text"] == text)


def _key(where: Json) -> str:
    key: str = where["ts"] if "channel" in where else where["id"]
    return key
