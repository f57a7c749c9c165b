"""Modals and Home tabs, with triggers, the stack of three, and hashes."""

import copy
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sandbox import cast
from sandbox.slack.blocks import Json, Values, fill_ids, find_spot, interactive, settle, untouched
from sandbox.slack.errors import NotPossible, SlackError
from sandbox.slack.limits import check_view
from sandbox.slack.manners import Ack
from sandbox.slack.workspace import Session, Workspace

TRIGGER_LIFE = timedelta(seconds=3)
DEEPEST_STACK = 3


@dataclass(slots=True)
class _Trigger:
    user: str
    made: datetime
    used: bool = False


class Views:
    """Each person's open modals, lowest first, and the Home tab that the bot published for them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stacks: dict[str, list[Json]] = {}
        self._homes: dict[str, Json] = {}
        self._former: dict[str, list[Json]] = {}
        self._triggers: dict[str, _Trigger] = {}
        self._opened: dict[str, int] = {}
        self._touched: dict[str, Values] = {}
        self._drawn: dict[str, Values] = {}
        self._acks: dict[str, Ack] = {}

    # What the person's side needs

    def new_trigger(self, user: str) -> str:
        """A trigger_id for something this person just did."""
        trigger_id = f"{next(self._workspace.serial)}.{cast.TEAM}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = _Trigger(user, self._workspace.now())
        return trigger_id

    def stack(self, user: str) -> list[Json]:
        """This person's open modals, the visible one last."""
        return list(self._stacks.get(user, ()))

    def stack_before(self, session: Session) -> list[Json]:
        """The open modals that this client shows: those opened after it connected. So a reload removes all of them."""
        return [view for view in self.stack(session.user) if self._opened[view["id"]] > session.since]

    def home(self, user: str) -> Json | None:
        """The Home tab published for this person, or None."""
        return self._homes.get(user)

    def seen_by(self, user: str, view_id: str) -> Json:
        """A view that this person sees. Raises `NotPossible`."""
        for view in (*self.stack(user), self.home(user)):
            if view and view["id"] == view_id:
                return view
        raise NotPossible(f"View {view_id} is not open.")

    def blocks_with(self, view: Json, block_id: object, action_id: object) -> list[Json]:
        """The blocks in which the person saw this element: the view's, or those of the page that it showed just before.

        A client shows a page until it receives the next one.
        """
        former = self._former.get(view["id"], [])
        return former if not find_spot(view["blocks"], block_id, action_id) and former else view["blocks"]

    def keep_state(self, view: Json, sent: Values) -> None:
        """Store what the person typed and chose in a view, according to their client."""
        touched = self._touched.setdefault(view["id"], {})
        for block, element in interactive(view["blocks"]):
            block_id, action_id = block["block_id"], element["action_id"]
            given = sent.get(block_id, {}).get(action_id)
            was_touched = action_id in touched.get(block_id, {})
            if given and (was_touched or given != view["state"]["values"].get(block_id, {}).get(action_id)):
                touched.setdefault(block_id, {})[action_id] = given
        view["state"] = {"values": settle(view["blocks"], sent, view["state"]["values"])}

    def less_drawn(self, view: Json, sent: Values) -> Values:
        """What a browser page says about a form, without fields shown as drawn while older input sticks to them."""
        if self._workspace.manners.value("input") != "sticks":
            return sent
        drawn, kept = self._drawn[view["id"]], copy.deepcopy(sent)
        for block, element in interactive(view["blocks"]):
            block_id, action_id = block["block_id"], element["action_id"]
            shown, stuck = untouched(element), drawn.get(block_id, {}).get(action_id)
            if stuck != shown and kept.get(block_id, {}).get(action_id) == shown:
                del kept[block_id][action_id]
        return kept

    def as_sent(self, view: Json) -> Json:
        """A view as the bot gets it back with a click or a submission."""
        return self._workspace.manners.sent_view(view, self._touched.get(view["id"], {}))

    def as_suggested_for(self, view: Json) -> Json:
        """A view as the bot gets it with a `block_suggestion`, for which Slack may not know the form's state."""
        sent, habit = self.as_sent(view), self._workspace.manners.draw("suggestion_state")
        if habit == "empty":
            sent["state"] = {"values": {}}
        elif habit == "stale":
            sent["state"] = {"values": self._drawn[view["id"]]}
        return sent

    async def wait_to_apply(self, view: Json) -> None:
        """Wait until the answer to a submission of this view is to be applied."""
        ack = self._acks[view["id"]] = self._workspace.manners.ack()
        try:
            await ack.wait()
        finally:
            if self._acks.get(view["id"]) is ack:
                del self._acks[view["id"]]

    def answered(self, view: Json, old: Json | None) -> Json:
        """A view in an ack as Slack applies it: it may not adopt the external_id."""
        if not view.get("external_id") or self._workspace.manners.draw("acked_external_id") == "adopted":
            return view
        return {**view, "external_id": old["external_id"] if old else ""}

    def is_open(self, user: str, view_id: str) -> bool:
        """Whether this modal is still open."""
        return any(each["id"] == view_id for each in self.stack(user))

    def note_update(self, view_id: str) -> None:
        """Note that the bot updated a view itself, which an answer to a submission may be waiting for."""
        if view_id in self._acks:
            self._acks[view_id].note_update()

    def close(self, user: str, view_id: str) -> None:
        """Close one modal, so that the one below shows again."""
        stack = self._stacks.get(user, [])
        stack[:] = [each for each in stack if each["id"] != view_id]
        self._workspace.tell(user, {"type": "view_closed", "view_id": view_id})

    def close_all(self, user: str) -> None:
        """Close the whole stack."""
        self._stacks[user] = []
        self._workspace.tell(user, {"type": "view_closed", "all": True})

    def audience(self, trigger_id: str = "", view_id: str = "") -> str:
        """Who sees what is sent for this trigger or view; "" if no one does."""
        if trigger_id in self._triggers:
            return self._triggers[trigger_id].user
        owners = (user for user, stack in self._stacks.items() for view in stack if view["id"] == view_id)
        return next(owners, "")

    # What the bot can do

    def open(self, trigger_id: str, view: Json) -> Json:
        """Open a modal as the root of a new stack. Raises `SlackError` about the trigger or the view."""
        self._check(view, "modal")
        user = self._exchange(trigger_id)
        self._stacks[user] = []
        return self._show(user, view)

    def push(self, trigger_id: str, view: Json) -> Json:
        """Put a modal on top of the open ones. Raises `SlackError` about the trigger, the stack or the view."""
        self._check(view, "modal")
        trigger = self._triggers.get(trigger_id)
        if trigger is not None:
            self.check_room(trigger.user)
        return self._show(self._exchange(trigger_id), view)

    def check_room(self, user: str) -> None:
        """Require an open modal, and room for one above it. Raises `not_found` or `push_limit_reached`."""
        depth = len(self._stacks.get(user, ()))
        if depth == 0:
            raise SlackError("not_found")
        if depth >= DEEPEST_STACK:
            raise SlackError("push_limit_reached")

    def push_on(self, user: str, view: Json) -> Json:
        """Put a modal on top without a trigger, as the answer to a submission does."""
        self._check(view, "modal")
        self.check_room(user)
        return self._show(user, view)

    def update(self, view: Json, *, view_id: str = "", external_id: str = "", seen_hash: str | None = None) -> Json:
        """Replace an open modal, by either ID. Raises `not_found`, `hash_conflict`, or an error about the view."""
        user, old = self._find(view_id, external_id)
        self._check(view, "modal", replaces=old["id"])
        if seen_hash is not None and seen_hash != old["hash"]:
            raise SlackError("hash_conflict")
        fresh = self._completed(user, view, old)
        stack = self._stacks[user]
        stack[stack.index(old)] = fresh
        self._workspace.tell(user, {"type": "view_updated", "view": fresh})
        return fresh

    def publish(self, user: str, view: Json, seen_hash: str | None = None) -> Json:
        """Set a person's Home tab. Raises `user_not_found`, `hash_conflict`, or an error about the view."""
        self._workspace.person(user)
        old = self._homes.get(user)
        self._check(view, "home", replaces=old["id"] if old else "")
        if seen_hash is not None and (old is None or seen_hash != old["hash"]):
            raise SlackError("hash_conflict")
        self._homes[user] = self._completed(user, view, old)
        self._workspace.tell(user, {"type": "home", "view": self._homes[user]})
        return self._homes[user]

    def _exchange(self, trigger_id: str) -> str:
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self._workspace.now() - trigger.made > TRIGGER_LIFE:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger.user

    def _check(self, view: Json, surface: Literal["modal", "home"], replaces: str = "") -> None:
        check_view(view, surface)
        external_id = view.get("external_id")
        taken = (each for stack in self._stacks.values() for each in stack if each["id"] != replaces)
        if external_id and any(each["external_id"] == external_id for each in taken):
            raise SlackError("duplicate_external_id")

    def _find(self, view_id: str, external_id: str) -> tuple[str, Json]:
        for user, stack in self._stacks.items():
            for view in stack:
                if view["id"] == view_id or (external_id and view["external_id"] == external_id):
                    return user, view
        raise SlackError("not_found")

    def _show(self, user: str, view: Json) -> Json:
        stack = self._stacks.setdefault(user, [])
        fresh = self._completed(user, view, None)
        self._opened[fresh["id"]] = next(self._workspace.serial)
        if stack:
            fresh |= {"previous_view_id": stack[-1]["id"], "root_view_id": stack[0]["id"]}
        stack.append(fresh)
        self._workspace.tell(user, {"type": "view_opened", "view": fresh})
        return fresh

    def _completed(self, user: str, view: Json, old: Json | None) -> Json:
        blocks = fill_ids(view["blocks"])
        view_id = old["id"] if old else f"V0{next(self._workspace.serial):06d}"
        sticks = self._workspace.manners.draw("input") == "sticks"
        known = [self._touched.get(view_id, {})] if sticks else []
        state = settle(blocks, *known, old["state"]["values"] if old else {})
        self._drawn[view_id] = copy.deepcopy(state)
        self._former[view_id] = old["blocks"] if old else []
        return {
            "id": view_id,
            "team_id": self._workspace.person(user).team,
            "type": view["type"],
            "blocks": blocks,
            "private_metadata": view.get("private_metadata") or "",
            "callback_id": view.get("callback_id") or "",
            "state": {"values": state},
            "hash": f"{int(self._workspace.now().timestamp())}.{secrets.token_hex(4)}",
            "title": view.get("title"),
            "clear_on_close": view.get("clear_on_close") or False,
            "notify_on_close": view.get("notify_on_close") or False,
            "close": view.get("close"),
            "submit": view.get("submit"),
            "previous_view_id": old["previous_view_id"] if old else None,
            "root_view_id": old["root_view_id"] if old else view_id,
            "app_id": cast.APP_ID,
            "external_id": view.get("external_id") or "",
            "app_installed_team_id": cast.TEAM,
            "bot_id": cast.BOT_ID,
        }
