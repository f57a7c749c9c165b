"""From a filled-in form to a request in the store: allowed at once, waiting for approval, or refused."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.access import Offer
from bot.domain.approvals import LONGEST_GLASS, Terms
from bot.domain.audit import Action, Event
from bot.domain.authority import HeldRoles, Target
from bot.domain.conditions import in_words, most
from bot.domain.deadlines import glass_of, lifetime
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide, missing, why_not_alone
from bot.domain.errors import Conflict, NotFound, Occupied, Refused, Tampered, Unavailable, Unreviewed, plain
from bot.domain.keys import NewServiceAccount, Operation, OrganizationScope, Person, RequestId
from bot.domain.policy import Policy, Rule
from bot.domain.requests import Approved, Ask, Open, Pending, Request
from bot.services.browse.rights import rights
from bot.services.catalog.quota import must_have_room
from bot.services.commands import Back, Check, Click, Draft, Glass, Send, UseGlass
from bot.services.form.access import wishes
from bot.services.form.fill import USUAL
from bot.services.form.validate import Validator, is_blank, lifetime_problem, warnings_about
from bot.services.pages import FormPage, GlassPage, ReviewPage, TextPage
from bot.services.people.candidates import Candidate, Candidates
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Drafts, Posts, Requests, Room
from bot.services.requests.access import Names, access_of
from bot.services.requests.audience import Notices, Told
from bot.services.requests.deciders import called
from bot.services.requests.glass import begun
from bot.services.requests.refusals import Refusals
from bot.services.requests.remind import first_round, next_round
from bot.services.requests.transitions import Transitions, With, summary
from bot.services.surfaces import ASKED
from bot.services.text import lifetime_of, when

MOST_READ = 50
"""How many of a person's newest requests are checked for open ones."""
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

    async def propose(self, ask: Ask, click: Click, why: str = "") -> Approved | Pending | None:
        """Open the request, and return it; None if the same click opened it before.

        For a use of break-glass, `why` is why it can't wait. The number of open requests doesn't limit that.

        Raises `Refused` if the policy forbids it, too few people could approve it, or its requester has as many open
        requests as the policy allows, or a use of break-glass that isn't reviewed yet. Raises `Occupied` if they have
        an open request for the same.
        """
        policy = self.directory.policy()
        used = policy.digest
        held_roles, target = await self.directory.held_roles(ask.requester), Target.of(ask)
        asker = await self.directory.asking(held_roles, ask.operation, target, break_glass=ask.break_glass)
        verdict = decide(policy, ask, asker)
        if isinstance(verdict, Forbidden):
            await self.cloud.must_see_all()  # otherwise, Confluent may only be hiding roles from us
            details = {"reason": verdict.reason, "rule": verdict.rule, "policy": used}
            await self.refusals.record(Action.REFUSED, ask.id, click, same=ask.likeness(), **details)
            raise Refused(f"{forbidden(verdict)} Nothing was sent.")
        if ask.break_glass:
            rule = policy.rule(ask.operation, target, asker)
            request: Approved | Pending = await self._used(ask, rule, verdict.terms, click, why)
        else:
            request = await self._opened(ask, verdict, used, click)
        said = {**summary(ask), "rule": request.terms.rule, "policy": used, "missing": str(missing(verdict))}
        events = [self.transitions.event(Action.SUBMITTED, ask.id, click.by, **said), *self._use_of(request)]
        most = self.directory.policy().open_requests
        room = With(durable=True) if ask.break_glass else With(room=Room(most, click.anyway))
        try:
            await self.transitions.commit(None, request, *events, extra=room)
        except Conflict:
            return None
        except Unreviewed as error:
            reason = await self._unreviewed(error)
            details = {"reason": reason, "rule": request.terms.rule, "policy": used}
            await self.refusals.record(Action.REFUSED, ask.id, click, same=ask.likeness(), **details)
            raise Refused(reason) from None
        except Occupied as error:
            if error.is_alike:
                raise
            many = too_many(len(error.requests), most)
            details = {"reason": many, "rule": request.terms.rule, "policy": used}
            await self.refusals.record(Action.REFUSED, ask.id, click, same=ask.likeness(), **details)
            raise Refused(many) from None
        return request

    async def _enough(self, directory: Directory, ask: Ask, verdict: NeedsApproval) -> Sequence[Candidate] | None:
        """The people who could approve, as `Notices.able` returns them. Raises `Refused` if there are too few."""
        able = await self.notices.able(ask, verdict.terms, fresh=directory.is_afresh)
        if able is not None:
            enough(able, verdict)
        return able

    async def _used(self, ask: Ask, rule: Rule | None, terms: Terms, click: Click, why: str) -> Approved:
        """A use of break-glass. Raises `Refused` if no one could review it."""
        if rule is None or rule.break_glass is None:
            raise AssertionError("the rule that allowed it has break-glass")
        one = NeedsApproval(terms, 1)
        await self.directory.before_no(click.by, lambda directory: self._enough(directory, ask, one))
        return begun(ask, terms, rule.break_glass, why, self.transitions.clock())

    def _use_of(self, request: Request) -> Sequence[Event]:
        """The audit event of a use of break-glass, for the same write."""
        glass, ask = glass_of(request), request.ask
        if glass is None:
            return ()
        details = {"principal": ask.requester.principal, "rule": request.terms.rule, "why": glass.why}
        ends = {"ends_at": glass.ends_at.isoformat(), "review_by": glass.review_by.isoformat()}
        return (self.transitions.event(Action.GLASS_USED, ask.id, ask.requester.slack, **details, **ends),)

    async def _unreviewed(self, error: Unreviewed) -> str:
        """Why there is no second use, with the name of the first one."""
        with suppress(Tampered):
            if first := await self.transitions.find(error.request):
                return f"{unreviewed(first.value)} Nothing was created."
        return f"{error.happened} {error.changed}"

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
    """The form for a new key, from page to page until its request is sent."""

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

    async def check(self, deed: Check, click: Click) -> ReviewPage | FormPage | TextPage:
        """The review page of a form, which is kept; or the form again, with what is wrong under each field.

        Raises `Refused` if the policy forbids it, too few people could approve it, its requester has too many open
        requests, or Confluent has no room for it. If break-glass is possible instead, returns a page that says both.
        """
        await self.drafts.put(click.id, click.by, deed.draft)
        return await self.directory.before_no(click.by, lambda directory: self._checked(directory, deed.draft, click))

    async def _checked(self, directory: Directory, draft: Draft, click: Click) -> ReviewPage | FormPage | TextPage:
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
            raise Refused(not_alone)  # `before_no` reads again: a role granted a moment ago may be enough
        ask = usual(ask, verdict.terms)
        if problem := lifetime_problem(ask, verdict.terms):
            return await self.validator.form(draft, {"lifetime": problem})
        is_afresh, needs = directory.is_afresh, isinstance(verdict, NeedsApproval)
        candidates = await self.candidates.of(target, person, verdict.terms.approvers, fresh=is_afresh) if needs else ()
        try:
            enough(candidates, verdict)
            alike = await self._open_alike(ask)
        except Refused as error:
            return await self._or_glass(error, directory, ask, target, held_roles, candidates)
        room = await must_have_room(self.cloud, ask)
        warnings = (*warnings_about(held_roles, target, verdict), *filter(None, [not_alone, room.unchecked]))
        approvers = rights(candidates, ask.id)
        lasts = lifetime(ask, verdict.terms)
        page = ReviewPage(click.id, draft, target.owner, target.resource, verdict.terms, approvers, warnings)
        closes = await self._reaches(person)
        glass = await self._glass_offered(directory, ask, target, held_roles) if needs else None
        page = replace(page, bindings=target.bindings, also=target.also)
        return replace(page, lifetime=lasts, alike=alike, closes=closes, break_glass=glass)

    async def _glass_offered(
        self, directory: Directory, ask: Ask, target: Target, held_roles: HeldRoles
    ) -> timedelta | str | None:
        """The `break_glass` of a page: the longest lifetime, or why this person can't use it yet.

        None if the policy doesn't allow it, or if Slack doesn't say who is in a group.
        """
        with suppress(Unavailable):
            asker = await directory.asking(held_roles, Operation.CREATE, target, shown=True, break_glass=True)
            verdict = decide(directory.policy(), with_glass(ask), asker)
            if isinstance(verdict, Allowed):
                return await self._last_use(asker.person) or verdict.terms.lifetime
        return None

    async def _last_use(self, person: Person) -> str:
        """Why this person can't use break-glass again yet; "" if they can."""
        mine = await self.requests.of_requester(person.slack, MOST_READ)
        uses = (each.value for each in mine if (use := glass_of(each.value)) and use.review is None)
        return next(map(unreviewed, uses), "")

    async def _or_glass(
        self,
        error: Refused,
        directory: Directory,
        ask: Ask,
        target: Target,
        held_roles: HeldRoles,
        reviewers: Sequence[Candidate],
    ) -> TextPage:
        """Why a form can't be sent for approval, and the offer to use break-glass. Raises `error` if that isn't one."""
        is_way = directory.is_afresh and reviewers
        glass = await self._glass_offered(directory, ask, target, held_roles) if is_way else None
        if glass is None:
            raise error
        await self.cloud.must_see_all()  # otherwise, Confluent may only be hiding roles from us
        await must_have_room(self.cloud, ask)
        return TextPage("Couldn't do that", error.tell, back=ask.id, break_glass=glass)

    async def _open_alike(self, ask: Ask) -> Request | None:
        """An open request of the same person for the same. Raises `Refused` if they can't open another one.

        `propose` checks again, because they may open one before this one is sent.
        """
        mine = await self.requests.of_requester(ask.requester.slack, MOST_READ)
        open_ = [each.value for each in mine if isinstance(each.value, Open) and each.value.ask.beside is None]
        most = self.directory.policy().open_requests
        if len(open_) >= most:
            raise Refused(too_many(len(open_), most))
        return next((each for each in open_ if each.ask.likeness() == ask.likeness()), None)

    async def _reaches(self, person: Person) -> bool:
        """Whether a message about this person's last request reached them, so that the next one will, too."""
        for last in await self.requests.of_requester(person.slack, 2):
            if last.value.ask.beside is None:
                posts = await self.posts.get(last.value.ask.id)
                return any(post.surface == ASKED and not post.broken for post in posts)
        return False

    async def glass(self, deed: Glass, click: Click) -> GlassPage | FormPage:
        """The page that says what using break-glass for a reviewed form means. Raises `Refused` as `use_glass` does."""
        draft = await self._draft(deed.draft, click)
        return await self.directory.before_no(click.by, lambda directory: self._glass(directory, deed, draft, click))

    async def _glass(self, directory: Directory, deed: Glass, draft: Draft, click: Click) -> GlassPage | FormPage:
        person = await directory.identify(click.by, click.team, shown=True)
        held_roles = await directory.glance(person)
        target = await self.validator.check(draft, held_roles)
        if isinstance(target, FormPage):
            return target
        asker = await directory.asking(held_roles, Operation.CREATE, target, shown=True, break_glass=True)
        policy = directory.policy()
        verdict = decide(policy, with_glass(self._ask(RequestId(deed.draft), draft, target, asker, policy)), asker)
        if isinstance(verdict, Forbidden):
            raise Refused(f"{forbidden(verdict)} Nothing was sent.")
        if waits := await self._last_use(person):
            raise Refused(f"{waits} Nothing was created.")
        people = await self.candidates.of(target, person, verdict.terms.approvers, fresh=directory.is_afresh)
        enough(people, NeedsApproval(verdict.terms, 1))
        lasts = verdict.terms.lifetime or LONGEST_GLASS
        told = sum(1 for each in people if each.slack)
        return GlassPage(deed.draft, draft, target.owner, target.resource, verdict.terms, lasts, told, len(people))

    async def use_glass(self, deed: UseGlass, click: Click) -> str | FormPage | None:
        """Use break-glass for a reviewed form: the key is created at once. Sent twice, the same draft is one use.

        Raises `Refused` if the policy doesn't allow this person, if no one could review it, and while their last use
        waits for its review.
        """
        if is_blank(deed.why):
            raise Refused("Enter a reason. Nothing was sent.")
        return await self._sent(deed.draft, click, deed.why)

    async def back(self, deed: Back, click: Click) -> FormPage:
        """The form again, as it was typed."""
        return await self.validator.form(await self._draft(deed.draft, click))

    async def send(self, deed: Send, click: Click) -> str | FormPage | None:
        """Send a reviewed form for approval; or return the form if what it names is gone or taken.

        If the modal closes, a message says that it was sent, and None is returned. Sending the same draft twice makes
        one request. Raises `Refused` as `check` does.
        """
        return await self._sent(deed.draft, click)

    async def _sent(self, draft_id: str, click: Click, why: str = "") -> str | FormPage | None:
        """Send a form; with `why`, by break-glass."""
        draft = await self._draft(draft_id, click)
        person = await self.directory.identify(click.by, click.team)
        held_roles = await self.directory.glance(person)
        target = await self.validator.check(draft, held_roles)
        if isinstance(target, FormPage):
            return target
        policy = self.directory.policy()
        held_roles = await self.directory.asking(held_roles, Operation.CREATE, target, shown=True)
        ask = self._ask(RequestId(draft_id), draft, target, held_roles, policy)
        terms = policy.terms(ask.operation, target, held_roles)
        if why:
            ask = with_glass(ask)
        elif terms:
            ask = usual(ask, terms)
            if problem := lifetime_problem(ask, terms):
                return await self.validator.form(draft, {"lifetime": problem})
        try:
            await must_have_room(self.cloud, ask)
        except Refused as error:
            used = {"rule": terms.rule if terms else "-", "policy": policy.digest}
            await self.refusals.record(Action.REFUSED, ask.id, click, same=ask.likeness(), reason=error.tell, **used)
            raise
        request = await self.proposals.propose(ask, click, why)
        if click.reply.view is None:
            return None
        if request is None:
            return SENT_ALREADY
        if glass := glass_of(request):
            ends = f"The key expires {when(glass.ends_at)}."
            return f"{follows(ask, request.terms, 'you')} {ends} Latchkey is notifying the approvers."
        if isinstance(request, Approved):
            return f"No approval needed. {follows(ask, request.terms, 'you')}"
        return "Request sent. Latchkey will message you when it's approved or denied."

    def _ask(self, request: RequestId, draft: Draft, target: Target, requester: HeldRoles, policy: Policy) -> Ask:
        terms = policy.terms(Operation.CREATE, target, requester)
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
            ticket=draft.ticket.strip() if terms and terms.ticket else "",
            also=target.also,
        )

    async def _draft(self, draft_id: str, click: Click) -> Draft:
        draft = await self.drafts.get(draft_id, click.by)
        if draft is None:
            raise NotFound("This form has expired. Nothing was sent. Start again with `/apikey create`.")
        return draft


