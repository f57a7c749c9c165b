"""The form as filled in so far, with what the catalog and the policy say about the choices. Pure functions."""

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
"""The kinds of account in the form. Once an existing account is chosen, its ID takes the place of `EXISTING`."""
USUAL = "90"
"""The default lifetime of a key in days. If the rule allows less, the most that it allows."""
BLANK = Draft(lifetime=USUAL)
"""The form before anything is chosen."""


def kind_of(draft: Draft) -> Kind:
    """The kind of key that is requested."""
    return Kind.called(draft.kind) or Kind.KAFKA


def owner_kind(draft: Draft) -> str:
    """`ME`, `EXISTING` or `NEW`; "" while nothing is chosen."""
    return draft.owner if draft.owner in {"", ME, NEW} else EXISTING


def is_own(draft: Draft) -> bool:
    """Whether the key is for the person's own account, or may still be."""
    return owner_kind(draft) in {"", ME}


def used(draft: Draft) -> Draft:
    """The draft without the texts for a new account, which nothing has checked, unless it creates one."""
    return draft if draft.owner == NEW else replace(draft, account_name="", account_description="")


def form(
    draft: Draft, catalog: Catalog | None, policy: Policy, problems: Mapping[str, str] | None = None, own: str = ""
) -> FormPage:
    """The form as filled in, with names for the choices. What the catalog doesn't know has its ID as its name.

    `problems` has an error text by field. A resource or account with a problem is removed, to be chosen again. `own` is
    the ID of Latchkey's own account, which is never selected as the only choice; "" if unknown.
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
    """The draft with everything that follows from the rest of it, and with every only choice selected."""
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
    """The only item; "" if there are more, or none."""
    first = list(islice(found, 2))
    return first[0] if len(first) == 1 else ""


def _environment(draft: Draft, catalog: Catalog) -> Environment | None:
    found = (each for each in catalog.environments if each.id == draft.environment)
    return next(found, Environment(draft.environment, draft.environment)) if draft.environment else None


def _account(draft: Draft, catalog: Catalog) -> ServiceAccount:
    """The chosen service account; with the ID "" if none is chosen."""
    found = (each for each in catalog.service_accounts if each.id == draft.account)
    return next(found, ServiceAccount(Principal(draft.account), draft.account))


def _resource(draft: Draft, catalog: Catalog, environment: Environment | None) -> Resource:
    """The chosen resource; with the ID "" if none is chosen."""
    kind, id_ = kind_of(draft), draft.cluster
    place = (environment.id, environment.name) if environment else ("", "")
    found = next((each for each in placed(catalog, kind, place[0]) if each.id == id_), None)
    return found or unnamed(kind, id_, *place)


def _companion(draft: Draft, catalog: Catalog | None) -> Resource | None:
    """What a second key could be for.

    The chosen environment's only resource of the kind that goes with the chosen one.
    """
    kind = Kind.called(kind_of(draft).row.companion)
    if kind is None or not draft.environment:
        return None
    if catalog is None:
        return unnamed(kind, draft.also, draft.environment, "") if draft.also else None
    found = list(islice(placed(catalog, kind, draft.environment), 2))
    return found[0] if len(found) == 1 else None


def _number(draft: Draft, catalog: Catalog) -> int | None:
    """How many resources there are to choose from; None until their environment, and cloud if needed, is chosen."""
    kind = kind_of(draft)
    if not draft.environment or (kind.row.is_regional and not draft.cloud):
        return None
    if kind.row.is_regional:
        return sum(map(len, regions(catalog, draft.environment, draft.cloud)))
    return sum(1 for _ in placed(catalog, kind, draft.environment))


def _rules(
    draft: Draft, resource: Resource, account: ServiceAccount, policy: Policy, names: EnvironmentNames
) -> Sequence[Rule]:
    """The rules that may apply to the choices so far.

    They are matched with the requester once the form is filled in.
    """
    owners: dict[str, Owner] = {ME: MyAccount(Principal("")), NEW: NewServiceAccount("", "")}
    target = Target(owners.get(draft.owner, account), resource)
    return tuple(policy.depending(Operation.CREATE, target, names, is_sketch=True))


def _limit(rules: Sequence[Rule]) -> timedelta | None:
    """The longest lifetime that any of them allows; None is no limit."""
    limits = [rule.lifetime for rule in rules if not rule.forbid]
    return None if None in limits else max((each for each in limits if each), default=None)


def _ticket(rules: Sequence[Rule]) -> Ticket | None:
    """The first rule's terms for tickets, marked as required only if all rules require a ticket; None without any."""
    tickets = [rule.ticket for rule in rules if not rule.forbid]
    first = next((each for each in tickets if each), None)
    return first and replace(first, required=all(each and each.required for each in tickets))
