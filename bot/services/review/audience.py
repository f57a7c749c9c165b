"""Finds whom to ask about a key: its owner, the owners of its service account, or who requested it, if in Slack.

Readers see only keys that they're allowed to see: owning an account covers the kinds of keys in the role table, and
having requested a key covers only that key.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.authority import RESOURCE_OWNER, HeldRoles, Target, authority
from bot.domain.catalog import User
from bot.domain.errors import Refused
from bot.domain.keys import MyAccount, Owner, Person, Principal, Resource, ServiceAccount, SlackUserId
from bot.domain.requests import Request
from bot.domain.review import Audience
from bot.domain.roles import Binding, Scope
from bot.services.people.directory import Directory, in_slack
from bot.services.ports.cloud import Cloud
from bot.services.ports.slack import People

MOST_OWNERS = 10
"""How many owners of one account are asked. Slack limits how fast users can be found by email address."""


@dataclass(frozen=True, slots=True)
class KnownOwner:
    """An owner of keys as Confluent has it now. `name` is a user's name; "" if it's unknown or an account."""

    owner: Owner
    name: str
    is_gone: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """Someone to ask. `by` is the role that makes them responsible, if it is a role."""

    to: SlackUserId
    audience: Audience
    person: Person
    by: Binding | None = None


@dataclass(frozen=True, slots=True)
class Recipients:
    """Finds whom a review asks. Only reads. Every method may raise `Unavailable` and `CloudRefused`."""

    directory: Directory
    cloud: Cloud
    slack: People

    async def known(self, principal: Principal) -> KnownOwner:
        """Look up an owner.

        The prefix of the ID matters only if Confluent no longer has it, because nothing else is known.
        """
        user = await self._user(principal)
        if user is not None:
            return KnownOwner(MyAccount(principal), user.name, is_gone=False)
        is_account = principal.startswith("sa-")
        account = await self.cloud.service_account(principal) if is_account else None
        if account is not None:
            return KnownOwner(account, "", is_gone=False)
        await self.cloud.must_see_all()
        return KnownOwner(ServiceAccount(principal, "") if is_account else MyAccount(principal), "", is_gone=True)

    async def people(self, known: KnownOwner) -> Sequence[Reader]:
        """The people responsible for all of an owner's keys: the user, or the owners of the service account."""
        if known.is_gone:
            return ()
        if isinstance(known.owner, MyAccount):
            person = await self._met(known.owner.id)
            return [Reader(person.slack, "owner", person)] if person else []
        found = [*await self._bound(known.owner), *await self._mapped(known.owner)]
        return list({reader.to: reader for reader in reversed(found)}.values())

    async def owners_of(self, owner: Owner) -> Sequence[SlackUserId]:
        """The person whose account it is, or the people who own the service account, if they're in Slack."""
        return [reader.to for reader in await self.people(KnownOwner(owner, "", is_gone=False))]

    async def readers(
        self, known: KnownOwner, resource: Resource | None, maker: Request | None, people: Sequence[Reader]
    ) -> Sequence[Reader]:
        """Those of `people` who can see this key, otherwise its requester.

        If it's empty, the review's channel is asked.
        """
        if known.is_gone:
            return ()
        able = [reader for reader in people if await self._covers(reader, known.owner, resource)]
        if able or maker is None:
            return able
        asker = maker.ask.requester
        person = await self._member(asker.slack)
        return [Reader(asker.slack, "requester", person)] if person and person.principal == asker.principal else []

    async def _covers(self, reader: Reader, owner: Owner, resource: Resource | None) -> bool:
        if reader.by is None:
            return reader.audience == "owner"
        if resource is None:
            return False
        organization = await self.directory.organization()
        held_roles = HeldRoles(reader.person, (reader.by,), organization, self.directory.policy().table)
        return authority(held_roles, Target(owner, resource)) is not None

    async def _bound(self, account: Owner) -> list[Reader]:
        """The people with a role binding in Confluent as owner of this account."""
        place = f"crn://confluent.cloud/organization={await self.directory.organization()}/service-account={account.id}"
        bindings = [each for each in await self.cloud.bindings_at(place) if each.role == RESOURCE_OWNER]
        met = [(await self._met(each.principal), each) for each in bindings[:MOST_OWNERS]]
        return [Reader(person.slack, "account-owner", person, binding) for person, binding in met if person]

    async def _mapped(self, account: Owner) -> list[Reader]:
        """The people whom the policy makes an owner of this account."""
        directory, found = self.directory, list[Reader]()
        organization, path = await directory.organization(), (("service-account", str(account.id)),)
        for mapping in directory.policy().mappings:
            scope = Scope.parse(mapping.binding(Principal("?"), organization).crn)
            if mapping.role != RESOURCE_OWNER or not scope.path or not scope.covers(path):
                continue
            subject = SlackUserId(mapping.subject)
            members = await directory.members(mapping.subject, shown=True) if mapping.is_group else (subject,)
            for slack in members[:MOST_OWNERS]:
                if person := await self._member(slack):
                    binding = mapping.binding(person.principal, organization)
                    found.append(Reader(slack, "account-owner", person, binding))
        return found

    async def _met(self, principal: Principal) -> Person | None:
        """The person in Slack for a Confluent user; None if there is none, or if they can't use Latchkey."""
        user = await self._user(principal)
        profile = await in_slack(user, self.slack, self.directory.policy().people) if user else None
        person = await self._member(profile.id) if profile else None
        return person if person and person.principal == principal else None

    async def _member(self, slack: SlackUserId) -> Person | None:
        """The person, or None if they can't use Latchkey."""
        try:
            return await self.directory.identify(slack, self.directory.team, shown=True)
        except Refused:
            return None

    async def _user(self, principal: Principal) -> User | None:
        """The user, from a list at most a minute old, so that no one counts as gone because of an old list."""
        return next((each for each in await self.directory.users(shown=True) if each.id == principal), None)
