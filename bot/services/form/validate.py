"""Checks a form: is everything there, is it short enough, and does it exist at Confluent now.

Also what its sender should know before sending it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from unicodedata import category

from bot.domain.access import WantedBinding
from bot.domain.approvals import Terms
from bot.domain.authority import HeldRoles, Target, bases, reaches
from bot.domain.decision import Allowed, Verdict
from bot.domain.errors import plain
from bot.domain.keys import (
    Cluster,
    Marker,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Person,
    Principal,
    Resource,
    unnamed,
)
from bot.domain.kinds import Kind
from bot.domain.policy import Policy, Rule
from bot.domain.requests import Ask
from bot.services.catalog.cache import CatalogCache
from bot.services.commands import Draft
from bot.services.form.access import ACCESS, wanted
from bot.services.form.fill import NEW, form, is_own, kind_of
from bot.services.pages import FormPage
from bot.services.people.approvers import in_short, names_of
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.text import duration, is_lifetime

LIMITS = {"account_name": 64, "account_description": 128, "name": 64, "description": 200, "reason": 3000}
"""Characters. Slack allows 3,000 in one input; Confluent limits the texts of service accounts, but not of keys."""
TICKET = 64
"""Characters of a ticket's name."""
MESSAGE = 1000
"""Characters of a question about a request, or of a reply."""
NO_ROLES = (
    "This is a Basic cluster, where roles on topics and consumer groups don't work. Remove them here, and give the "
    "account ACLs in Confluent Cloud instead."
)
OWN_ACCOUNT = "This is Latchkey's own account, so you can't request keys for it. Choose another one."
_RUN = "[A-Za-z0-9+/]"
_SECRET = re.compile(
    rf"cflt{_RUN}{{60}}|(?<!{_RUN})(?={_RUN}{{0,63}}[A-Z])(?={_RUN}{{0,63}}[a-z])(?={_RUN}{{0,63}}[0-9]){_RUN}{{64}}(?!{_RUN})"
)
"""Confluent's secrets: today's form, and the one before July 2025, which is nothing but 64 characters of base64."""
_OF_ACCOUNT = frozenset({"account_name", "account_description"})
_OPTIONAL = frozenset({"account_description", "description"})
_ONE_LINE = frozenset({"name", "description"}) | _OF_ACCOUNT
"""They are shown in rows next to our own words: with a line break, or reversed, they could pass for ours."""
_BREAKS_ROWS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
_SHAPELESS = "\u115f\u1160\u2800\u3164\uffa0"
"""Fillers of Hangul, and the empty pattern of Braille: letters and symbols by category."""
_MISSING = {"account_name": "Enter a name for the service account."}
FOR_DEVELOPMENT = (
    "Personal keys are for development and testing. Use a service account in production. "
    "Anyone with this key can do whatever you can do."
)


@dataclass(frozen=True, slots=True)
class Validator:
    """Checks forms. May raise `Unavailable` and `CloudRefused`."""

    directory: Directory
    catalog: CatalogCache
    cloud: Cloud

    async def check(self, draft: Draft, requester: HeldRoles) -> Target | FormPage:
        """What the form requests, existing at Confluent now but for a new account; or the form with its problems."""
        problems = dict(text_problems(draft))
        owner = await self._owner(draft, requester.person, problems)
        resource = await self._resource(draft, problems)
        also = await self._also(draft, resource, problems) if resource else None
        bindings, wrong = _access(draft, self.directory.policy(), *(each for each in (resource, also) if each))
        problems.update(wrong)
        if owner and resource:
            target = Target(owner, resource, also=also)
            asker = await self.directory.asking(requester, Operation.CREATE, target, shown=True)
            rules = [self.directory.policy().rule(Operation.CREATE, part, asker) for part in target.parts]
            if problem := next(filter(None, (ticket_problem(rule, draft.ticket) for rule in rules)), None):
                problems["ticket"] = problem
        if problems or owner is None or resource is None:
            return await self.form(draft, problems)
        return Target(owner, resource, bindings, also)

    async def form(self, draft: Draft, problems: Mapping[str, str] | None = None) -> FormPage:
        """The form as it was filled in, with the problems below its fields."""
        own = await self.directory.own_known()
        return form(draft, await self.catalog.current(), self.directory.policy(), problems, own)

    async def _owner(self, draft: Draft, person: Person, problems: dict[str, str]) -> Owner | None:
        match draft.owner:
            case "" | "service-account":
                problems["owner"] = "Choose an account." if not draft.owner else "Choose a service account."
                return None
            case "me":
                return MyAccount(person.principal)
            case "new":
                return await self._new_account(draft, problems)
            case id_:
                account = await self.cloud.service_account(Principal(id_))
                if account is None:
                    problems["owner"] = "This service account no longer exists. Choose another one."
                elif await self.directory.is_own(account):
                    problems["owner"] = OWN_ACCOUNT
                return account

    async def _new_account(self, draft: Draft, problems: dict[str, str]) -> Owner | None:
        name = draft.account_name.strip()
        if "account_name" in problems:
            return None
        if taken := await self.cloud.accounts_named(name):
            problems["account_name"] = name_taken(taken[0].id)
        return NewServiceAccount(name, draft.account_description.strip())

    async def _resource(self, draft: Draft, problems: dict[str, str]) -> Resource | None:
        kind = kind_of(draft)
        everywhere = kind.row.is_wide
        if not everywhere and (missing := _missing(draft, kind)):
            problems.update(missing)
            return None
        place = ("", "") if everywhere else (draft.environment, draft.cluster)
        found = await self.cloud.resource(kind, *place)
        if found is None:
            problems["kind" if everywhere else "resource"] = kind.row.gone
            return None
        resource, endpoints = found
        if endpoints.lacks_roles and _access(draft, self.directory.policy(), resource)[0]:
            problems[ACCESS] = NO_ROLES
        if isinstance(resource, OrganizationScope):
            return resource
        catalog = await self.catalog.current()
        names = {each.id: each.name for each in catalog.environments} if catalog else {}
        return replace(resource, environment_name=names.get(draft.environment, draft.environment))

    async def _also(self, draft: Draft, resource: Resource, problems: dict[str, str]) -> Cluster | None:
        """The resource of a pair's second key: in the environment of the first one, and no other."""
        kind = Kind.called(resource.kind.row.companion)
        if kind is None or not draft.also:
            return None
        found = await self.cloud.resource(kind, resource.environment, draft.also)
        also = found[0] if found else None
        if not isinstance(also, Cluster) or also.environment != resource.environment:
            problems["also"] = f"This {kind.row.noun} isn't in this environment anymore. Check the form and try again."
            return None
        return replace(also, environment_name=resource.environment_name)


