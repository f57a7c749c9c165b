"""Whether a new key works, in rows of rich text for its requester. Pure; a datetime is shown in the reader's own zone.

No row says how often Latchkey has looked, so a message changes only when there is news.
"""

from bot.domain.catalog import Endpoints
from bot.domain.keys import Resource
from bot.domain.readiness import Probe
from bot.slack.blocks.text import Code, Piece, Row
from bot.slack.messages import snippets


def readiness_rows(resource: Resource, probe: Probe, endpoints: Endpoints, key_id: str) -> list[Row]:
    """What is known of a new key, to be read in its requester's DM; nothing where nobody looks and nobody knows.

    `endpoints` may be empty where they are not known any more: then there is no command to look with.
    """
    match probe.verdict:
        case "works":
            return [_works(resource, probe)]
        case "no-permission":
            refused = "Refused from here: its owner has no permission yet, or an IP filter keeps Latchkey out"
            advice = "Give the owner a role there. If it has one, try the key where your clients run. Last answer: "
            return [[refused, *_at(probe), "."], [advice, *_last(probe)]]
        case "unreachable":
            return _unreachable(resource, probe, endpoints, key_id)
        case "gave-up":
            return [
                ["Still not accepted when Latchkey stopped looking", *_at(probe), ". Last answer: ", *_last(probe)],
                ["Try it yourself. If it is refused, look for an IP filter at Confluent, or replace the key."],
            ]
        case _:
            usual = resource.kind.row.readiness.usual
            checking = f"It may be refused for {usual}. Latchkey looks whether it works, and says so here."
            return [[checking]] if probe.next_at else []


def _works(resource: Resource, probe: Probe) -> Row:
    since: list[Piece] = [" since ", probe.at] if probe.at else []
    readiness = resource.kind.row.readiness
    if readiness.asked:
        return [f"It works for {readiness.asked}", *since, ". ", readiness.unasked]
    return ["It works", *since, "."]


def _unreachable(resource: Resource, probe: Probe, endpoints: Endpoints, key_id: str) -> list[Row]:
    why: Row = [" (private network)"] if endpoints.is_private else [f": {probe.last}"] if probe.last else []
    usual = resource.kind.row.readiness.usual
    cannot: Row = ["It cannot be checked from here", *why, f". Allow {usual} before you use it."]
    if endpoints.is_paused:
        return [cannot]
    if not endpoints.rest:
        return [cannot, ["Try it where your clients run."]]
    where = "Run this inside it" if endpoints.is_private else "Run this where your clients run"
    command = Code(snippets.check(key_id, resource, endpoints))
    return [cannot, [f"{where}; it prompts for the secret: ", command]]


def _at(probe: Probe) -> Row:
    return [", ", probe.at] if probe.at else []


def _last(probe: Probe) -> Row:
    """The last answer, and what Confluent's support asks for."""
    reference: list[Piece] = [" (reference ", Code(probe.reference), ")"] if probe.reference else []
    return [probe.last or "none", *reference, "."]