def usual(ask: Ask, terms: Terms) -> Ask:
    """The ask for as long as its rule allows, if that is less than the lifetime that the form preselected."""
    is_usual = ask.lifetime == lifetime_of(USUAL)
    return replace(ask, lifetime=None) if is_usual and lifetime_problem(ask, terms) else ask


def with_glass(ask: Ask) -> Ask:
    """The same ask by break-glass: its key lasts as long as that allows."""
    return replace(ask, break_glass=True, lifetime=None)


def unreviewed(first: Request) -> str:
    """The sentence for a person who has used break-glass and waits for the review."""
    return (
        f"Your last use of break-glass, for {called(first)}, hasn't been reviewed yet, so you can't use it again. "
        "Ask an approver to review it on its card."
    )


def too_many(number: int, most: int) -> str:
    """The sentence for a person who has as many open requests as allowed."""
    return (
        f"You have {number} open request{'' if number == 1 else 's'}, and the policy allows {most}. Nothing was sent. "
        "Wait until one is decided, or cancel one: `/apikey requests` lists them."
    )


def enough(candidates: Sequence[Candidate], verdict: Verdict) -> None:
    """Raise `Refused` if too few people could approve: better now than after a day of waiting."""
    if not isinstance(verdict, NeedsApproval) or (who := too_few(candidates, verdict)) is None:
        return
    raise Refused(
        f"Nothing was sent, because {who}. Ask an OrganizationAdmin to give someone a role on this resource, "
        f"or choose another account or resource. (Policy rule: {plain(verdict.terms.rule)}.)"
    )


