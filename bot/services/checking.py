"""Checking a form: is everything there, is it short enough, and does it exist at Confluent right now."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.domain.catalog import Catalog, Endpoints
from bot.domain.keys import KafkaCluster, MyAccount, Owner, Person, Principal
from bot.domain.policy import Policy
from bot.services.clicks import Draft
from bot.services.directory import Directory
from bot.services.pages import FormPage

LIMITS = {"name": 64, "description": 200, "reason": 3000}
"""Characters. Slack takes 3,000 in one input; Confluent sets no limit for names and descriptions of keys."""
OWN_ACCOUNT = "This is the account of Latchkey itself. Nobody gets keys of it. Choose another one."
_SECRET = re.compile(r"cflt[A-Za-z0-9+/]{60}")
_ONE_LINE = frozenset({"name", "description"})
"""They stand in rows beside our own words: a line of their own, or one turned round, would pass for one of ours."""
_BREAKS_ROWS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Checked:
    """A form in which everything exists."""

    owner: Owner
    resource: KafkaCluster
    endpoints: Endpoints


async def check(draft: Draft, person: Person, directory: Directory) -> Checked | FormPage:
    """Whether everything in the form is there and exists at Confluent right now."""
    problems = dict(text_problems(draft))
    account = await _account(draft, person, problems, directory)
    found = await _cluster(draft, problems, directory)
    if problems or account is None or found is None:
        return form(draft, await directory.catalog(), directory.policy(), problems)
    return Checked(account, found[0], found[1])


def form(draft: Draft, catalog: Catalog | None, policy: Policy, problems: Mapping[str, str] | None = None) -> FormPage:
    """The form as it was filled in, with the names that the catalog knows for what was chosen."""
    problems = problems or {}
    known = catalog or Catalog("", (), (), ())
    place = (draft.environment, draft.cluster)
    cluster = next((each for each in known.clusters if (each.environment, each.id) == place), None)
    account = next((each for each in known.service_accounts if each.id == draft.owner), None)
    return FormPage(
        draft,
        problems,
        next((each for each in known.environments if each.id == draft.environment), None),
        None if "cluster" in problems else cluster,
        None if "owner" in problems else account,
        own_account=policy.user_keys,
    )


async def _account(draft: Draft, person: Person, problems: dict[str, str], directory: Directory) -> Owner | None:
    if draft.owner == "me":
        return MyAccount(person.principal)
    if not draft.owner:
        problems["owner"] = "Choose an account."
        return None
    account = await directory.cloud.service_account(Principal(draft.owner))
    if account is None:
        problems["owner"] = "This service account no longer exists. Choose another one."
    elif await directory.is_own(account):
        problems["owner"] = OWN_ACCOUNT
    return account


async def _cluster(
    draft: Draft, problems: dict[str, str], directory: Directory
) -> tuple[KafkaCluster, Endpoints] | None:
    if not draft.environment:
        problems["environment"] = "Choose an environment."
        return None
    if not draft.cluster:
        problems["cluster"] = "Choose a cluster."
        return None
    found = await directory.cloud.kafka_cluster(draft.environment, draft.cluster)
    if found is None:
        problems["cluster"] = "This cluster no longer exists in that environment. Choose another one."
        return None
    catalog = await directory.catalog()
    names = {each.id: each.name for each in catalog.environments} if catalog else {}
    return replace(found[0], environment_name=names.get(draft.environment, draft.environment)), found[1]


def text_problems(draft: Draft) -> Mapping[str, str]:
    """What is wrong with the typed text, by field; needs nothing but the text."""
    problems: dict[str, str] = {}
    for field, limit in LIMITS.items():
        text: str = getattr(draft, field)
        if field != "description" and not text.strip():
            problems[field] = f"Write a {field}."
        elif problem := text_problem(text, limit):
            problems[field] = problem
        elif field in _ONE_LINE and _BREAKS_ROWS.search(text.strip()):
            problems[field] = "Write this in one line, without invisible control characters."
    return problems


def text_problem(text: str, limit: int) -> str | None:
    """What is wrong with a text that is going to be stored and shown to others."""
    if len(text) > limit:
        return f"At most {limit:,} characters; this has {len(text):,}."
    if _SECRET.search(text):
        return "This holds something that looks like an API secret. Take it out: it would be stored."
    return None
