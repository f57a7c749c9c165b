"""The modals: the form, the review page, the reason for a denial, and pages that only say something. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import assert_never

from bot.domain.asks import Terms
from bot.domain.catalog import Catalog, Environment
from bot.domain.keys import KafkaCluster, RequestId, ServiceAccount
from bot.services.checking import LIMITS
from bot.services.clicks import Draft
from bot.services.pages import (
    DeletePage,
    EditPage,
    ExtendPage,
    FormPage,
    KeyPage,
    KeysPage,
    Page,
    ReviewPage,
    RotatePage,
    TextPage,
)
from bot.slack import ids, keylist, keypages
from bot.slack.cards import kind_of, owner_row, resource_row
from bot.slack.kit import (
    OPTIONS,
    Block,
    Bold,
    Row,
    actions,
    button,
    context,
    divider,
    field,
    header,
    lines,
    modal,
    mrkdwn,
    option,
    quote,
    search,
    text_input,
    told,
)

RIGHTS = 8
"""How many kinds of right the review page lists."""
_ME = option("My account", "me", "For development and testing")
_SERVICE_ACCOUNT = option("A service account", "service-account", "For applications and production")


def page(content: Page) -> Block:
    """Any page as a modal view."""
    match content:
        case FormPage():
            return form(content, wants_account=content.draft.owner not in {"", "me"})
        case ReviewPage():
            return review(content)
        case TextPage():
            return _text(content)
        case KeyPage():
            return keypages.key(content)
        case KeysPage():
            return keylist.keys(content)
        case EditPage():
            return keypages.edit(content)
        case DeletePage():
            return keypages.delete(content)
        case RotatePage():
            return keypages.rotate(content)
        case ExtendPage():
            return keypages.extend(content)
        case _:
            assert_never(content)


def _text(content: TextPage) -> Block:
    blocks = [mrkdwn(content.text)]
    if content.typed:
        blocks += [context("What you wrote:"), quote(content.typed)]
    if content.back:
        blocks.append(actions(button("Back to the form", ids.REVIEW_BACK, content.back)))
    return modal(content.title, blocks, callback=ids.PAGE)


def form(content: FormPage, *, wants_account: bool) -> Block:
    """The form. Fields keep their ids, so that Slack keeps what was typed when the form is drawn again."""
    draft, problems = content.draft, content.problems
    wants_account = wants_account or not content.own_account
    blocks = [_owner(content, wants_account=wants_account)]
    if wants_account:
        blocks += _with(problems, "owner", _account(content.account))
    else:
        blocks += _problem(problems, "owner")
    blocks += _with(problems, "environment", _environment(content.environment))
    blocks += _with(problems, "cluster", cluster_field(draft.environment, content.cluster))
    blocks += _texts(draft, problems)
    return modal("Create an API key", blocks, callback=ids.FORM, submit="Review", close="Cancel")


def checking() -> Block:
    """What stands there while Confluent is asked."""
    return modal("Create an API key", [lines(["Checking with Confluent Cloud…"])], callback=ids.PAGE)


def working(title: str) -> Block:
    """What stands there while something is carried out."""
    return modal(title, [lines(["One moment…"])], callback=ids.PAGE)


def review(content: ReviewPage) -> Block:
    """What will be asked, who can approve it, and the button that sends it."""
    terms, draft = content.terms, content.draft
    rows: list[Row] = [
        owner_row(content.owner, "your own"),
        resource_row(content.resource),
        ["Name: ", Bold(draft.name.strip())],
    ]
    if draft.description.strip():
        rows.append(["Description: ", draft.description.strip()])
    many = {0: "no approval", 1: "1 approval"}.get(terms.approvals, f"{terms.approvals} approvals by different people")
    blocks = [
        header(f"A {kind_of(content.resource)}"),
        lines(*rows),
        lines([Bold("Why")]),
        quote(draft.reason),
        *(lines(["⚠️ ", *told(warning)]) for warning in content.warnings),
        divider(),
        lines(
            [f"Needs {many}."],
            *_who(content),
            [_then(terms)],
            *([[f"The key is deleted {_duration(terms.lifetime)} after it is made."]] if terms.lifetime else []),
        ),
        context("Rule: ", terms.rule, "."),
        actions(button("Change something", ids.REVIEW_BACK, content.draft_id)),
    ]  # fmt: skip
    return modal(
        "Review your request",
        blocks,
        callback=ids.REVIEW,
        submit="Send request",
        close="Cancel",
        metadata=content.draft_id,
    )


def _who(content: ReviewPage) -> list[Row]:
    """Who could approve, by right: at most as many lines as people read."""
    counted = sorted(content.approvers.items(), key=lambda each: (-each[1], each[0]))
    rows: list[Row] = [[f"• {basis}: {_people(number)}"] for basis, number in counted[:RIGHTS]]
    if len(counted) > RIGHTS:
        rows.append([f"• and {_people(sum(number for _, number in counted[RIGHTS:]))} by other rights"])
    return [["Who can approve:"], *rows] if rows else []


def _then(terms: Terms) -> str:
    claim = f"you have {_duration(terms.claim)} to take the secret."
    return f"They have {_duration(terms.pending)} to decide. Then {claim}" if terms.approvals else f"Then {claim}"


def _people(number: int) -> str:
    words = ("nobody", "one person", "two people", "three people", "four people", "five people")
    return words[number] if number < len(words) else f"{number} people"


def deny(request: RequestId) -> Block:
    """Asks an approver for the reason."""
    typed = text_input(ids.FORM_TEXT, "", limit=LIMITS["reason"], lines=True)
    blocks = [field("Reason", ids.REASON_BLOCK, typed, hint="The requester reads this.")]
    return modal("Deny this request", blocks, callback=ids.DENY_REASON, submit="Deny", close="Back", metadata=request)


def cluster_field(environment: str, chosen: KafkaCluster | None) -> Block:
    """The cluster field of one environment; another environment is another, empty field."""
    initial = _cluster_option(chosen) if chosen else None
    place = f"{ids.CLUSTER_BLOCK}:{environment}" if environment else ids.CLUSTER_BLOCK
    hint = "" if environment else "Choose the environment first."
    return field("Kafka cluster", place, search(ids.FORM_CLUSTER, "Type a name or id", initial), hint=hint)


def environments(catalog: Catalog | None, typed: str) -> list[Block]:
    """The options of the environment field that match what is typed."""
    found = catalog.environments if catalog else ()
    return [option(each.name, each.id, each.id) for each in found if _hit(typed, each.name, each.id)][:OPTIONS]


def clusters(catalog: Catalog | None, environment: str, typed: str) -> list[Block]:
    """The options of the cluster field."""
    found: list[Block] = []
    for each in catalog.clusters if catalog else ():
        if each.environment == environment and _hit(typed, each.name, each.id):
            found.append(_cluster_option(each))
            if len(found) == OPTIONS:
                break
    return found


def accounts(catalog: Catalog | None, typed: str) -> list[Block]:
    """The options of the service-account field."""
    found = catalog.service_accounts if catalog else ()
    return [_account_option(each) for each in found if _hit(typed, each.name, each.id)][:OPTIONS]


def _owner(content: FormPage, *, wants_account: bool) -> Block:
    options = [_ME, _SERVICE_ACCOUNT] if content.own_account else [_SERVICE_ACCOUNT]
    radio: Block = {"type": "radio_buttons", "action_id": ids.FORM_OWNER, "options": options}
    if wants_account or content.draft.owner:
        radio["initial_option"] = _SERVICE_ACCOUNT if wants_account else _ME
    return {**field("Account", ids.OWNER_BLOCK, radio), "dispatch_action": True}


def _account(chosen: ServiceAccount | None) -> Block:
    initial = _account_option(chosen) if chosen else None
    return field("Service account", ids.ACCOUNT_BLOCK, search(ids.FORM_ACCOUNT, "Type a name or id", initial))


def _environment(chosen: Environment | None) -> Block:
    initial = option(chosen.name, chosen.id, chosen.id) if chosen else None
    block = field("Environment", ids.ENVIRONMENT_BLOCK, search(ids.FORM_ENVIRONMENT, "Type a name or id", initial))
    return {**block, "dispatch_action": True}


def _texts(draft: Draft, problems: Mapping[str, str]) -> list[Block]:
    name = text_input(ids.FORM_TEXT, draft.name, limit=LIMITS["name"], placeholder="For example: orders producer")
    description = text_input(ids.FORM_TEXT, draft.description, limit=LIMITS["description"])
    reason = text_input(ids.FORM_TEXT, draft.reason, limit=LIMITS["reason"], lines=True)
    return [
        *_with(problems, "name", field("Name", ids.NAME_BLOCK, name)),
        *_with(problems, "description", field("Description", ids.DESCRIPTION_BLOCK, description, optional=True)),
        *_with(problems, "reason", field("Reason", ids.REASON_BLOCK, reason, hint="Whoever approves this reads it.")),
    ]


def _with(problems: Mapping[str, str], name: str, block: Block) -> list[Block]:
    """A field, and under it what is wrong with it."""
    return [block, *_problem(problems, name)]


def _problem(problems: Mapping[str, str], name: str) -> list[Block]:
    return [context("⚠️ ", problems[name])] if name in problems else []


def _cluster_option(cluster: KafkaCluster) -> Block:
    return option(cluster.name or cluster.id, cluster.id, cluster.id)


def _account_option(account: ServiceAccount) -> Block:
    return option(account.name or account.id, account.id, account.id)


def _hit(typed: str, *texts: str) -> bool:
    wanted = typed.strip().casefold()
    return any(wanted in text.casefold() for text in texts)


def _duration(span: timedelta) -> str:
    """A span of time in the largest unit that says it exactly, but a day in hours."""
    minutes = max(round(span.total_seconds() / 60), 1)
    units = (("day", 24 * 60, 2), ("hour", 60, 1), ("minute", 1, 1))
    unit, size, _ = next(each for each in units if minutes % each[1] == 0 and minutes >= each[1] * each[2])
    count = minutes // size
    return f"{count} {unit}{'' if count == 1 else 's'}"
