"""From a filled-in form to a request in the store: decided at once, waiting for approval, or refused."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.access import Offer
from bot.domain.approvals import Terms
from bot.domain.audit import Action
from bot.domain.authority import HeldRoles, Target
from bot.domain.deadlines import lifetime
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide, missing, why_not_alone
from bot.domain.errors import Conflict, NotFound, Occupied, Refused, plain
from bot.domain.keys import NewServiceAccount, Operation, OrganizationScope, Person, RequestId
from bot.domain.policy import Policy
from bot.domain.requests import Approved, Ask, Open, Pending, Request
from bot.services.browse.rights import rights
from bot.services.catalog.quota import must_have_room
from bot.services.commands import Back, Check, Click, Draft, Send
from bot.services.form.access import wishes
from bot.services.form.fill import USUAL
from bot.services.form.validate import Validator, lifetime_problem, warnings_about
from bot.services.pages import FormPage, ReviewPage
from bot.services.people.candidates import Candidate, Candidates
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Drafts, Posts, Requests, Room
from bot.services.requests.access import Names, access_of
from bot.services.requests.audience import Notices, Told
from bot.services.requests.refusals import Refusals
from bot.services.requests.remind import first_round, next_round
from bot.services.requests.transitions import Transitions, With
from bot.services.surfaces import ASKED
from bot.services.text import lifetime_of

MOST_READ = 50
"""How many of a person's newest requests are looked at for open ones."""
SENT_ALREADY = "This request was already sent. Latchkey's messages to you show its status."


@dataclass(frozen=True, slots=True)
class Proposals:
    """Opens requests. The policy decides, on roles that are read afresh."""

    transitions: Transitions
    directory: Directory
    notices: Notices
    refusals: Refusals
    cloud: Cloud
    names: Names

    async def propose(self, ask: Ask, click: Click) -> Approved | Pending | None:
        """Open the request, and return it; None when the same click opened it before.

        Raises `Refused` when the policy forbids it, or when nobody could approve it, or when its requester has as many
        open requests as they may have; `Occupied` when one of these is for the same.
        """
        policy = self.directory.policy()
        used = policy.digest
        held_roles, target = await self.directory.held_roles(ask.requester), Target.of(ask)
        verdict = decide(policy, ask, await self.directory.asking(held_roles, ask.operation, target))
        if isinstance(verdict, Forbidden):
            await self.cloud.must_see_all()  # else roles may only not be shown to us
            details = {"reason": verdict.reason, "rule": verdict.rule, "policy": used}
            await self.refusals.record(Action.REFUSED, ask.id, click, same=ask.likeness(), **details)
            raise Refused(f"{forbidden(verdict)} Nothing was sent.")
        request = await self._opened(ask, verdict, used, click)
        said = {**summary(ask), "rule": request.terms.rule, "policy": used, "missing": str(missing(verdict))}
        event = self.transitions.event(Action.SUBMITTED, ask.id, click.by, **said)
        most = self.directory.policy().open_requests
        try:
            await self.transitions.commit(None, request, event, extra=With(room=Room(most, click.anyway)))
        except Conflict:
            return None
        except Occupied as error:
            if error.is_alike:
                raise
            many = too_many(len(error.requests), most)
            details = {"reason": many, "rule": request.terms.rule, "policy": used}
            await self.refusals.record(Action.REFUSED, ask.id, click, same=ask.likeness(), **details)
            raise Refused(many) from None
        return request

    async def _enough(self, directory: Directory, ask: Ask, verdict: NeedsApproval) -> Sequence[Candidate] | None:
        """The people who could approve, as `Notices.able` has them. Raises `Refused` if they are too few."""
        able = await self.notices.able(ask, fresh=directory.is_afresh)
        if able is not None:
            enough(able, verdict)
        return able

    async def _opened(
        self, ask: Ask, verdict: Allowed | NeedsApproval, policy: str, click: Click
    ) -> Pending | Approved:
        terms = verdict.terms
        if isinstance(verdict, Allowed):
            told_of = await self.notices.owners_of(ask, terms)
            approved = Approved.first(ask, terms, (), self.transitions.clock())
            return replace(approved, grant=replace(approved.grant, told=told_of))
        able = await self.directory.before_no(click.by, lambda directory: self._enough(directory, ask, verdict))
        told, access = await asyncio.gather(self._told(ask, terms, able), access_of(self.cloud, ask, self.names))
        rounds = first_round(terms, is_told=able is not None)
        now = self.transitions.clock()
        return Pending(
            ask,
            terms,
            approvals=(),
            expires_at=now + terms.pending,
            told=tuple(f"{each}:0" for each in told.messaged),
            rounds=rounds,
            next_round=next_round(terms, now, rounds),
            policy=policy,
            mentioned=told.mentioned,
            access=access,
        )

    async def _told(self, ask: Ask, terms: Terms, able: Sequence[Candidate] | None) -> Told:
        return Told() if able is None else await self.notices.of(ask, terms, able)


