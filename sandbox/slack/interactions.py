"""What a person does in their Slack client, including the bot's answer and what it changes for them."""

import copy
from typing import Literal

from sandbox.cast import Actor
from sandbox.slack import payloads
from sandbox.slack.blocks import (
    FEEDBACK,
    FROM_PERSON,
    Json,
    Values,
    find_element,
    find_spot,
    is_offered,
    missing_or_wrong,
    settle,
)
from sandbox.slack.delivery import Delivery, Envelope, NoAnswer
from sandbox.slack.errors import NotPossible, SlackError
from sandbox.slack.limits import check_message_blocks, check_options
from sandbox.slack.response_urls import ResponseUrls
from sandbox.slack.views import Views
from sandbox.slack.workspace import Channel, Workspace

TROUBLE = "We had some trouble connecting. Try again?"


class Interactions:
    """Everything that a person can do. Each method returns after the bot's ack, or after Slack gave up on it.

    All raise `NotPossible` if the person's Slack client wouldn't allow it. What the bot then does arrives as events.
    """

    def __init__(self, workspace: Workspace, views: Views, urls: ResponseUrls, delivery: Delivery) -> None:
        self._workspace = workspace
        self._views = views
        self._urls = urls
        self._delivery = delivery

    async def command(self, user: str, channel_id: str, line: str) -> None:
        """Run a slash command, such as `/apikey create`."""
        person, channel = self._who(user), self._workspace.channel_seen_by(user, channel_id)
        command, _, text = line.strip().partition(" ")
        if not person.is_member or all(each["command"] != command for each in self._workspace.app.commands):
            self._workspace.notice(user, f"{command} is not a valid command.", "warning")
            return
        payload = payloads.slash_command(
            person,
            channel,
            command,
            text.strip(),
            trigger=self._views.new_trigger(user),
            url=self._urls.new(user, channel.id),
        )
        try:
            answer = await self._delivery.send(Envelope("slash_commands", payload, takes_answer=True), user)
        except NoAnswer as failure:
            self._failed(user, f"{command} failed because the app did not respond", failure)
            return
        self._show_command_answer(user, channel, answer)

    def message(self, user: str, channel_id: str, text: str, thread_ts: str | None = None) -> None:
        """Post a message, maybe in a thread. The bot doesn't receive it, because it has no scope to read messages."""
        self._who(user)
        channel = self._workspace.channel_seen_by(user, channel_id)
        try:
            self._workspace.post(channel, {"text": text, "thread_ts": thread_ts}, user=user)
        except SlackError:
            raise NotPossible("That message is gone.") from None

    async def act_in_message(
        self, user: str, channel_id: str, ts: str, action: Json, sent: Values | None = None
    ) -> None:
        """Click or choose something in a stored message. Anyone who sees it can do that any number of times."""
        person, channel = self._who(user), self._workspace.channel_seen_by(user, channel_id)
        message = self._stored(channel, ts)
        blocks = message.get("blocks", [])
        message["state"] = {"values": settle(blocks, sent or {})}
        payload = payloads.message_action(
            person,
            channel,
            self._workspace.manners.sent_blocks(message),
            self._completed(blocks, action),
            trigger=self._views.new_trigger(user),
            url=self._urls.new(user, channel.id, ts=ts),
        )
        await self._interact(user, payload)

    async def act_in_ephemeral(
        self, user: str, channel_id: str, ts: str, action: Json, sent: Values | None = None
    ) -> None:
        """Click something in an ephemeral message that one of this person's open clients shows."""
        person, channel = self._who(user), self._workspace.channel_seen_by(user, channel_id)
        self._check_shown(user, channel, ts)
        stamped = {**action, "action_ts": self._workspace.next_ts()}
        payload = payloads.ephemeral_action(
            person,
            channel,
            ts,
            stamped,
            {"values": sent or {}},
            trigger=self._views.new_trigger(user),
            url=self._urls.new(user, channel.id, ts=ts, is_ephemeral=True),
        )
        await self._interact(user, payload)

    async def act_in_view(self, user: str, view_id: str, action: Json, sent: Values | None = None) -> None:
        """Click or choose something in an open modal or on the Home tab."""
        person, view = self._who(user), self._views.seen_by(user, view_id)
        self._views.keep_state(view, sent or {})
        blocks = self._views.blocks_with(view, action.get("block_id"), action.get("action_id"))
        completed = self._completed(blocks, action)
        payload = payloads.view_action(
            person, self._views.as_sent(view), completed, trigger=self._views.new_trigger(user)
        )
        await self._interact(user, payload)

    async def suggest(
        self, user: str, view_id: str, block_id: str, action_id: str, value: str, sent: Values | None = None
    ) -> Json:
        """Type into an external menu of a view.

        Returns `{"options": …}` or `{"option_groups": …}`; no options if it failed.
        """
        person, view = self._who(user), self._views.seen_by(user, view_id)
        if find_element(view["blocks"], block_id, action_id) is None:
            raise NotPossible(f"There is no menu {action_id} in this view.")
        self._views.keep_state(view, sent or {})
        return await self._suggestions(
            user, payloads.block_suggestion(person, self._views.as_suggested_for(view), block_id, action_id, value)
        )

    async def suggest_in_message(
        self, user: str, channel_id: str, ts: str, query: tuple[str, str, str], *, is_ephemeral: bool = False
    ) -> Json:
        """Type into an external menu of a message, like `suggest`.

        `query` is block_id, action_id and the typed text.
        """
        person, channel = self._who(user), self._workspace.channel_seen_by(user, channel_id)
        message: Json = {"ts": ts, "ephemeral": True}
        if is_ephemeral:
            self._check_shown(user, channel, ts)
        else:
            message = self._stored(channel, ts)
            if find_element(message.get("blocks", []), *query[:2]) is None:
                raise NotPossible(f"There is no menu {query[1]} in this message.")
        return await self._suggestions(
            user, payloads.message_suggestion(person, channel, self._workspace.manners.sent_blocks(message), *query)
        )

    async def submit(self, user: str, view_id: str, sent: Values | None = None) -> dict[str, str]:
        """Press a modal's submit button. Returns errors by block_id, empty if the form was sent.

        Slack's client itself finds a required field that is empty; then the bot isn't asked.
        """
        person, view = self._who(user), self._views.seen_by(user, view_id)
        self._views.keep_state(view, sent or {})
        if errors := missing_or_wrong(view["blocks"], view["state"]["values"]):
            return errors
        payload = payloads.view_submission(person, self._views.as_sent(view), trigger=self._views.new_trigger(user))
        try:
            answer = await self._delivery.send(Envelope("interactive", payload, takes_answer=True), user)
            if answer.get("response_action") != "errors":
                await self._views.wait_to_apply(view)
            return self._take_submit_answer(user, view, answer)
        except (NoAnswer, SlackError) as failure:
            self._failed(user, TROUBLE, failure)
            return {}

    async def close(self, user: str, view_id: str, *, everything: bool = False) -> None:
        """Press Cancel or, with `everything`, the X that closes the whole stack."""
        person, view = self._who(user), self._views.seen_by(user, view_id)
        is_cleared = everything or view["clear_on_close"]
        told = self._views.stack(user)[0] if is_cleared else view
        if is_cleared:
            self._views.close_all(user)
        else:
            self._views.close(user, view_id)
        if told["notify_on_close"]:
            await self._interact(user, payloads.view_closed(person, self._views.as_sent(told), is_cleared=is_cleared))

    async def shortcut(self, user: str, callback_id: str) -> None:
        """Choose a global shortcut of the app."""
        person = self._who(user)
        if not person.is_member or all(each["callback_id"] != callback_id for each in self._workspace.app.shortcuts):
            raise NotPossible(f"There is no shortcut {callback_id}.")
        trigger, ts = self._views.new_trigger(user), self._workspace.next_ts()
        await self._interact(user, payloads.global_shortcut(person, callback_id, trigger=trigger, ts=ts))

    async def message_shortcut(self, user: str, channel_id: str, ts: str, callback_id: str) -> None:
        """Choose one of the app's shortcuts in the menu of a stored message."""
        person, channel = self._who(user), self._workspace.channel_seen_by(user, channel_id)
        offered = self._workspace.app.message_shortcuts
        if not person.is_member or all(each["callback_id"] != callback_id for each in offered):
            raise NotPossible(f"There is no shortcut {callback_id}.")
        payload = payloads.message_shortcut(
            person,
            channel,
            self._workspace.manners.sent_blocks(self._stored(channel, ts)),
            callback_id,
            trigger=self._views.new_trigger(user),
            url=self._urls.new(user, channel.id),
            ts=self._workspace.next_ts(),
        )
        await self._interact(user, payload)

    async def home(self, user: str, tab: Literal["home", "messages"] = "home") -> None:
        """Open a tab of the app. Slack sends the app an event for either tab."""
        person, ts = self._who(user), self._workspace.next_ts()
        if not person.is_member:
            raise NotPossible("The app is not installed in your workspace.")
        published = self._views.home(user) if tab == "home" else None
        view = self._workspace.manners.echoed_view(published) if published else None
        await self._delivery.send_event(payloads.app_home_opened(person, self._workspace.dm(user), tab, view, ts))

    def _who(self, user: str) -> Actor:
        person = self._workspace.people.get(user)
        if person is None or person.deleted:
            raise NotPossible(f"No one called {user} can use this workspace.")
        return person

    def _stored(self, channel: Channel, ts: str) -> Json:
        try:
            return copy.deepcopy(self._workspace.message(channel.id, ts))
        except SlackError:
            raise NotPossible("That message is gone.") from None

    def _check_shown(self, user: str, channel: Channel, ts: str) -> None:
        if not self._workspace.is_shown(user, channel.id, ts):
            raise NotPossible("That message is gone.")

    async def _suggestions(self, user: str, payload: Json) -> Json:
        try:
            answer = await self._delivery.send(Envelope("interactive", payload, takes_answer=True), user)
            check_options(answer)
        except (NoAnswer, SlackError) as failure:
            self._failed(user, "The options did not load", failure)
            return {"options": []}
        return answer

    async def _interact(self, user: str, payload: Json) -> None:
        try:
            await self._delivery.send(Envelope("interactive", payload), user)
        except NoAnswer as failure:
            self._failed(user, "Slack: the app did not respond", failure)

    def _failed(self, user: str, text: str, failure: NoAnswer | SlackError) -> None:
        word = failure.word if isinstance(failure, NoAnswer) else str(failure)
        prefix = "" if text.startswith("Slack") else "Slack: "
        self._workspace.notice(user, f"{prefix}{text} ({word})")

    def _completed(self, blocks: list[Json], action: Json) -> Json:
        """The action as Slack sends it: the element from the message or view, and only the choice from the client."""
        block_id, action_id = action.get("block_id"), action.get("action_id")
        spot = find_spot(blocks, block_id, action_id)
        if spot is None:
            raise NotPossible(f"There is no {action_id} in block {block_id}.")
        block, element = spot
        if block["type"] == "input" and not block.get("dispatch_action"):
            raise NotPossible(f"{action_id} tells the app nothing before the form is submitted.")
        if not is_offered(element, action):
            raise NotPossible(f"{action_id} does not offer that.")
        names = ("type", "action_id", "text", "value", "style", "placeholder", "url", "icon")
        own = {name: element[name] for name in names if name in element}
        is_button = element["type"] in ("button", "icon_button")
        chosen = {name: action[name] for name in FROM_PERSON if name in action and not is_button}
        if element["type"] == "feedback_buttons":
            chosen |= next(element[each] for each in FEEDBACK if element[each]["value"] == action["value"])
        echoed = self._workspace.manners.sent_blocks({**own, **chosen})
        return {**echoed, "block_id": block_id, "action_ts": self._workspace.next_ts()}

    def _show_command_answer(self, user: str, channel: Channel, answer: Json) -> None:
        if not answer.get("text") and not answer.get("blocks"):
            return
        try:
            check_message_blocks(answer.get("blocks") or [])
        except SlackError as failure:
            self._failed(user, "The app answered with something that cannot be shown", failure)
            return
        if answer.get("response_type") == "in_channel":
            self._workspace.post(channel, answer)
        else:
            self._workspace.show_ephemeral(user, channel.id, answer)

    def _take_submit_answer(self, user: str, view: Json, answer: Json) -> dict[str, str]:
        action = answer.get("response_action")
        if not self._views.is_open(user, view["id"]):
            return {}  # it was closed before the answer arrived
        if not answer:
            self._views.close(user, view["id"])
        elif action == "clear":
            self._views.close_all(user)
        elif action == "update":
            self._views.update(self._views.answered(answer.get("view") or {}, view), view_id=view["id"])
        elif action == "push":
            self._views.push_on(user, self._views.answered(answer.get("view") or {}, None))
        elif action == "errors":
            return _checked_errors(view, answer.get("errors"))
        else:
            raise SlackError("invalid_response_action")
        return {}


def _checked_errors(view: Json, errors: object) -> dict[str, str]:
    inputs = {block["block_id"] for block in view["blocks"] if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not errors.keys() <= inputs:
        raise SlackError("invalid_errors", messages=["keys must be block_ids of input blocks of the view"])
    return errors