def too_few(candidates: Sequence[Candidate], verdict: NeedsApproval) -> str | None:
    """Why these people can't give the missing approvals, as the start of a sentence; None if they can."""
    conditions, people = verdict.terms.approvers, {each.principal: each.member for each in candidates}
    able = most(conditions, tuple(people.values()))
    if able >= verdict.missing:
        return None
    who = "no one else can approve it" if able == 0 else f"only {able} of the {verdict.missing} needed could approve"
    return f"{who}. {' '.join(map(plain, in_words(conditions)))}".removesuffix(".").strip() if conditions else who


def forbidden(verdict: Forbidden) -> str:
    """The reason and its rule, escaped for mrkdwn, because people wrote both."""
    return f"{plain(verdict.reason)} (rule: {plain(verdict.rule)})"


def follows(ask: Ask, terms: Terms, who: str) -> str:
    """What comes after the last approval. `who` is the requester."""
    if not ask.makes_key:
        doing = {Operation.EDIT: "updating", Operation.DELETE: "deleting"}.get(ask.operation, "extending")
        return f"Latchkey is {doing} the key and will message {who} when it's done."
    if terms.mint == "on_claim":
        return f"The key is created when {who} {'select' if who == 'you' else 'selects'} `Show secret`."
    if ask.also:
        return f"Latchkey is creating both keys and will message {who} when they're ready."
    return f"Latchkey is creating the key and will message {who} when it's ready."


def draft_again(ask: Ask, offers: Sequence[Offer], *, other_account: bool) -> Draft:
    """The form as it was filled in for this ask; with `other_account`, for a service account that is still to choose.

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
        access=wishes(ask.bindings, offers, *Target.of(ask).resources),
        ticket=ask.ticket,
        also=ask.also.id if ask.also else "",
    )


ANY_ACCOUNT = "service-account"
"""The `owner` of a draft for a service account that isn't chosen yet."""