@dataclass(frozen=True, slots=True)
class Forms:
    """The form to ask for a new key, from page to page until its request is sent."""

    transitions: Transitions
    directory: Directory
    validator: Validator
    candidates: Candidates
    proposals: Proposals
    cloud: Cloud
    drafts: Drafts
    refusals: Refusals
    posts: Posts
    requests: Requests

    async def check(self, deed: Check, click: Click) -> ReviewPage | FormPage:
        """The review page of a form, which is kept; or the form again, with what is wrong under each field.

        Raises `Refused` when the policy forbids it, nobody could approve it, or Confluent has no room for it.
        """
        await self.drafts.put(click.id, click.by, deed.draft)
        return await self.directory.before_no(click.by, lambda directory: self._checked(directory, deed.draft, click))

    async def _checked(self, directory: Directory, draft: Draft, click: Click) -> ReviewPage | FormPage:
        person = await directory.identify(click.by, click.team, shown=True)
        held_roles = await directory.glance(person)
        target = await self.validator.check(draft, held_roles)
        if isinstance(target, FormPage):
            return target
        held_roles = await directory.asking(held_roles, Operation.CREATE, target, shown=True)
        ask = self._ask(RequestId(click.id), draft, target, held_roles, directory.policy())
        verdict = decide(directory.policy(), ask, held_roles)
        if isinstance(verdict, Forbidden):
            raise Refused(f"{forbidden(verdict)} Nothing was sent.")
        not_alone = why_not_alone(directory.policy(), ask, held_roles, verdict)
        if not_alone and not directory.is_afresh:
            raise Refused(not_alone)  # looks once more: a role that was granted a moment ago may be enough
        ask = usual(ask, verdict.terms)
        if problem := lifetime_problem(ask, verdict.terms):
            return await self.validator.form(draft, {"lifetime": problem})
        is_afresh, needs = directory.is_afresh, isinstance(verdict, NeedsApproval)
        candidates = await self.candidates.of(target, person, fresh=is_afresh) if needs else ()
        enough(candidates, verdict)
        alike = await self._open_alike(ask)
        room = await must_have_room(self.cloud, ask)
        warnings = (*warnings_about(held_roles, target, verdict), *filter(None, [not_alone, room.unchecked]))
        approvers = rights(candidates, ask.id)
        lasts = lifetime(ask, verdict.terms)
        page = ReviewPage(click.id, draft, target.owner, target.resource, verdict.terms, approvers, warnings)
        closes = await self._reaches(person)
        return replace(page, lifetime=lasts, alike=alike, closes=closes, bindings=target.bindings)

    async def _open_alike(self, ask: Ask) -> Request | None:
        """An open request of the same person for the same. Raises `Refused` when they have no room for another one.

        What is opened until this one is sent, `propose` sees.
        """
        mine = await self.requests.of_requester(ask.requester.slack, MOST_READ)
        open_ = [each.value for each in mine if isinstance(each.value, Open) and each.value.ask.beside is None]
        most = self.directory.policy().open_requests
        if len(open_) >= most:
            raise Refused(too_many(len(open_), most))
        return next((each for each in open_ if each.ask.likeness() == ask.likeness()), None)

    async def _reaches(self, person: Person) -> bool:
        """Whether a message about the last request reached this person, so that one about the next one will."""
        for last in await self.requests.of_requester(person.slack, 2):
            if last.value.ask.beside is None:
                posts = await self.posts.get(last.value.ask.id)
                return any(post.surface == ASKED and not post.broken for post in posts)
        return False

    async def back(self, deed: Back, click: Click) -> FormPage:
        """The form again, as it was typed."""
        return await self.validator.form(await self._draft(deed.draft, click))

    async def send(self, deed: Send, click: Click) -> str | FormPage | None:
        """Send a reviewed form for approval; the form again, when what it names is gone or taken meanwhile.

        Where the modal is closed, a message tells that it was sent, and nothing else is said. Sending the same draft
        twice makes one request. Raises `Refused` as `check` does.
        """
        draft_id, draft = deed.draft, await self._draft(deed.draft, click)
        person = await self.directory.identify(click.by, click.team)
        held_roles = await self.directory.glance(person)
        target = await self.validator.check(draft, held_roles)
        if isinstance(target, FormPage):
            return target
        policy = self.directory.policy()
        held_roles = await self.directory.asking(held_roles, Operation.CREATE, target, shown=True)
        ask = self._ask(RequestId(draft_id), draft, target, held_roles, policy)
        rule = policy.rule(ask.operation, target, held_roles)
        if rule:
            ask = usual(ask, rule.terms(policy.table))
            if problem := lifetime_problem(ask, rule.terms(policy.table)):
                return await self.validator.form(draft, {"lifetime": problem})
        try:
            await must_have_room(self.cloud, ask)
        except Refused as error:
            used = {"rule": rule.name if rule else "-", "policy": policy.digest}
            await self.refusals.record(Action.REFUSED, ask.id, click, same=ask.likeness(), reason=error.tell, **used)
            raise
        request = await self.proposals.propose(ask, click)
        if click.reply.view is None:
            return None
        if request is None:
            return SENT_ALREADY
        if isinstance(request, Approved):
            return f"No approval needed. {follows(ask, request.terms, 'you')}"
        return "Request sent. Latchkey will message you when it's approved or denied."

    def _ask(self, request: RequestId, draft: Draft, target: Target, requester: HeldRoles, policy: Policy) -> Ask:
        rule = policy.rule(Operation.CREATE, target, requester)
        return Ask(
            id=request,
            requester=requester.person,
            operation=Operation.CREATE,
            owner=target.owner,
            resource=target.resource,
            name=draft.name.strip(),
            description=draft.description.strip(),
            reason=draft.reason,
            asked_at=self.transitions.clock(),
            lifetime=lifetime_of(draft.lifetime),
            bindings=target.bindings,
            ticket=draft.ticket.strip() if rule and rule.ticket else "",
        )

    async def _draft(self, draft_id: str, click: Click) -> Draft:
        draft = await self.drafts.get(draft_id, click.by)
        if draft is None:
            raise NotFound("This form has expired. Nothing was sent. Start again with `/apikey create`.")
        return draft


