"""Makes the decision once more right before it takes effect, from the roles that everyone holds then."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.approvals import Approval, Terms
from bot.domain.authority import Target
from bot.domain.conditions import Conditions
from bot.domain.deadlines import has_expired
from bot.domain.decision import Allowed, Forbidden, counting, decide, settled
from bot.domain.errors import Refused, plain
from bot.domain.keys import Operation
from bot.domain.requests import Approved, Ask, Working
from bot.services.browse.key import present
from bot.services.people.directory import Directory
from bot.services.people.explain import OWN_ACCOUNT
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Clock, Requests


@dataclass(frozen=True, slots=True)
class Permission:
    """Calls the one decision function again, with fresh reads."""

    directory: Directory
    cloud: Cloud
    clock: Clock
    requests: Requests

    async def renew(self, granted: Approved | Working) -> Terms:
        """The terms under which it's allowed now: those that were approved, or stricter ones.

        Raises `Refused` if it's no longer allowed, `Unavailable` if that is unknown. If Latchkey itself lost its
        rights, everyone seems to have lost theirs: that is unknown, too.
        """
        ask, directory = await self._approved(granted.ask), self.directory.for_one_decision()
        if self.clock() >= granted.grant.fresh_until:
            raise Refused("The approval expired before Latchkey could carry it out.")
        try:
            person = await directory.identify(ask.requester.slack, ask.requester.team)
        except Refused as error:
            raise Refused(f"The requester couldn't be confirmed: {error.tell}") from error
        target, held = Target.of(ask), await directory.held_roles(person)
        requester = await directory.asking(held, ask.operation, target, break_glass=ask.break_glass)
        terms = settled(directory.policy(), ask, requester, granted.terms)
        conditions = () if isinstance(terms, Forbidden) else terms.approvers
        approvers = await directory.held_by_approvers(granted.grant.approvals, conditions)
        verdict = decide(directory.policy(), ask, requester, approvers, granted.terms)
        if not isinstance(verdict, Allowed):
            await self.cloud.must_see_all()
        if isinstance(verdict, Forbidden):
            raise Refused(f"{plain(verdict.reason)} (rule: {plain(verdict.rule)})")
        if not isinstance(verdict, Allowed):
            raise Refused(_fewer(granted, counting(ask, approvers, conditions), conditions))
        if await directory.is_own(ask.owner):
            raise Refused(OWN_ACCOUNT)
        await self._still_replaces(granted)
        return granted.terms.within(verdict.terms)

    async def _approved(self, ask: Ask) -> Ask:
        """What people approved: for the second key of a pair, the request for both, while that waits for it.

        Raises `Refused` if it no longer does.
        """
        if ask.beside is None:
            return ask
        first = await self.requests.get(ask.beside)
        if first is None or not isinstance(first.value, Approved | Working) or first.value.ask.companion() != ask:
            raise Refused("The request that this key belongs to is no longer waiting for it.")
        return first.value.ask

    async def _still_replaces(self, granted: Approved | Working) -> None:
        """Raise `Refused` for the rotation of a key that is gone: that would be a new key, which nobody approved."""
        ask = granted.ask
        if ask.operation is not Operation.ROTATE or ask.key is None or granted.attempt > 1:
            return  # it may be gone because an earlier attempt replaced it
        if await present(ask.key, Target(ask.owner, ask.resource), self.cloud) is None:
            how = "has expired" if has_expired(ask.key, self.clock()) else "was deleted"
            raise Refused(f"The key `{plain(ask.key.id)}` {how} in the meantime, so it wasn't replaced.")


def _fewer(granted: Approved | Working, counted: Sequence[Approval], conditions: Conditions) -> str:
    """Why approvals that were enough no longer are."""
    if len(counted) < len(granted.grant.approvals):
        if conditions:
            return "An approval no longer counts: the approver has since lost the role, or no longer fits the policy."
        return "An approval no longer counts: the approver has since lost the role."
    if not granted.grant.approvals:
        what = "a role, a user group, the environment's name or the policy changed"
        return f"This request needed no approval when it was sent, but needs one now: {what}."
    return "The policy now requires more approvals than when this was approved."
