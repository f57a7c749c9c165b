"""The options that the form's fields offer. Pure; each option is the same wherever it is shown, as Slack wants it."""

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
    """What Slack is answered about those of these that match what is typed."""
    return _answer(hits(found, typed), named_option)


def resources(known: Catalog, place: ResourceField, typed: str) -> Block:
    """What Slack is answered about the resources of a kind in a place; nothing for a kind that there is not."""
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
    """An environment, an account or a resource to choose: by its name, and its id below."""
    return option(it.name or it.id, it.id, it.id)


def region_option(region: Region) -> Block:
    """A region to choose: "Frankfurt (eu-central-1)"."""
    short = region.id.partition(".")[2] or region.id
    if not region.name:
        return option(short, region.id, region.id)
    return option(region.name if short in region.name else f"{region.name} ({short})", region.id, region.id)


def cloud_options(clouds: Sequence[str], used: int) -> list[Block]:
    """Where Flink is offered; of the first `used` the environment has compute pools."""
    notes = ["In use in this environment"] * used + [""] * len(clouds)
    return [option(CLOUDS.get(each, each), each, note) for each, note in zip(clouds[:OPTIONS], notes, strict=False)]


def scope_options() -> list[Block]:
    """The kinds of key."""
    return [option(kind.row.noun, kind, kind.row.about) for kind in Kind]


def lifetime_options(
    limit: timedelta | None, left: timedelta = timedelta(), most: timedelta | None = None, counted: str = ""
) -> list[Block]:
    """How long the key may live; the first option is as long as the rule lets it, the others are longer than `left`.

    `most` is how long Confluent lets it live: where that is less than the rule does, it takes the rule's place.
    `counted` says from when on a lifetime is counted, as " after approval".
    """
    by_rule = "No expiration" if limit is None else f"Maximum allowed: {duration(limit)}{counted}"
    if most is not None and (limit is None or most < limit):
        by_rule, limit = "Until it expires at Confluent Cloud", most
    longer = (each for each in days_allowed(limit) if timedelta(days=each) > left)
    return [
        option(by_rule, BY_RULE),
        *(option(f"{each} day{'' if each == 1 else 's'}{counted}", str(each)) for each in longer),
    ]


def hits(found: Iterable[T], typed: str) -> list[T]:
    """Those that are offered to who typed this."""
    return [each for each in found if hit(typed, each.name, each.id)]


def hit(typed: str, name: str, id_: str) -> bool:
    """Whether something is offered to who typed this. What Slack could not send back is not."""
    wanted = typed.strip().casefold()
    return len(id_) <= VALUE and (wanted in name.casefold() or wanted in id_.casefold())


def _answer(found: Sequence[T], drawn: Callable[[T], Block]) -> Block:
    """All of them; or the first, under a line that says how many there are, for Slack lists no more."""
    options = list(map(drawn, found[:OPTIONS]))
    if len(found) <= OPTIONS:
        return {"options": options}
    return {"option_groups": [_group(f"The first {OPTIONS} of {len(found):,}: type more to see others", options)]}


def _group(label: str, options: Iterable[Block]) -> Block:
    return {"label": plain_text(label, OPTION), "options": list(islice(options, OPTIONS))}