def usual(ask: Ask, terms: Terms) -> Ask:
    """The ask as long as its rule allows, where that is less than the lifetime that the form chose by itself."""
    is_usual = ask.lifetime == lifetime_of(USUAL)
    return replace(ask, lifetime=None) if is_usual and lifetime_problem(ask, terms) else ask


def summary(ask: Ask) -> dict[str, str]:
    """What was asked, for the audit log."""
    said: dict[str, str] = {
        "operation": ask.operation,
        "requester": ask.requester.slack,
        "principal": ask.requester.principal,
        "owner": ask.owner.id or ask.owner.kind,
        "kind": ask.resource.kind,
        "resource": ask.resource.id,
        "name": ask.name,
        "description": ask.description,
        "reason": ask.reason,
        "digest": ask.digest(),
    }
    if ask.resource.environment:
        said["environment"] = ask.resource.environment
    if ask.key is not None:
        said["key"] = ask.key.id
    if ask.ticket:
        said["ticket"] = ask.ticket
    if ask.lifetime is not None:
        said["lifetime"] = str(ask.lifetime)
    if ask.bindings:
        said["access"] = "; ".join(f"{each.role} {each.scope}" for each in ask.bindings)
    if ask.also is not None:
        said["also"] = ask.also.id
    if ask.leaked:
        said["leaked"] = "yes"
    return said


