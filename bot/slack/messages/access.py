"""The roles that an account is granted with its key, in words. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from bot.domain.access import EVERYTHING, WantedBinding
from bot.domain.keys import Resource
from bot.slack.blocks.text import Bold, Code, Row, flat

_NOUNS: Mapping[str, tuple[str, str]] = {
    "topic": ("topic", "topics"),
    "group": ("consumer group", "consumer groups"),
    "transactional-id": ("transactional ID", "transactional IDs"),
    "subject": ("subject", "subjects"),
}


def role_row(wanted: WantedBinding, resource: Resource) -> Row:
    """A role and where it holds: "DeveloperWrite on topics starting with `orders-`"."""
    one, many = _NOUNS.get(wanted.on, (wanted.on, wanted.on))
    if wanted.on not in _NOUNS:
        return [Bold(wanted.role), f" on {one} ", flat(resource.environment_name) or Code(wanted.name)]
    if wanted.is_for_everything:
        return [Bold(wanted.role), f" on all {many}"]
    if wanted.is_prefix:
        return [Bold(wanted.role), f" on {many} starting with ", Code(wanted.name.removesuffix(EVERYTHING))]
    return [Bold(wanted.role), f" on {one} ", Code(wanted.name)]


def access_rows(heading: str, bindings: Iterable[WantedBinding], resource: Resource) -> Sequence[Row]:
    """The roles below a heading, each in a row of its own; nothing where there is none."""
    roles = [["• ", *role_row(each, resource)] for each in bindings]
    return [[Bold(heading)], *roles] if roles else []


def everything(bindings: Iterable[WantedBinding]) -> str:
    """What all there is and will be is covered of: "all topics and all consumer groups"; "" for nothing."""
    found = [f"all {_NOUNS[each.on][1]}" for each in bindings if each.is_for_everything and each.on in _NOUNS]
    return " and ".join(dict.fromkeys(found))
