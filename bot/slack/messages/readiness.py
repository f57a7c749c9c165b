"""Whether a new key works, in rows of rich text for its requester. Pure; a datetime is shown in the reader's own zone.

No row says how often Latchkey has looked, so a message changes only when there is news.
"""

from typing import Literal, TypeAlias

from bot.domain.catalog import Endpoints
from bot.domain.keys import Resource
from bot.domain.readiness import Probe
from bot.slack.blocks.text import Code, Piece, Row
from bot.slack.messages import snippets

Tested: TypeAlias = Literal["", "viewed", "saved"]
"""How far the requester is. A key is tested only while its secret is sealed (""), and not once it was viewed."""


def readiness_rows(
    resource: Resource, probe: Probe, endpoints: Endpoints, key_id: str, until: Tested = ""
) -> list[Row]:
    """What is known about a new key, for its requester; empty if nothing is known and nobody is testing it.

    If `endpoints` is empty because they're no longer known, there's no command to test the key.
    """
    match probe.verdict:
        case "works":
            return [_works(resource, probe)]
        case "no-permission":
            why = ": its owner has no permission yet, or an IP filter blocks Latchkey."
            advice = (
                "Give its owner a role on this resource. "
                "If the owner has one, try the key from where your clients run. Last response: "
            )
            return [["Rejected when Latchkey tested it", *_at(probe), why], [advice, *_last(probe)]]
        case "unreachable":
            return _unreachable(resource, probe, endpoints, key_id)
        case "gave-up":
            return [
                ["Still rejected when Latchkey stopped testing it", *_at(probe), ". Last response: ", *_last(probe)],
                ["Try it yourself. If it's rejected, check for an IP filter in Confluent, or replace the key."],
            ]
        case _ if until:
            # The message said that it would tell when the key works.
            return [[_stopped()]] if until == "viewed" else []
        case _:
            return [[_testing(resource)]] if probe.next_at else []


def _testing(resource: Resource, *, both: bool = False) -> str:
    """Says that Latchkey is testing it, or both keys of a pair."""
    this, works = ("both", "they work") if both else ("this one", "it works")
    usual = resource.kind.row.readiness.usual
    return (
        f"New keys can be rejected for {usual}. Latchkey is testing {this} and will update this message when {works}."
    )


def _stopped(*, both: bool = False) -> str:
    """Says that there will be no result: without the sealed secret, Latchkey can't test a key."""
    them, their = ("these keys", "their secrets") if both else ("this key", "its secret")
    return f"Latchkey stopped testing {them} when you viewed {their}."


def of_both(first: list[Row], resource: Resource, second: list[Row], also: Resource | None) -> list[Row]:
    """The rows of both keys of a pair, each labeled with its resource; for one key, just its rows."""
    if also is None:
        return first
    if first == second == [[_stopped()]]:
        return [[_stopped(both=True)]]
    if first == second == [[_testing(resource)]]:
        return [[_testing(resource, both=True)]]
    each = ((first, resource), (second, also))
    return [[f"{of.kind.row.label}: ", *row] for rows, of in each for row in rows]


def _works(resource: Resource, probe: Probe) -> Row:
    since: list[Piece] = [" since ", probe.at] if probe.at else []
    readiness = resource.kind.row.readiness
    if readiness.asked:
        return [f"Working with {readiness.asked}", *since, ". ", readiness.unasked]
    return ["Working", *since, "."]


def _unreachable(resource: Resource, probe: Probe, endpoints: Endpoints, key_id: str) -> list[Row]:
    why: Row = [" (private network)"] if endpoints.is_private else [f": {probe.last}"] if probe.last else []
    usual = resource.kind.row.readiness.usual
    cannot: Row = ["Latchkey can't test this key from here", *why, f". Allow {usual} before you use it."]
    if endpoints.is_paused:
        return [cannot]
    if not endpoints.rest:
        return [cannot, ["Try it from where your clients run."]]
    where = "inside that network" if endpoints.is_private else "where your clients run"
    command = Code(snippets.check(key_id, resource, endpoints))
    return [cannot, [f"To test it, run this {where} (it prompts for the secret): ", command]]


def _at(probe: Probe) -> Row:
    return [" ", probe.at] if probe.at else []


def _last(probe: Probe) -> Row:
    """The last answer, with what Confluent's support asks for."""
    reference: list[Piece] = [" (reference ", Code(probe.reference), ")"] if probe.reference else []
    return [probe.last or "none", *reference, "."]
