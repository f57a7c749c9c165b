"""How risky a request is, and what its account can do already: for approvers to weigh, and to decide nothing."""

from dataclasses import dataclass

from bot.domain.keys import Operation, Resource

MOST_ROLES = 5
"""How many roles of an account a request keeps."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the account of a wanted key could do already when the request was sent; None is unknown."""

    roles: tuple[str, ...] | None = None
    """Its roles in words, at most `MOST_ROLES`."""
    more: int = 0
    """How many other roles it has."""
    keys: int | None = None
    """How many keys it has."""


def is_high_risk(said: str, operation: Operation, resource: Resource) -> bool:
    """Whether people are warned before they send or approve it; `said` is what the policy's rule says of the risk.

    Where the rule says nothing, it is high for a key that opens the whole organization and is created or extended.
    """
    if said:
        return said == "high"
    gives = operation in {Operation.CREATE, Operation.ROTATE, Operation.EXTEND}
    return gives and resource.kind.row.opens_organization
