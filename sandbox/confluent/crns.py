"""Confluent resource names (CRNs), and which of them a role binding covers."""

from urllib.parse import unquote

Element = tuple[str, str]


def elements(crn: str) -> list[Element]:
    """The `key=value` parts of a CRN, decoded. `kafka=lkc-x` directly after its own cluster is left out."""
    path = crn.partition("://")[2].partition("/")[2]
    found: list[Element] = []
    for part in filter(None, path.split("/")):
        key, _, value = unquote(part).partition("=")
        if key == "kafka" and found and found[-1] == ("cloud-cluster", value):
            continue
        found.append((key, value))
    return found


def same(one: str, other: str) -> bool:
    """Whether two CRNs name the same place, regardless of percent-encoding."""
    return elements(one) == elements(other)


def covers(pattern: str, crn: str) -> bool:
    """Whether a binding at `pattern` applies at `crn`: whether the CRN starts with its elements."""
    wanted, given = elements(pattern), elements(crn)
    return len(wanted) <= len(given) and all(map(_matches, wanted, given))


def touches(pattern: str, crn: str) -> bool:
    """Whether `pattern` covers `crn` or is below it, as a topic is below its cluster."""
    return covers(pattern, crn) or covers(crn, pattern)


def selects(query: str, pattern: str, *, with_all_below: bool = False) -> bool:
    """Whether a list of role bindings with `crn_pattern=query` contains a binding stored at `pattern`.

    `…/*` selects what is strictly below the scope, anything else exactly that scope. `with_all_below` is the other way
    to read the public documentation: then both select the scope and everything below it.
    """
    if with_all_below:
        scope = elements(query.removesuffix("/*"))
        return elements(pattern)[: len(scope)] == scope
    if query.endswith("/*"):
        scope = elements(query.removesuffix("/*"))
        stored = elements(pattern)
        return len(stored) > len(scope) and stored[: len(scope)] == scope
    return same(query, pattern)


def _matches(wanted: Element, given: Element) -> bool:
    if wanted[0] != given[0]:
        return False
    if wanted[1].endswith("*"):
        return given[1].startswith(wanted[1][:-1])
    return wanted[1] == given[1]
