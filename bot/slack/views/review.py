"""The modals of the review: the list to go through, and the reason to keep one key or several. Pure."""

from collections.abc import Mapping, Sequence

from bot.domain.keys import KeyId, Operation, Principal
from bot.services.commands import CardAt, KeepShown
from bot.services.form.validate import LIMITS
from bot.services.pages import KeyView
from bot.slack.blocks import limits
from bot.slack.blocks.kit import VALUE, divider, field, modal, overflow, section, text_input
from bot.slack.blocks.text import Block, Bold, Code, Row, context, flat, lines
from bot.slack.payloads import ids
from bot.slack.payloads.read import METADATA, as_kept, as_metadata
from bot.slack.views.keys import key_facts

BASELINE = "Existed before Latchkey"
"""The reason that is filled in for keys that were here before Latchkey."""
_HINT = "Who needs it, and for how long? This is kept in the audit log."
_HINT_MANY = "Who needs them, and for how long? This is kept in the audit log."


NAME = 40
"""How many characters of each key's name are shown when several keys are kept together."""
_NO_NAMES: Mapping[KeyId, str] = {}


def keep_form(key: KeyId, at: CardAt | None, name: str = "") -> Block:
    """Asks why a key is kept. `name` is what it's called, if that is known."""
    blocks = [lines(_stays(key, name)), _reason(_HINT)]
    metadata = as_metadata({"key": key, **_place(at)})
    return modal("Keep this API key", blocks, callback=ids.KEEP, submit="Keep", close="Cancel", metadata=metadata)


def kept_key(metadata: str) -> tuple[KeyId, CardAt | None]:
    """What `keep_form` wrote down: the key, and the message of the review; "" for anything unreadable."""
    said = as_kept(metadata)
    return KeyId(said.get("key", "")), _placed(said)


def keep_shown_form(
    owner: Principal, keys: Sequence[KeyId], at: CardAt | None, reason: str = "", names: Mapping[KeyId, str] = _NO_NAMES
) -> Block:
    """Asks why these keys are kept. It lists each of them, because it keeps them and no others."""
    for number in range(len(keys), 0, -1):
        metadata = as_metadata({"owner": owner, "keys": " ".join(keys[:number]), **_place(at)})
        if len(metadata) <= METADATA:
            return _keep_shown(keys[:number], metadata, reason, names)
    return _keep_shown((), "{}", reason, names)


def _keep_shown(keys: Sequence[KeyId], metadata: str, reason: str, names: Mapping[KeyId, str]) -> Block:
    number = len(keys)
    named: Row = [piece for key in keys for piece in (*_name(names.get(key, "")), Code(flat(key)), ", ")]
    which: list[Row] = [[f"These {number:,} API keys stay as they are:"], named[:-1]]
    if number == 1:
        which = [_stays(keys[0], names.get(keys[0], ""))]
    blocks = [lines(*which), _reason(_HINT if number == 1 else _HINT_MANY, reason)]
    title, keep = ("Keep this API key", "Keep") if number == 1 else ("Keep API keys", "Keep all")
    return modal(title, blocks, callback=ids.KEEP_SHOWN, submit=keep, close="Cancel", metadata=metadata)


def _stays(key: KeyId, name: str) -> Row:
    """What keeping this key means."""
    called: Row = [Bold(flat(name, NAME)), "  "] if flat(name) else ["Key "]
    return [*called, Code(flat(key)), " stays as it is."]


def _name(name: str) -> Row:
    """The name of a key, to put before its ID."""
    return [f"{flat(name, NAME)} "] if flat(name) else []


def kept_shown(metadata: str, reason: str) -> KeepShown:
    """What `keep_shown_form` wrote down, with the reason that was given; no keys for anything unreadable."""
    said = as_kept(metadata)
    keys = tuple(KeyId(each) for each in said.get("keys", "").split())
    return KeepShown(Principal(said.get("owner", "")), keys, reason, _placed(said))


def keys_to_review(views: Sequence[KeyView], hidden: int) -> Block:
    """Keys to go through, each with what can be done. `hidden` is how many keys this reader can't see."""
    drawn = limits.as_many(len(views), lambda number: _rows(views, number, hidden), limits.fits_a_view)
    title = "API key to review" if len(views) + hidden == 1 else "API keys to review"
    return modal(title, drawn, callback=ids.PAGE)


def _rows(views: Sequence[KeyView], number: int, hidden: int) -> list[Block]:
    shown = views[:number]
    count = f"{len(shown):,} of {len(views):,} API keys" if len(shown) < len(views) else _count(len(views))
    # Without this, nobody would look for what can be done behind the three dots.
    which = "it" if len(views) == 1 else "a key"
    what_to_do = f". Select ⋯ to keep {which}, or to see what else you can do." if shown else ""
    blocks = [context(count, what_to_do), *(block for view in shown for block in _key(view))]
    if not hidden:
        return blocks
    rest = "1 more was deleted, or you don't have access to it."
    if hidden > 1:
        rest = f"{hidden:,} more were deleted, or you don't have access to them."
    return [*blocks, divider(), context(rest)]


def _count(number: int) -> str:
    return "1 API key" if number == 1 else f"{number:,} API keys" if number else "No API keys"


def _key(view: KeyView) -> list[Block]:
    """One key, with the menu of what can be done with it."""
    key, may = view.key.id, view.may
    options = [
        ("Keep", ids.KEY_KEEP, key),
        *([("Rotate", ids.KEY_ROTATE, key)] if Operation.ROTATE in may else []),
        *([("Delete API key", ids.KEY_DELETE, key)] if Operation.DELETE in may else []),
        ("Details", ids.KEY_DETAILS, key),
    ]
    fit = [each for each in options if len(ids.folded(each[1], each[2])) <= VALUE]
    return section(*key_facts(view), beside=overflow(*fit)) if fit else [lines(*key_facts(view))]


def _reason(hint: str, typed: str = "") -> Block:
    return field(
        "Reason", ids.REASON_BLOCK, text_input(ids.FORM_TEXT, typed, limit=LIMITS["reason"], lines=True), hint=hint
    )


def _place(at: CardAt | None) -> Mapping[str, str]:
    return {"channel": at.channel, "ts": at.ts} if at else {}


def _placed(said: Mapping[str, str]) -> CardAt | None:
    return CardAt(said["channel"], said["ts"]) if "channel" in said and "ts" in said else None
