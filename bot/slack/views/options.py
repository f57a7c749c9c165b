"""The options of the form's fields. Each option is the same everywhere, as Slack requires. Pure functions."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.keys import Resource, ServiceAccount
from bot.domain.kinds import Kind
from bot.services.catalog.index import placed, regions
from bot.services.form.fill import EXISTING, ME, NEW
from bot.services.text import days_allowed, duration
from bot.slack.blocks.kit import OPTION, OPTIONS, VALUE, option
from bot.slack.blocks.text import Block, plain_text
from bot.slack.payloads.ids import ResourceField
from bot.slack.payloads.read import BY_RULE

T = TypeVar("T", Environment, ServiceAccount, Region, Resource, Environment | ServiceAccount | Resource)

OWNERS = {
    ME: option("My account", ME, "Recommended for development and testing"),
    EXISTING: option("Existing service account", EXISTING, "Recommended for production: existing applications"),
    NEW: option("New service account", NEW, "Recommended for production: new applications"),
}
CLOUDS = {"aws": "AWS", "azure": "Microsoft Azure", "gcp": "Google Cloud"}


def named(found: Iterable[Environment | ServiceAccount | Resource], typed: str) -> Block:
    """The answer to Slack with those of these that match what was typed."""
    return _answer(hits(found, typed), named_option)


def resources(known: Catalog, place: ResourceField, typed: str) -> Block:
    """The answer to Slack with the resources of a kind in a place; no options for an unknown kind."""
    kind = Kind.called(place.kind)
    if kind is None:
        return {"options": []}
    if not kind.row.is_regional:
        return named(placed(known, kind, place.environment), typed)
    used, others = regions(known, place.environment, place.cloud)
    mine, rest = hits(used, typed), hits(others, typed)
    if not mine:
        return _answer(rest, region_option)
    groups = [_group("In use in this environment", map(region_option, mine))]
    if rest:
        groups.append(_group("Other regions", map(region_option, rest)))
    return {"option_groups": groups}


def named_option(it: Environment | ServiceAccount | Resource) -> Block:
    """The option for an environment, an account or a resource: its name, and its ID below."""
    return option(it.name or it.id, it.id, it.id)


def region_option(region: Region) -> Block:
    """The option for a region: "Frankfurt (eu-central-1)"."""
    short = region.id.partition(".")[2] or region.id
    if not region.name:
        return option(short, region.id, region.id)
    return option(region.name if short in region.name else f"{region.name} ({short})", region.id, region.id)


def cloud_options(clouds: Sequence[str], used: int) -> list[Block]:
    """The clouds that offer Flink. In the first `used` of them, the environment has compute pools."""
    notes = ["In use in this environment"] * used + [""] * len(clouds)
    return [option(CLOUDS.get(each, each), each, note) for each, note in zip(clouds[:OPTIONS], notes, strict=False)]


def scope_options() -> list[Block]:
    """The kinds of key."""
    return [option(kind.row.noun, kind, kind.row.about) for kind in Kind]


def lifetime_options(
    limit: timedelta | None, left: timedelta = timedelta(), most: timedelta | None = None, counted: str = ""
) -> list[Block]:
    """The options for a lifetime. The first is as long as the rule allows, the others are longer than `left`.

    `most` is how long Confluent lets the key last. If that is less than the rule allows, it replaces the rule's limit.
    `counted` says when a lifetime begins, as " after approval".
    """
    by_rule = "No expiration" if limit is None else f"Maximum allowed: {duration(limit)}{counted}"
    if most is not None and (limit is None or most < limit):
        by_rule, limit = "Maximum that Confluent allows", most
    longer = (each for each in days_allowed(limit) if timedelta(days=each) > left)
    return [
        option(by_rule, BY_RULE),
        *(option(f"{each} day{'' if each == 1 else 's'}{counted}", str(each)) for each in longer),
    ]


def hits(found: Iterable[T], typed: str) -> list[T]:
    """The items that match what was typed."""
    return [each for each in found if hit(typed, each.name, each.id)]


def hit(typed: str, name: str, id_: str) -> bool:
    """Whether an item matches what was typed. One whose ID Slack couldn't send back never does."""
    wanted = typed.strip().casefold()
    return len(id_) <= VALUE and (wanted in name.casefold() or wanted in id_.casefold())


def _answer(found: Sequence[T], drawn: Callable[[T], Block]) -> Block:
    """All options, or only the first under a line that says how many there are, because Slack lists no more."""
    options = list(map(drawn, found[:OPTIONS]))
    if len(found) <= OPTIONS:
        return {"options": options}
    return {"option_groups": [_group(f"The first {OPTIONS} of {len(found):,}: type more to see others", options)]}


def _group(label: str, options: Iterable[Block]) -> Block:
    return {"label": plain_text(label, OPTION), "options": list(islice(options, OPTIONS))}
