"""The form: account, resource scope and what that needs, texts, lifetime. Pure.

When the form is redrawn after a choice, its fields keep their IDs, so that Slack keeps what was typed and chosen there.
An added field gets a new ID, and so does every field of a form that is drawn from stored values. What a choice hides is
kept in private_metadata until it's shown again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bot.domain.access import Offer
from bot.domain.keys import Resource
from bot.services.commands import Draft, Wish
from bot.services.form.access import TYPED, names_field
from bot.services.form.fill import EXISTING, ME, NEW, USUAL, kind_of, owner_kind
from bot.services.form.validate import LIMITS
from bot.services.pages import FormPage
from bot.services.text import lifetime_of
from bot.slack.blocks.kit import OPTIONS, choices, field, menu, modal, option, redrawn, search, text_input
from bot.slack.blocks.newer import alert
from bot.slack.blocks.text import Block, Bold, context, mrkdwn
from bot.slack.payloads import ids, read
from bot.slack.views import options as menus
from bot.slack.views.ticket import ticket_field

_OF_OWNER = {
    ME: "The key acts as your own Confluent user: anyone with it can do whatever you can do.",
    EXISTING: "The key can do whatever the service account you choose can do.",
    NEW: "The account is created with the key, after approval. It has no access until someone gives it a role.",
}
"""The hint below the chosen account. What each is recommended for is next to it."""
_ONLY_ACCESS = "The account is created with the key, after approval. It gets only the access you choose below."
_NOT_SENT = "Nothing was sent. Fix what is marked ⚠️, then select ", Bold("Review"), " again."
"""At the top of the form: the marked fields may be far below."""
_TYPE = "Type a name or ID"


def form(content: FormPage, standing: Iterable[str] = ()) -> Block:
    """The form with exactly the fields that the account and the scope need.

    `standing` are the block IDs of the current view, if this answers a choice in it.
    """
    standing = tuple(standing)
    drawn = [*_account(content), *_scope(content), *_access(content), *_texts(content), *_lifetime(content, standing)]
    wrong = [alert("warning", *_NOT_SENT, on="modal")] if content.problems else []
    drawn = [*wrong, *([mrkdwn(content.notice)] if content.notice else []), *drawn]
    fields = redrawn(drawn, content.drawing, standing)
    shown = {each["block_id"] for each in fields if "block_id" in each}
    offered = {each.id for each in content.offers}
    hidden = tuple(each for each in content.draft.access if each.offer not in offered)
    kept = read.hidden(replace(content.draft, access=hidden), shown)
    return modal("Create an API key", fields, callback=ids.FORM, submit="Review", close="Cancel", metadata=kept)


def _account(content: FormPage) -> list[Block]:
    draft, problems = content.draft, content.problems
    chosen = owner_kind(draft)
    options = [option for name, option in menus.OWNERS.items() if content.own_account or name != ME]
    radio: Block = {"type": "radio_buttons", "action_id": ids.FORM_OWNER, "options": options}
    if chosen in menus.OWNERS and (content.own_account or chosen != ME):
        radio["initial_option"] = menus.OWNERS[chosen]
    hint = _ONLY_ACCESS if chosen == NEW and content.offers else _OF_OWNER.get(chosen, "")
    block = {**field("Account", ids.OWNER_BLOCK, radio, hint=hint), "dispatch_action": True}
    if chosen == EXISTING:
        initial = menus.named_option(content.account) if content.account else None
        account = field("Service account", ids.ACCOUNT_BLOCK, search(ids.FORM_ACCOUNT, _TYPE, initial))
        return [block, *_with(problems, "owner", account)]
    return [block, *_problem(problems, "owner"), *(_new_account(draft, problems) if chosen == NEW else ())]


def _new_account(draft: Draft, problems: Mapping[str, str]) -> list[Block]:
    limits = (LIMITS["account_name"], LIMITS["account_description"])
    name = text_input(ids.FORM_TEXT, draft.account_name, limit=limits[0], placeholder="For example: orders-service")
    description = text_input(ids.FORM_TEXT, draft.account_description, limit=limits[1])
    hint = "Must be unique."
    about = field("Service account description", ids.ACCOUNT_DESCRIPTION_BLOCK, description, optional=True)
    return [
        *_with(problems, "account_name", field("Service account name", ids.ACCOUNT_NAME_BLOCK, name, hint=hint)),
        *_with(problems, "account_description", about),
    ]


def _scope(content: FormPage) -> list[Block]:
    draft, problems, kind = content.draft, content.problems, kind_of(content.draft)
    row = kind.row
    options = menus.scope_options()
    chosen = next(each for each in options if each["value"] == kind)
    scope = field("Resource scope", ids.KIND_BLOCK, menu(ids.FORM_KIND, options, chosen), hint=row.hint)
    blocks = _with(problems, "kind", {**scope, "dispatch_action": True})
    if row.is_wide:
        return blocks
    initial = menus.named_option(content.environment) if content.environment else None
    place = field("Environment", ids.ENVIRONMENT_BLOCK, search(ids.FORM_ENVIRONMENT, _TYPE, initial))
    blocks += _with(problems, "environment", {**place, "dispatch_action": True})
    if row.is_regional:
        blocks += _with(problems, "cloud", _cloud(content))
    resource = search(ids.FORM_RESOURCE, _TYPE, _chosen(content))
    block = ids.resource_block(kind, draft.environment, draft.cloud if row.is_regional else "")
    label = "Region" if row.is_regional else row.noun
    blocks += _with(problems, "resource", field(label, block, resource, hint=_hint(content)))
    return [*blocks, *(_with(problems, "also", _also(content.companion, draft)) if content.companion else ())]


def _also(companion: Resource, draft: Draft) -> Block:
    """Whether a second key comes with this one."""
    row = companion.kind.row
    box = option(f"Also for {row.noun}", companion.id)
    element: Block = {"type": "checkboxes", "action_id": ids.FORM_ALSO, "options": [box]}
    if draft.also:
        element["initial_options"] = [box]
    hint = f"Adds a key for the {row.noun} in this environment. One approval covers both."
    block = field("Second key", f"{ids.ALSO_BLOCK}:{draft.environment}", element, optional=True, hint=hint)
    return {**block, "dispatch_action": True}


def _cloud(content: FormPage) -> Block:
    options = menus.cloud_options(content.clouds, content.used_clouds)
    chosen = next((each for each in options if each["value"] == content.draft.cloud), None)
    cloud = field("Cloud provider", ids.CLOUD_BLOCK, menu(ids.FORM_CLOUD, options, chosen, "Choose a cloud provider"))
    return {**cloud, "dispatch_action": True}


def _chosen(content: FormPage) -> Block | None:
    if content.resource is None:
        return None
    return menus.region_option(content.region) if content.region else menus.named_option(content.resource)


def _hint(content: FormPage) -> str:
    """The hint below the field for the resource."""
    draft, offered = content.draft, content.offered
    needs_cloud = kind_of(draft).row.is_regional and not draft.cloud
    if not draft.environment:
        return f"Choose the environment{' and the cloud provider' if needs_cloud else ''} first."
    if needs_cloud:
        return "Choose the cloud provider first."
    if offered == 0:
        return "Nothing found here. Anything created in the last few minutes may be missing."
    if offered is not None and offered > OPTIONS:
        return f"{offered:,} to choose from, {OPTIONS} shown at a time. Type part of the name or ID to find others."
    return ""


def _access(content: FormPage) -> list[Block]:
    """What the account can be granted with the key, and the names for each entry that is chosen."""
    problems, chosen = content.problems, {each.offer: each for each in content.draft.access}
    if not content.offers:
        return []
    options = {each.id: option(each.name, each.id) for each in content.offers[:OPTIONS]}
    initial = [options[each] for each in chosen if each in options]
    block = f"{ids.ACCESS_BLOCK}:{'+'.join(dict.fromkeys(each.kind for each in content.offers))}"
    hint = "Granted to the service account along with the key. Approvers will see this."
    element = choices(ids.FORM_ACCESS, list(options.values()), initial, "Choose access")
    access = {**field("Access", block, element, optional=True, hint=hint), "dispatch_action": True}
    names = [_names(each, chosen[each.id], problems) for each in content.offers if each.id in chosen]
    return [*_with(problems, ids.ACCESS_BLOCK, access), *(block for blocks in names for block in blocks)]


def _names(offer: Offer, chosen: Wish, problems: Mapping[str, str]) -> list[Block]:
    """The field for the names of an entry, with any problem below it."""
    block = names_field(offer.id)
    if not offer.takes_name:
        return []
    label = f"{offer.name}: {'name prefix' if offer.prefix else 'name'}"
    what = "Covers every name that starts with this. " if offer.prefix else ""
    typed = text_input(ids.FORM_TEXT, chosen.typed, limit=TYPED, placeholder="For example: orders-")
    return _with(problems, block, field(label, block, typed, hint=f"{what}Separate several with commas or spaces."))


def _texts(content: FormPage) -> list[Block]:
    draft, problems = content.draft, content.problems
    name = text_input(ids.FORM_TEXT, draft.name, limit=LIMITS["name"], placeholder="For example: orders producer")
    description = text_input(ids.FORM_TEXT, draft.description, limit=LIMITS["description"])
    reason = text_input(ids.FORM_TEXT, draft.reason, limit=LIMITS["reason"], lines=True)
    return [
        *_with(problems, "name", field("Name", ids.NAME_BLOCK, name)),
        *_with(problems, "description", field("Description", ids.DESCRIPTION_BLOCK, description, optional=True)),
        *_with(problems, "reason", field("Reason", ids.REASON_BLOCK, reason, hint="Approvers will see this.")),
        *ticket_field(content.ticket, draft.ticket),
        *(_problem(problems, "ticket") if content.ticket else ()),
    ]


def _lifetime(content: FormPage, standing: Sequence[str]) -> list[Block]:
    """The field for the lifetime. Each limit has a field of its own, because the options depend on it.

    If what was chosen isn't an option under a new limit, the usual lifetime is selected, if that is one.
    """
    limit, days = content.limit, content.draft.lifetime
    # To the minute, as the option says it, so that what is chosen there is read as what was said.
    block = f"{ids.LIFETIME_BLOCK}:{'none' if limit is None else 60 * round(limit.total_seconds() / 60)}"
    others = {ids.field(each) for each in standing if ids.is_field(each, ids.LIFETIME_BLOCK)} - {block}
    options = menus.lifetime_options(limit)
    offered = {each["value"]: each for each in options}
    is_by_rule = lifetime_of(days) == limit if days else not others
    chosen = offered.get(days) or (options[0] if is_by_rule else offered.get(USUAL, options[0]))
    hint = (
        "Latchkey deletes the key when this time is up and reminds you beforehand. "
        "Confluent keys don't expire on their own."
    )
    lasts = field("Lifetime", block, menu(ids.FORM_LIFETIME, options, chosen), hint=hint)
    return _with(content.problems, "lifetime", lasts)


def _with(problems: Mapping[str, str], name: str, block: Block) -> list[Block]:
    """A field, and its problem below it."""
    return [block, *_problem(problems, name)]


def _problem(problems: Mapping[str, str], name: str) -> list[Block]:
    return [context("⚠️ ", problems[name])] if name in problems else []