def too_many(number: int, most: int) -> str:
    """The sentence for who has as many open requests as one person may."""
    return (
        f"You have {number} open request{'' if number == 1 else 's'}, and the policy allows {most}. Nothing was sent. "
        "Wait until one is decided, or cancel one: `/apikey requests` lists them."
    )


def enough(candidates: Sequence[Candidate], verdict: Verdict) -> None:
    """Raises `Refused` when too few people could approve: better now than after a day of waiting."""
    if not isinstance(verdict, NeedsApproval) or (who := too_few(candidates, verdict)) is None:
        return
    raise Refused(
        f"Nothing was sent, because {who}. Ask an OrganizationAdmin to give someone a role on this resource, "
        f"or choose another account or resource. (Policy rule: {plain(verdict.terms.rule)}.)"
    )


def too_few(candidates: Sequence[Candidate], verdict: NeedsApproval) -> str | None:
    """Why so few people cannot give what is missing; None when they can."""
    able = len({each.principal for each in candidates})
    if able >= verdict.missing:
        return None
    return "no one else can approve it" if able == 0 else f"only {able} of the {verdict.missing} needed could approve"


def forbidden(verdict: Forbidden) -> str:
    """Why not, in mrkdwn: both parts were written by people."""
    return f"{plain(verdict.reason)} (rule: {plain(verdict.rule)})"


def follows(ask: Ask, terms: Terms, who: str) -> str:
    """What comes after the last approval; `who` is the requester."""
    if not ask.makes_key:
        doing = {Operation.EDIT: "updating", Operation.DELETE: "deleting"}.get(ask.operation, "extending")
        return f"Latchkey is {doing} the key and will tell {who} when it's done."
    if terms.mint == "on_claim":
        return f"The key is created when {who} {'select' if who == 'you' else 'selects'} `Show secret`."
    return f"Latchkey is creating the key and will tell {who} when it's ready."


def draft_again(ask: Ask, offers: Sequence[Offer], *, other_account: bool) -> Draft:
    """The form as it was filled in for this ask; with `other_account`, on a service account that is still to choose.

    `offers` is the access that can be requested now.
    """
    owner = {"user": "me", "new-service-account": "new"}.get(ask.owner.kind, ask.owner.id)
    made = ask.owner if isinstance(ask.owner, NewServiceAccount) else NewServiceAccount("", "")
    resource, lifetime = ask.resource, ask.lifetime
    return Draft(
        owner=ANY_ACCOUNT if other_account else owner,
        environment=resource.environment,
        cluster="" if isinstance(resource, OrganizationScope) else resource.id,
        name=ask.name,
        description=ask.description,
        reason=ask.reason,
        kind=resource.kind,
        cloud=resource.id.partition(".")[0] if resource.kind.row.is_regional else "",
        account_name=made.name,
        account_description=made.description,
        lifetime=str(lifetime.days) if lifetime else "",
        access=wishes(ask.bindings, offers, resource),
        ticket=ask.ticket,
    )


ANY_ACCOUNT = "service-account"
"""Stands in a draft's `owner` for a service account that is not chosen yet."""
