"""The people who can approve, on the pages that people read before they send a request. Pure."""

from collections.abc import Sequence

from bot.domain.approvals import Terms
from bot.domain.conditions import in_words
from bot.domain.errors import listed
from bot.services.pages import Right
from bot.slack.blocks.text import Row, flat

RIGHTS = 8
"""How many kinds of right a page lists."""


def who(approvers: Sequence[Right], *, are_told: bool) -> list[Row]:
    """The people who can approve, by right: at most as many lines as people read. `are_told`: those named are."""
    rights, rest = approvers[:RIGHTS], approvers[RIGHTS:]
    rows: list[Row] = [[f"• {each.basis}: {_people(each)}"] for each in rights]
    if rest:
        number = sum(len(each.names) + each.more for each in rest)
        rows.append([f"• and {number} more {'person' if number == 1 else 'people'} with other roles"])
    told = "Approvers (Latchkey will notify the people named here):" if are_told else "Approvers:"
    return [[told], *rows] if rows else []


def in_a_row(approvers: Sequence[Right]) -> Row:
    """The people who can approve, without their rights: " Approvers: Erin Castellanos, Femi Ade and 3 more."."""
    names = tuple(dict.fromkeys(name for each in approvers for name in each.names))
    people = _people(Right("", names, sum(each.more for each in approvers)))
    return [f" Approvers: {people}."] if approvers else []


def conditions(terms: Terms) -> Row:
    """Whose approvals don't count, whatever their roles are: the requester reads it."""
    return [f" {each}" for each in in_words(terms.approvers, requester="you")] if terms.approvals else []


def _people(right: Right) -> str:
    """The names, and how many more there are: "Erin Castellanos, Femi Ade and 3 more"."""
    names = [flat(each) for each in right.names]
    if not names:
        return "1 person" if right.more == 1 else f"{right.more} people"
    return listed([*names, f"{right.more} more"] if right.more else names, "and")
