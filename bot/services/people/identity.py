"""Which Confluent user a Slack user is: pure, from what both sides say right now. Not knowing is a refusal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.catalog import User
from bot.domain.errors import Refused, plain
from bot.domain.keys import Person, Principal, SlackUserId, TeamId
from bot.services.ports.slack import People, Profile

ELSEWHERE = "This Slack account belongs to another workspace, and Latchkey deals only with members of its own."


@dataclass(frozen=True, slots=True)
class Tenant:
    """The workspace that the app is installed in, and the Enterprise Grid organization around it, "" without one."""

    team: TeamId
    enterprise: str = ""


def belongs(tenant: Tenant, team: str, enterprise: str = "", teams: Collection[str] = ()) -> bool | None:
    """Whether somebody is a member of our workspace; None where what Slack says of them leaves it open.

    `team` is their own `team_id`: a workspace, or the organization (`E…`). In a Grid it names any one of a person's
    workspaces, wherever they click, and may be missing. `enterprise` and `teams` are their organization and all of
    their workspaces there, which `users.info` tells and no click does. What speaks against them goes first.
    """
    if teams and tenant.team not in teams:
        return False
    if team == tenant.team and teams and not tenant.enterprise:
        return True  # our workspace has joined an organization since we asked
    if enterprise not in {"", tenant.enterprise} or (team.startswith("E") and team != tenant.enterprise):
        return False
    if team == tenant.team or (enterprise and teams):
        return True
    if enterprise or not team or tenant.enterprise:
        return None
    return False


def seat(tenant: Tenant, claimed: TeamId) -> TeamId:
    """What a click is stored with: our workspace, unless what it says rules out that its user belongs there.

    Who is let in this way is still asked about at `users.info`, which decides.
    """
    return claimed if belongs(tenant, claimed) is False else tenant.team


def admitted(profile: Profile | None, tenant: Tenant) -> Profile:
    """Somebody whom Latchkey deals with, as a member of our workspace. Raises `Refused` for everybody else."""
    if profile is None:
        raise Refused("Slack does not show this account to Latchkey.")
    if not belongs(tenant, profile.team, profile.enterprise, profile.teams):
        raise Refused(ELSEWHERE)
    if profile.deleted:
        raise Refused("This Slack account is deactivated.")
    if profile.is_bot:
        raise Refused("Bots can neither ask for keys nor decide about them.")
    if profile.is_guest:
        raise Refused("Guests of this Slack workspace can neither ask for keys nor decide about them.")
    return replace(profile, team=tenant.team)


async def in_slack(user: User, people: People, named: Mapping[SlackUserId, Principal]) -> Profile | None:
    """The Slack account of a Confluent user: the one that the policy names, else the one with this e-mail address."""
    slack = next((slack for slack, principal in named.items() if principal == user.id), None)
    if slack is not None:
        return await people.profile(slack)
    return await people.by_email(user.email) if user.email else None


def matched(profile: Profile, users: Sequence[User], people: Mapping[SlackUserId, Principal]) -> Person:
    """The person that an admitted profile belongs to. Raises `Refused` when there is not exactly one Confluent user.

    `people` is what the policy says about who is who; it goes before the e-mail address.
    """
    if (named := people.get(profile.id)) is not None:
        if not any(each.id == named for each in users):
            raise Refused(f"The policy says that this is the Confluent user {plain(named)}, which does not exist.")
        return Person(profile.id, profile.team, profile.name, profile.email, named)
    if not profile.email or not profile.email_confirmed:
        raise Refused(
            "Slack has no confirmed email address for you, so Latchkey can't find your Confluent Cloud user. "
            "Ask your Latchkey administrator to add a `people:` line to the policy file. "
            f"Your Slack ID is `{plain(profile.id)}`."
        )
    matches = [each for each in users if each.email == profile.email]
    if not matches:
        raise Refused(
            f"No Confluent Cloud user has the e-mail address {plain(profile.email)} that Slack knows. "
            "An OrganizationAdmin can invite that address to Confluent Cloud."
        )
    if len(matches) > 1:
        ids = ", ".join(sorted(each.id for each in matches))
        raise Refused(
            f"Several Confluent Cloud users ({ids}) have the e-mail address {plain(profile.email)}, so Latchkey "
            "cannot tell which one is meant. An OrganizationAdmin can remove all but one."
        )
    return Person(profile.id, profile.team, profile.name, profile.email, matches[0].id)