def name_taken(account: str) -> str:
    """The sentence for a name that another account has. That account is left alone, because it's someone's."""
    return (
        f"A service account with this name already exists ({account}). "
        "Choose another name, or select “Existing service account” above."
    )


def _missing(draft: Draft, kind: Kind) -> Mapping[str, str]:
    if not draft.environment:
        return {"environment": "Choose an environment."}
    if not draft.cluster:
        needs_cloud = kind.row.is_regional and not draft.cloud
        return {"cloud": "Choose a cloud provider."} if needs_cloud else {"resource": kind.row.choose}
    return {}


def text_problems(draft: Draft) -> Mapping[str, str]:
    """What is wrong with the typed texts, by field. Needs nothing but the texts."""
    problems: dict[str, str] = {}
    for field, limit in LIMITS.items():
        text: str = getattr(draft, field)
        if field in _OF_ACCOUNT and draft.owner != NEW:
            continue
        if field not in _OPTIONAL and is_blank(text):
            problems[field] = _MISSING.get(field, f"Enter a {field}.")
        elif problem := text_problem(text, limit):
            problems[field] = problem
        elif field in _ONE_LINE and _BREAKS_ROWS.search(text.strip()):
            problems[field] = "Use one line, without invisible control characters."
        elif field in _ONE_LINE and Marker.find(text):
            problems[field] = "Remove the tag at the end: Latchkey uses such tags to recognize its own keys."
    if not is_lifetime(draft.lifetime):
        problems["lifetime"] = "Choose a lifetime from the list."
    return problems


def access_problems(draft: Draft, policy: Policy) -> Mapping[str, str]:
    """What is wrong with the chosen access, by field. Needs nothing but the policy."""
    return _access(draft, policy)[1]


def _access(draft: Draft, policy: Policy, *resources: Resource) -> tuple[tuple[WantedBinding, ...], Mapping[str, str]]:
    return wanted(draft, policy.offers, *(resources or _typed(draft)), is_own=is_own(draft))


def _typed(draft: Draft) -> Sequence[Resource]:
    """What was chosen, before Confluent is asked whether it is there."""
    kind, environment = kind_of(draft), draft.environment
    other = Kind.called(kind.row.companion) if draft.also else None
    chosen = unnamed(kind, draft.cluster, environment, "")
    return (chosen, unnamed(other, draft.also, environment, "")) if other else (chosen,)


def ticket_problem(rule: Rule | None, typed: str) -> str | None:
    """What is wrong with the name of a ticket under the rule that decides; None if nothing is, or it requires none."""
    if rule is None or rule.ticket is None:
        return None
    ticket, example, pattern = typed.strip(), rule.ticket.example, rule.ticket.pattern
    if not ticket:
        like = f", such as {example}" if example else f" that matches {pattern}"
        return f"Enter a ticket{like}." if rule.ticket.required else None
    if problem := text_problem(ticket, TICKET):
        return problem
    if _BREAKS_ROWS.search(ticket) or not rule.fits(ticket):
        wrong = f"This isn't a ticket like {example}." if example else f"This ticket doesn't match {pattern}."
        return f"{wrong} Check it and try again."
    return None


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: spaces, controls, marks without a letter, letters without a shape."""
    return all(category(each) in _UNSEEN or each in _SHAPELESS for each in text)


def text_problem(text: str, limit: int) -> str | None:
    """What is wrong with a text that will be stored and shown to others; None if nothing is."""
    if len(text) > limit:
        return f"At most {limit:,} characters; this has {len(text):,}."
    if _SECRET.search(text):
        return "This looks like it contains an API secret. Remove it, because this text is stored."
    return None


def lifetime_problem(ask: Ask, terms: Terms) -> str | None:
    """Why the key can't last as long as requested; None if it can."""
    if ask.lifetime is None or terms.lifetime is None or ask.lifetime <= terms.lifetime:
        return None
    return f"The rule ({terms.rule}) lets this key last at most {duration(terms.lifetime)}."


def warnings_about(held_roles: HeldRoles, target: Target, verdict: Verdict) -> tuple[str, ...]:
    """Sentences (mrkdwn) that the requester should read before sending."""
    warnings: list[str] = []
    if isinstance(target.owner, MyAccount):
        warnings.append(FOR_DEVELOPMENT)
        if not reaches(held_roles, target):
            warnings.append("You have no role on this resource, so the key may not be able to access anything.")
    if held := bases(held_roles, target):
        others = "so no one else" if isinstance(verdict, Allowed) else "but someone else still"
        warnings.append(f"You have {plain(in_short(held, names_of(target)))} yourself, {others} has to approve.")
    return tuple(warnings)
