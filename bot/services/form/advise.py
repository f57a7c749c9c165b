"""What the requester should know before a request is sent."""

from bot.domain.asks import Ask, Terms
from bot.domain.authority import HeldRoles, Target, bases, reaches
from bot.domain.decision import Allowed, Verdict
from bot.domain.errors import plain
from bot.domain.keys import MyAccount
from bot.services.people.granted_by import names_of, right
from bot.services.text import duration

FOR_DEVELOPMENT = (
    "Keys of your own account are for development and testing; production uses a service account. "
    "Whoever has this key can use what you can use."
)


def lifetime_problem(ask: Ask, terms: Terms) -> str | None:
    """Why the key may not live as long as was asked; None when it may."""
    if ask.lifetime is None or terms.lifetime is None or ask.lifetime <= terms.lifetime:
        return None
    return f"The rule ({terms.rule}) lets this key live for {duration(terms.lifetime)} at most."


def warnings_about(held_roles: HeldRoles, target: Target, verdict: Verdict) -> tuple[str, ...]:
    """Sentences (mrkdwn) that the requester should read before sending."""
    warnings: list[str] = []
    if isinstance(target.owner, MyAccount):
        warnings.append(FOR_DEVELOPMENT)
        if not reaches(held_roles, target):
            warnings.append("You hold no role that reaches this resource, so the key may open nothing there.")
    if held := bases(held_roles, target):
        others = "so nobody else" if isinstance(verdict, Allowed) else "and somebody else still"
        warnings.append(f"You hold {plain(right(held, names_of(target)))} yourself, {others} has to approve.")
    return tuple(warnings)
