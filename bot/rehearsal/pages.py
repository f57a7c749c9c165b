"""The pages that an operator clicks through, and the message that is deleted again. None holds anything real."""

from collections.abc import Mapping
from typing import Any, Final

from bot.rehearsal.ears import HARD
from bot.slack.api.client import ephemeral
from bot.slack.blocks import kit
from bot.slack.blocks.text import TEXT, Block, mrkdwn

TITLE: Final = "Latchkey rehearsal"
FIRST, SECOND, MENU, TYPED, DRAW, DELETE = (
    f"rehearsal:{name}" for name in ["first", "second", "menu", "typed", "draw", "delete"]
)
SECOND_BLOCK: Final = "second:hard"
OLD_BLOCK, FRESH_BLOCK, NEW_BLOCK = "kept", "fresh~1", "fresh~2"
METADATA: Final = '{"rehearsal": "a & b < c > d"}'
SHOWN_NEW: Final = "new text"
DUMMY: Final = "This is a dummy text of `latchkey rehearse`. It is no secret. Select Delete to remove it."


def _page(text: str, *blocks: Block, submit: str = "", external_id: str = "") -> Block:
    view = kit.modal(TITLE, [mrkdwn(text), *blocks], callback="rehearsal", submit=submit, metadata=METADATA)
    return view | {"notify_on_close": True} | ({"external_id": external_id} if external_id else {})


def _search(label: str, block_id: str, action: str) -> Block:
    return kit.field(label, block_id, kit.search(action, "Search", None)) | {"dispatch_action": True}


def _text(label: str, block_id: str, text: str = "") -> Block:
    return kit.field(label, block_id, kit.text_input(TYPED, text, limit=TEXT))


def dependent() -> Block:
    """Two searchable fields, and a menu to leave alone."""
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
    """Two texts to be typed over, and a button that draws the page again."""
    return _page(
        "Type `old` into both fields. Then select *Draw again*.",
        _text("Kept field", OLD_BLOCK),
        _text("Fresh field", FRESH_BLOCK),
        kit.actions(kit.button("Draw again", DRAW), block="draw"),
        submit="Skip",
    )


def redrawn() -> Block:
    """The same page with other texts, one under its old block id and one under a new one."""
    return _page(
        "The page was drawn again. Don't type anything. Select *Submit*.",
        _text("Kept field", OLD_BLOCK, SHOWN_NEW),
        _text("Fresh field", NEW_BLOCK, SHOWN_NEW),
        submit="Submit",
    )


def submitting() -> Block:
    """A page whose submit is answered."""
    return _page("Select *Submit* once more.", submit="Submit")


def waiting(external_id: str = "") -> Block:
    """The page that answers a submit: one without fields."""
    return _page("One moment.", external_id=external_id)


def landed() -> Block:
    """The page that comes after the answer."""
    return _page("One moment more.")


def over(text: str = "The rehearsal of the form is over. You can close this window.") -> Block:
    """What stays when a rehearsal is over: nothing to fill in."""
    return _page(text)


def dummy() -> Mapping[str, Any]:
    """The message that is shown and deleted."""
    return ephemeral(DUMMY, [mrkdwn(DUMMY), kit.actions(kit.button("Delete", DELETE))])
