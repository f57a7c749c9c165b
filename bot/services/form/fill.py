"""The form as it's filled in, with what the catalog and the policy know about the choices so far. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from bot.domain.approvals import Ticket
from bot.domain.authority import Target
from bot.domain.catalog import Catalog, Environment, called
from bot.domain.keys import MyAccount, NewServiceAccount, Operation, Owner, Principal, Resource, ServiceAccount, unnamed
from bot.domain.kinds import Kind
from bot.domain.policy import EnvironmentNames, Policy, Rule
from bot.services.catalog.index import NOTHING, cloud_of, clouds, placed, region_called, regions
from bot.services.commands import Draft
from bot.services.form.access import offered as access_offered
from bot.services.pages import FormPage

ME, EXISTING, NEW = "me", "service-account", "new"
"""The kinds of account that the form offers. A chosen existing account is known by its id."""
USUAL = "90"
"""Days that a key lasts if nobody chose: if a rule allows it, else as long as that allows."""
BLANK = Draft(lifetime=USUAL)
"""The form before anything is chosen."""


def kind_of(draft: Draft) -> Kind:
    """The kind of key that is requested."""
    return Kind.called(draft.kind) or Kind.KAFKA


def owner_kind(draft: Draft) -> str:
    """`ME`, `EXISTING` or `NEW`; "" while nothing is chosen."""
    return draft.owner if draft.owner in {"", ME, NEW} else EXISTING


def is_own(draft: Draft) -> bool:
    """Whether the key isn't for a service account, as far as one can tell."""
    return owner_kind(draft) in {"", ME}


def used(draft: Draft) -> Draft:
    """The draft without the texts of a new account if none is created: nothing has checked them."""
    return draft if draft.owner == NEW else replace(draft, account_name="", account_description="")


def form(
    draft: Draft, catalog: Catalog | None, policy: Policy, problems: Mapping[str, str] | None = None, own: str = ""
) -> FormPage:
    """The form as it was filled in, with names for the choices; what the catalog doesn't know has its id for a name.

    A resource or an account with a problem is taken out, to be chosen again. `own` is Latchkey's own account, which is
    never the only choice; "" if unknown.
    """
    problems, known = problems or {}, catalog or NOTHING
    draft = _settled(draft, known, policy, problems, own)
    companion = _companion(draft, catalog)
    draft = replace(draft, also=draft.also if companion and draft.also == companion.id else "")
    environment = _environment(draft, known)
    chosen = _resource(draft, known, environment)
    account = _account(draft, known)
    names = called(known.environments)
    rules = _rules(draft, chosen, account, policy, names)
    more = _rules(draft, companion, account, policy, names) if companion and draft.also else ()
    kinds = (kind_of(draft), *([companion.kind] if companion and draft.also else []))
    offered, used = clouds(known, draft.environment)
    if draft.cloud and draft.cloud not in offered:
        offered = (*offered, draft.cloud)
    return FormPage(
        draft,
        problems,
        environment,
        chosen if draft.cluster and "resource" not in problems else None,
        account if account.id and "owner" not in problems else None,
        own_account=policy.user_keys,
        region=region_called(known, draft.cluster) if kind_of(draft).row.is_regional and draft.cluster else None,
        clouds=offered,
        used_clouds=used,
        offered=_number(draft, known) if catalog else None,
        limit=min(filter(None, [_limit(rules), _limit(more) if more else None]), default=None),
        ticket=_ticket(rules) or _ticket(more),
        offers=access_offered(policy.offers, *kinds, is_own=is_own(draft)),
        companion=companion,
    )


