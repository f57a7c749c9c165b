"""The list of keys as a modal, with its filters. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta

from bot.domain.catalog import Environment
from bot.domain.keys import OrganizationScope, ServiceAccount
from bot.domain.kinds import Kind
from bot.services.browse.keys import ME
from bot.services.pages import KeysPage, KeyView
from bot.slack.blocks.kit import (
    OPTIONS,
    actions,
    button,
    divider,
    field,
    menu,
    modal,
    option,
    search,
    section,
    text_input,
)
from bot.slack.blocks.text import Block, Row, context, flat, lines, mrkdwn
from bot.slack.messages.card import called, in_place, title_row
from bot.slack.messages.state import CREATED, state
from bot.slack.payloads import ids
from bot.slack.payloads.read import as_metadata
from bot.slack.payloads.read_keys import ALL, TYPED
from bot.slack.views.key import ago
from bot.slack.views.options import hit, hits, named_option

_EVERY_OWNER, _MINE = option("Every account", ALL), option("My account", ME)
SOON = timedelta(days=7)
"""How long before its end the expiration of a key stands out."""
_EVERY_KIND, _EVERY_ENVIRONMENT = option("Every kind", ALL), option("Every environment", ALL)


def keys(content: KeysPage) -> Block:
    """One page of the list."""
    blocks = [_filters(content), _text(content.filters.text)]
    if content.note:
        blocks.append(mrkdwn(content.note))
    blocks += [key_row(view) for view in content.views]
    if not content.views:
        blocks += [divider(), context(_nothing(content))]
    if turns := _turns(content):
        blocks += [divider(), actions(*turns)]
    kept = as_metadata({name: text for name, text in asdict(content.filters).items() if text})
    return modal("API keys", blocks, callback=ids.LIST, submit="Search", metadata=kept)


def key_row(view: KeyView, *, with_details: bool = True) -> Block:
    """One key among others, with the button to its page."""
    what: Row = [view.key.kind.row.label if view.key.kind else "Unknown kind", _place(view), " · ", _owner(view)]
    rows = [title_row(view.key), what, _life(view)]
    return section(*rows, beside=button("Details", ids.KEY_DETAILS, view.key.id)) if with_details else lines(*rows)


def _life(view: KeyView) -> Row:
    """Its state, age and expiration in one line; a sign stands out where something has to be done."""
    stands = [f"{state(view.request)} · "] if view.request and state(view.request) != CREATED else []
    maker = "via Latchkey" if view.request else "outside Latchkey"
    born = f"Created {ago(view.age)} {maker}" if view.age is not None else f"Created {maker}"
    if view.ends_at is None:
        return [*stands, born, " · Never expires"]
    is_soon = view.left is not None and view.left < SOON
    return [*stands, born, f" · {'⚠ ' if is_soon else ''}Expires ", view.ends_at]


def owners(accounts: Iterable[ServiceAccount], typed: str) -> list[Block]:
    """The options of the filter by account that match what is typed."""
    return _matching((_EVERY_OWNER, _MINE), accounts, typed)


def environments(known: Iterable[Environment], typed: str) -> list[Block]:
    """The options of the filter by environment that match what is typed."""
    return _matching((_EVERY_ENVIRONMENT,), known, typed)


def _matching(ours: Iterable[Block], known: Iterable[Environment | ServiceAccount], typed: str) -> list[Block]:
    mine = [each for each in ours if hit(typed, each["text"]["text"], "")]
    return [*mine, *map(named_option, hits(known, typed))][:OPTIONS]


def _filters(content: KeysPage) -> Block:
    chosen, environment = content.filters, content.environment
    owner = option(flat(content.owner_name) or chosen.owner, chosen.owner) if chosen.owner else None
    named = flat(environment.name) if environment else ""
    place = option(named or chosen.environment, chosen.environment) if chosen.environment else None
    kinds = [_EVERY_KIND, *(option(kind.row.label, kind) for kind in Kind)]
    initial = next((each for each in kinds if each["value"] == chosen.kind), None)
    return actions(
        search(ids.LIST_OWNER, "Every account", owner),
        menu(ids.LIST_KIND, kinds, initial, "Every kind"),
        search(ids.LIST_ENVIRONMENT, "Every environment", place),
        block=ids.FILTERS_BLOCK,
    )


def _text(typed: str) -> Block:
    hint = "A part of the name, id or description of a key, of its account, or of what it opens."
    block = field("Search", ids.TEXT_BLOCK, text_input(ids.LIST_TEXT, typed, limit=TYPED), optional=True, hint=hint)
    return {**block, "dispatch_action": True}


def _turns(content: KeysPage) -> Sequence[Block]:
    both = ((ids.LIST_PREVIOUS, "Previous", content.previous_page), (ids.LIST_NEXT, "Next", content.next_page))
    return [button(text, action, cursor) for action, text, cursor in both if cursor]


def _nothing(content: KeysPage) -> str:
    if content.next_page or content.previous_page:
        return "No key on this page."
    is_narrow = any((content.filters.owner, content.filters.kind, content.filters.environment, content.filters.text))
    return "No key matches." if is_narrow else "You have no keys, and see nobody else’s."


def _place(view: KeyView) -> str:
    resource = view.resource
    if view.key.kind is None or isinstance(resource, OrganizationScope):
        return ""
    return f" · {called(resource)}{in_place(resource)}"


def _owner(view: KeyView) -> str:
    return "your own account" if view.is_own else flat(view.owner_name) or view.owner.id
