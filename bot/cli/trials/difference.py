"""`latchkey policy diff`: which decisions change with another policy file, and for whom.

Exit codes: 0 nothing changes, 1 something does, 2 it can't be checked.

Imports are inside the functions, as in `bot.cli.main`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bot.cli.explain import AsJson, CardsIn, Sources, finished, opened, print_json

if TYPE_CHECKING:
    from bot.cli.trials.comparison import Box, Difference
    from bot.domain.catalog import User
    from bot.domain.keys import Principal

MOST_NAMED = 10
"""How many names a line has at most."""


def diff(
    old: Annotated[Path, typer.Argument(help="The current policy file.")],
    new: Annotated[Path, typer.Argument(help="The new policy file.")],
    *,
    snapshot: Annotated[
        Path,
        typer.Option(
            "--snapshot",
            metavar="FILE",
            help="The snapshot with the people and resources to check, from `latchkey policy snapshot`.",
        ),
    ],
    channel: CardsIn = "",
    as_json: AsJson = False,
) -> None:
    """Show which decisions change from one policy file to another, and for whom.

    Exits with 0 if nothing changes, with 1 if something does, and with 2 if it can't be checked.
    """
    found, users = finished(lambda: _found(old, new, snapshot, channel))
    if as_json:
        print_json({"changes": [_as_json(each) for each in found]})
    else:
        typer.echo("\n\n".join("\n".join(_as_text(each, users)) for each in found) or "No decision changes.")
    raise typer.Exit(1 if found else 0)


async def _found(old: Path, new: Path, snapshot: Path, channel: str) -> "tuple[list[Difference], tuple[User, ...]]":
    from bot.cli.snapshot import read
    from bot.cli.trials.comparison import compare
    from bot.cli.trials.side import Side

    sides, here = list[Side](), read(snapshot)
    for policy in (old, new):
        async with opened(Sources(policy, snapshot, channel)) as who:
            sides.append(await Side.of(who, here.users))
    return compare(here, *sides), here.users


def _as_text(difference: "Difference", users: "Sequence[User]") -> Iterator[str]:
    from bot.cli.explanation import cleaned

    change, names = difference.change, {each.id: each.name for each in users}
    yield f"{change.before} -> {change.after}" if change.before != change.after else change.before
    for name, before, after in change.terms:
        yield cleaned(f"  {_term(name)}: {_value(name, before)} -> {_value(name, after)}")
    for word, who in (("can approve now", change.gained), ("can no longer approve", change.lost)):
        if who:
            yield cleaned(f"  {word}: {_listed(sorted(names[each] for each in who))}")
    people = sorted(each.name or each.id for each in difference.people)
    everyone = f"everyone ({len(people)} people)" if len(people) == len(users) > 1 else _listed(people)
    yield cleaned(f"  who:  {everyone}")
    for box in difference.requests:
        yield cleaned(f"  what: {_request(box)}")


def _request(box: "Box") -> str:
    operations, kinds, places, owners = (_listed(sorted(each)) for each in box)
    return f"{operations}; {kinds}; in {places}; owner: {owners}"


def _listed(words: Sequence[str]) -> str:
    more = len(words) - MOST_NAMED
    return ", ".join(words) if more <= 0 else f"{', '.join(words[:MOST_NAMED])} and {more} more"


def _term(name: str) -> str:
    return name.removesuffix("_seconds").replace("_", " ")


def _value(name: str, value: object) -> str:
    from datetime import timedelta

    from bot.cli.explanation import long

    if isinstance(value, dict):
        return _IN_WORDS[name](cast("dict[str, Any]", value))
    spans = cast("list[object]", value) if isinstance(value, list) else [value]
    if name.endswith("_seconds"):
        words = [long(timedelta(seconds=each)) if isinstance(each, int) else "unlimited" for each in spans]
        return ", ".join(words) or "none"
    return ", ".join(map(str, spans)) if value is not None else "none"


def _ticket(said: Mapping[str, Any]) -> str:
    return f"{'required' if said['required'] else 'optional'} {said['pattern']} {said['url']}".rstrip()


def _break_glass(said: Mapping[str, Any]) -> str:
    notified = f", notifies {', '.join(said['notify'])}" if said["notify"] else ""
    return f"{', '.join(said['by'])}, {_value('lifetime_seconds', said['lifetime_seconds'])}{notified}"


def _approvers(said: Mapping[str, Any]) -> str:
    of = " or ".join(each["team"] or ", ".join(each["ids"]) for each in said["one_of"])
    one_of = f"only {of}{', each approval from a different one' if said['distinct'] else ''}"
    return "; ".join([*([one_of] if of else []), *(f"not {each}" for each in said["not"])])


_IN_WORDS = {"ticket": _ticket, "break_glass": _break_glass, "approvers": _approvers}
"""The terms that are objects in JSON, each with what writes it as text."""


def _as_json(difference: "Difference") -> dict[str, object]:
    change = difference.change

    def principals(found: "frozenset[Principal]") -> list[str]:
        return sorted(found)

    return {
        "before": change.before,
        "after": change.after,
        "terms": {name: {"before": before, "after": after} for name, before, after in change.terms},
        "approvers_gained": principals(change.gained),
        "approvers_lost": principals(change.lost),
        "people": [{"name": each.name, "email": each.email, "principal": each.id} for each in difference.people],
        "requests": [
            dict(zip(("operations", "kinds", "places", "owners"), map(sorted, box), strict=True))
            for box in difference.requests
        ],
    }