def _settled(draft: Draft, catalog: Catalog, policy: Policy, problems: Mapping[str, str], own: str) -> Draft:
    """The draft with everything that follows from the rest of it, and with choices that are the only one."""
    kind = kind_of(draft)
    if not draft.environment and not kind.row.is_wide and "environment" not in problems:
        draft = replace(draft, environment=_only(each.id for each in catalog.environments))
    if draft.owner == EXISTING or (not policy.user_keys and draft.owner in {"", ME}):
        others = (each.id for each in catalog.service_accounts if own and each.id != own)
        only = _only(others) if "owner" not in problems else ""
        draft = replace(draft, owner=draft.account or only or EXISTING)
    if draft.owner not in {"", ME, NEW, EXISTING}:
        draft = replace(draft, account=draft.owner)
    if kind.row.is_regional and not draft.cloud:
        draft = replace(draft, cloud=cloud_of(draft.cluster))
    if kind.row.is_only_one and not draft.cluster and "resource" not in problems:
        draft = replace(draft, cluster=_only(each.id for each in placed(catalog, kind, draft.environment)))
    return replace(draft, kind=kind)


def _only(found: Iterable[str]) -> str:
    """The only one; "" if there are others, or none."""
    first = list(islice(found, 2))
    return first[0] if len(first) == 1 else ""


def _environment(draft: Draft, catalog: Catalog) -> Environment | None:
    found = (each for each in catalog.environments if each.id == draft.environment)
    return next(found, Environment(draft.environment, draft.environment)) if draft.environment else None


def _account(draft: Draft, catalog: Catalog) -> ServiceAccount:
    """The chosen service account; without an id if none is chosen."""
    found = (each for each in catalog.service_accounts if each.id == draft.account)
    return next(found, ServiceAccount(Principal(draft.account), draft.account))


def _resource(draft: Draft, catalog: Catalog, environment: Environment | None) -> Resource:
    """The chosen resource; without an id if none is chosen."""
    kind, id_ = kind_of(draft), draft.cluster
    place = (environment.id, environment.name) if environment else ("", "")
    found = next((each for each in placed(catalog, kind, place[0]) if each.id == id_), None)
    return found or unnamed(kind, id_, *place)


def _companion(draft: Draft, catalog: Catalog | None) -> Resource | None:
    """What a second key could be for: the only resource of the kind that goes with the chosen one, in its place."""
    kind = Kind.called(kind_of(draft).row.companion)
    if kind is None or not draft.environment:
        return None
    if catalog is None:
        return unnamed(kind, draft.also, draft.environment, "") if draft.also else None
    found = list(islice(placed(catalog, kind, draft.environment), 2))
    return found[0] if len(found) == 1 else None


def _number(draft: Draft, catalog: Catalog) -> int | None:
    """How many resources can be chosen; None before the place is."""
    kind = kind_of(draft)
    if not draft.environment or (kind.row.is_regional and not draft.cloud):
        return None
    if kind.row.is_regional:
        return sum(map(len, regions(catalog, draft.environment, draft.cloud)))
    return sum(1 for _ in placed(catalog, kind, draft.environment))


def _rules(
    draft: Draft, resource: Resource, account: ServiceAccount, policy: Policy, names: EnvironmentNames
) -> Sequence[Rule]:
    """The rules that may decide about what is chosen so far: who asks is looked at once the form is filled in."""
    owners: dict[str, Owner] = {ME: MyAccount(Principal("")), NEW: NewServiceAccount("", "")}
    target = Target(owners.get(draft.owner, account), resource)
    return tuple(policy.depending(Operation.CREATE, target, names, is_sketch=True))


def _limit(rules: Sequence[Rule]) -> timedelta | None:
    """The longest lifetime that any of them allows; None is no limit."""
    limits = [rule.lifetime for rule in rules if not rule.forbid]
    return None if None in limits else max((each for each in limits if each), default=None)


def _ticket(rules: Sequence[Rule]) -> Ticket | None:
    """What the first of them that asks for a ticket says of it, as required only where it is by all of them."""
    tickets = [rule.ticket for rule in rules if not rule.forbid]
    first = next((each for each in tickets if each), None)
    return first and replace(first, required=all(each and each.required for each in tickets))
