"""The roles that an account is granted with its key, in words. Pure."""

import shlex
from collections.abc import Iterable, Mapping, Sequence

from bot.domain.access import GivenBinding, WantedBinding
from bot.domain.authority import CONTENTS, extent
from bot.domain.keys import Resource
from bot.services.text import KEY_STAYS
from bot.slack.blocks.text import Block, Bold, Code, Row, flat, lines, preformatted

_CREATE = "confluent iam rbac role-binding create"
_NEXT_LINE = " \\\n  "
"""For a shell, this continues the line. Slack would break a long line inside an option."""


def role_row(wanted: WantedBinding, resource: Resource) -> Row:
    """A role and where it applies: "DeveloperWrite on topics starting with `orders-`"."""
    if wanted.on not in CONTENTS:
        return [Bold(wanted.role), f" on {wanted.on} ", flat(resource.environment_name) or Code(wanted.name)]
    what, name = extent(wanted.on, wanted.name)
    place: Row = [f" on {what} ", Code(name)] if name else [f" on {what}"]
    return [Bold(wanted.role), *place]


def access_rows(heading: str, bindings: Iterable[WantedBinding], resource: Resource) -> Sequence[Row]:
    """The roles below a heading, each in a row of its own; empty if there are none."""
    roles = [["• ", *role_row(each, resource)] for each in bindings]
    return [[Bold(heading)], *roles] if roles else []


def granted_rows(given: Sequence[GivenBinding], resource: Resource, *, also: bool = False) -> Sequence[Row]:
    """The roles that came with a key, or with two (`also`), and what became of each; empty if none was requested."""
    rows = [["• ", *role_row(each.wanted, resource), _BECAME.get(each.state, "")] for each in given]
    return [[Bold(f"Access granted with {'these keys' if also else 'this key'}:")], *rows] if rows else []


_BECAME: Mapping[str, str] = {
    "planned": " (not yet)",
    "intended": " (not yet)",
    "existed": " (the account already had it)",
    "unwanted": " (being removed)",
    "removed": " (removed)",
    "kept": " (stays: it was also requested with another key)",
}


def access_left(left: Sequence[WantedBinding], resource: Resource) -> Sequence[Row]:
    """The roles that an account keeps when its key is gone, and what to do about them; empty if there are none."""
    advice: Row = ["If nothing else needs them, remove these roles in Confluent Cloud."]
    return (
        [*access_rows("The account keeps the access that came with this key:", left, resource), advice] if left else []
    )


def removal(given: Iterable[GivenBinding]) -> str:
    """The confirmation of `Remove access`: how much it removes."""
    count = sum(each.state == "given" for each in given)
    what = "the role" if count == 1 else f"the {count} roles"
    stops = f"Anything that needs this access will stop working. {KEY_STAYS}"
    return f"This removes {what} that Latchkey granted with this key. {stops}"


def by_hand(heading: str, *resources: Resource, account: str = "SERVICE_ACCOUNT_ID") -> list[Block]:
    """The commands that grant roles to an account without access; nothing for keys that need none of their own."""
    commands = [_command(each, account) for each in resources if each.kind.row.grant]
    return [lines([heading]), preformatted("\n\n".join(commands))] if commands else []


def _command(resource: Resource, account: str) -> str:
    place = {"environment": shlex.quote(resource.environment), "id": shlex.quote(resource.id)}
    options = resource.kind.row.grant.replace(" --", f"{_NEXT_LINE}--").format(**place)
    return f"{_CREATE}{_NEXT_LINE}--principal User:{shlex.quote(account)}{_NEXT_LINE}{options}"


def everything(bindings: Iterable[WantedBinding]) -> str:
    """Everything of a kind that is covered: "all topics and all consumer groups"; "" for nothing."""
    found = [f"all {CONTENTS[each.on]}s" for each in bindings if each.is_for_everything and each.on in CONTENTS]
    return " and ".join(dict.fromkeys(found))
