"""The list of keys as a modal, with its filters. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta

from bot.domain.catalog import Environment
from bot.domain.keys import OrganizationScope, ServiceAccount
from bot.domain.kinds import Kind
from bot.services.browse.keys import ME
from bot.services.pages import EXPIRING, NEWEST, OLDEST, KeysPage, KeyView
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
from bot.slack.blocks.text import Block, Code, Row, context, flat, lines, mrkdwn
from bot.slack.messages.card import title_row
from bot.slack.messages.facts import called, in_place
from bot.slack.messages.state import CREATED, of_key
from bot.slack.payloads import ids
from bot.slack.payloads.read import as_metadata
from bot.slack.payloads.read_keys import ALL, TYPED
from bot.slack.views.key import ago
from bot.slack.views.options import hit, hits, named_option

_EVERY_OWNER, _MINE = option("All accounts", ALL), option("My account", ME)
SOON = timedelta(days=3)
"""From how long before a key expires the list highlights that."""
_ORDERS = (
    option("Sort: by account", ALL),
    option("Sort: newest first", NEWEST),
    option("Sort: oldest first", OLDEST),
    option("Sort: expiring first", EXPIRING),
)
_EVERY_KIND, _EVERY_ENVIRONMENT = option("All scopes", ALL), option("All environments", ALL)


def keys(content: KeysPage) -> Block:
    """One page of the list."""
    blocks = [_filters(content), _text(content.filters.text)]
    if content.note:
        blocks.append(mrkdwn(content.note))
    if content.views:
        blocks.append(context(_count(content)))
    blocks += [block for view in content.views for block in key_row(view)]
    if not content.views:
        blocks += [divider(), context(_nothing(content))]
    if turns := _turns(content):
        blocks += [divider(), actions(*turns)]
    kept = as_metadata({name: text for name, text in asdict(content.filters).items() if text})
    return modal("API keys", blocks, callback=ids.LIST, submit="Search", metadata=kept)


def key_row(view: KeyView, *, with_details: bool = True) -> list[Block]:
    """One key among others, with the button to its page."""
    rows = key_facts(view)
    return section(*rows, beside=button("Details", ids.KEY_DETAILS, view.key.id)) if with_details else [lines(*rows)]


def key_facts(view: KeyView) -> list[Row]:
    """What a list says about each key."""
    what: Row = [view.key.kind.row.label if view.key.kind else "Unknown scope", _place(view), " · ", _owner(view)]
    return [title_row(view.key), what, _life(view)]


def _life(view: KeyView) -> Row:
    """Its state, age and expiration in one line, with a symbol if someone has to act."""
    request, when = view.request, ago(view)
    if request is None:
        born: Row = ["Created ", when, " outside Latchkey" if when else "outside Latchkey"]
    elif not when:
        born = [str(of_key(request))]
    else:
        born = [str(of_key(request)), " " if of_key(request) is CREATED else " · created ", when]
    ends: Row = ["expires ", view.ends_at] if view.ends_at else ["never expires"]
    if view.replaced and view.ends_at == view.replaced.until:
        ends = ["deleted ", view.replaced.until, ", replaced by ", Code(view.replaced.key)]
    is_soon = view.left is not None and view.left < SOON
    return [*born, " · ", "⚠️ " if is_soon else "", *ends]


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
    order = next((each for each in _ORDERS if each["value"] == chosen.order), _ORDERS[0])
    return actions(
        search(ids.LIST_OWNER, "All accounts", owner),
        menu(ids.LIST_KIND, kinds, initial, "All scopes"),
        search(ids.LIST_ENVIRONMENT, "All environments", place),
        menu(ids.LIST_ORDER, _ORDERS, order),
        block=ids.FILTERS_BLOCK,
    )


def _text(typed: str) -> Block:
    hint = "Key name, ID, account or resource"
    element = text_input(ids.LIST_TEXT, typed, limit=TYPED, placeholder=hint)
    block = field("Search", ids.TEXT_BLOCK, element, optional=True)
    return {**block, "dispatch_action": True}


def _turns(content: KeysPage) -> Sequence[Block]:
    both = ((ids.LIST_PREVIOUS, "Previous", content.previous_page), (ids.LIST_NEXT, "Next", content.next_page))
    return [button(text, action, cursor) for action, text, cursor in both if cursor]


def _nothing(content: KeysPage) -> str:
    if content.next_page or content.previous_page:
        return "No keys on this page."
    is_narrow = any((content.filters.owner, content.filters.kind, content.filters.environment, content.filters.text))
    return "No keys match." if is_narrow else "You have no keys, and no access to anyone else's."


def _count(content: KeysPage) -> str:
    """How many keys there are, and of how many accounts if only some were read."""
    accounts = f"{content.accounts:,} account{'' if content.accounts == 1 else 's'}"
    if content.total is None:
        return f"Keys in {accounts}{'' if content.accounts == 1 else ', grouped by account'}"
    keys = f"{content.total:,} key{'' if content.total == 1 else 's'}"
    return f"{keys} in {content.looked} of {accounts}" if content.looked < content.accounts else keys


def _place(view: KeyView) -> str:
    resource = view.resource
    if view.key.kind is None or isinstance(resource, OrganizationScope):
        return ""
    return f" · {called(resource)}{in_place(resource)}"


def _owner(view: KeyView) -> str:
    return "your own account" if view.is_own else flat(view.owner_name) or view.owner.id
