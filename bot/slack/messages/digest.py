"""What the review asks: a digest of keys as one message, with a table of them. Its modals are in `views.review`. Pure.

Names that were given outside Latchkey are shown on one line and cut if they're too long to read.
"""

from collections.abc import Sequence
from typing import assert_never

from bot.domain.catalog import Quota
from bot.domain.errors import listed as in_words
from bot.domain.keys import KeyId, MyAccount, NewServiceAccount, OrganizationScope, Owner, Resource
from bot.domain.review import IN_CHANNEL, OFFERED, Attestation, Backlog, Digest, Finding, Listed
from bot.services.text import duration
from bot.slack.blocks import limits
from bot.slack.blocks.kit import actions, button, divider, header
from bot.slack.blocks.newer import Cell, table
from bot.slack.blocks.text import Block, Bold, Code, Mention, Row, context, flat, lines
from bot.slack.messages.card import age
from bot.slack.messages.facts import called, in_place
from bot.slack.payloads import ids

SHOWN = 25
"""How many keys one message shows at most. If they don't fit, it shows fewer."""
KEPT_SHOWN = 5
CELL = 80
"""How many characters a cell of the table may have."""
LIMITS_SHOWN = 10
LIMIT_NAME = 100
REASON = 150
"""How many characters of a reason the message repeats."""
TIP = "Unused keys are a risk and count toward your Confluent quota. Delete any you don't need."
_HEAD = ("Key", "Scope", "Why it's listed", "Created")


def message(digest: Digest) -> tuple[list[Block], str]:
    """The digest, and its notification text."""
    if digest.is_empty:
        done = header(_title("✅ API keys reviewed", digest))
        return [done, lines(*_about(digest)), *_kept(digest)], "API keys reviewed"
    return limits.as_many(SHOWN, lambda shown: _blocks(digest, shown), limits.fits_a_message), _notification(digest)


def backlog(waiting: Backlog) -> tuple[list[Block], str]:
    """How many accounts the channel is asked about later, and its notification text."""
    if waiting.accounts == 1:
        have, about = "1 more account has API keys", "it"
    else:
        have = f"{waiting.accounts:,} more accounts have API keys"
        about = "them" if waiting.accounts <= IN_CHANNEL else f"the next {IN_CHANNEL}"
    what: Row = [f"{have} for this channel to review."]
    then: Row = [f"Latchkey will ask about {about} in the next review (", waiting.next_at, ")."]
    now: Row = ["To see all API keys now, run ", Code("/apikey list"), "."]
    return [lines(what, then, now)], f"{have} to review"


def _blocks(digest: Digest, shown: int) -> list[Block]:
    """The digest with only the first `shown` keys."""
    keys = digest.keys[:shown]
    what = f"API key{'s' * (len(digest.keys) != 1)} to review" if digest.keys else "⚠️ Near a Confluent Cloud quota"
    about = [lines(*_about(digest))] if digest.keys else []  # for a quota, the headline says it
    blocks = [header(_title(what, digest)), *about, *_quotas(digest)]
    if keys:
        blocks += [*table(_HEAD, [_key(each, digest) for each in keys], on="message"), *_rest(digest, len(keys))]
        if digest.owner is not None:
            blocks.append(actions(*_buttons(digest.owner, digest, len(keys))))
        blocks.append(context(TIP, " ", _skip(digest)))
    return [*blocks, *_kept(digest)]


def _title(what: str, digest: Digest) -> str:
    """The headline: there may be messages about several accounts in a row."""
    owner = digest.owner
    if owner is None or digest.audience == "owner":
        return what
    name = digest.owner_name if isinstance(owner, MyAccount) else owner.name
    return f"{what} · {flat(name) or flat(str(owner.id))}"


def _rest(digest: Digest, shown: int) -> list[Block]:
    more = len(digest.keys) - shown
    listed: Row = ["“Review keys” lists " + ("them all" if len(digest.keys) <= OFFERED else f"the first {OFFERED}")]
    return [lines([f"And {more:,} more. ", *listed, "."])] if more else []


def _buttons(whose: Owner, digest: Digest, shown: int) -> list[Block]:
    """What can be done about all of them; each key has its own menu in the modal."""
    owner, offered = str(whose.id), min(len(digest.keys), OFFERED)
    is_one = len(digest.keys) == 1
    keep = button("Keep key" if is_one else "Keep all shown", ids.KEEP_SHOWN, ids.listed_ref(owner, shown))
    if digest.is_baseline:
        text = "Keep all for now" if len(digest.keys) <= OFFERED else f"Keep the first {OFFERED} for now"
        keep = button("Keep for now" if is_one else text, ids.KEEP_BASELINE, ids.listed_ref(owner, offered))
    return [
        button("Review key" if is_one else "Review keys", ids.REVIEW_KEYS, ids.listed_ref(owner, offered), "primary"),
        keep,
    ]


def _skip(digest: Digest) -> str:
    span = duration(digest.older_than)
    if digest.is_baseline:
        return f"If you keep a key, Latchkey asks about it again in {span}."
    return f"To skip a key for {span}, keep it and give a reason."


def _about(digest: Digest) -> Sequence[Row]:
    """Whose keys these are, and why this reader is asked."""
    owner = digest.owner
    whose: Row = ["your account"] if digest.audience == "owner" else _called(owner, digest.owner_name) if owner else []
    if not digest.keys:
        of: Row = ["The API keys for ", *whose] if whose else ["All API keys"]
        return [[*of, " have been reviewed. Thanks! Nothing to do until the next review."]]
    is_one = len(digest.keys) == 1
    if digest.is_baseline:
        existed: Row = [f"{_count(len(digest.keys))} for ", *whose, " existed before Latchkey. "]
        return [[*existed, f"Keep {'it' if is_one else 'them all'} for now, or review {'it' if is_one else 'them'}."],
                *_why(digest)]  # fmt: skip
    these, are = ("this", "Is") if is_one else ("these", "Are")
    keys = "API key" if is_one else "API keys"
    if digest.audience == "owner":
        return [[f"Do you still need {these} personal {keys}?"]]
    return [[f"{are} {these} {keys} for ", *whose, " still needed?"], *_why(digest)]


def _why(digest: Digest) -> Sequence[Row]:
    """Why this reader is asked, on a separate line."""
    match digest.audience:
        case "owner":
            return []
        case "account-owner":
            return [["You own this account."]]
        case "requester":
            return [["You requested it." if len(digest.keys) == 1 else "You requested them."]]
        case "channel":
            return [[_why_here(digest)]]
        case _:
            assert_never(digest.audience)


def _why_here(digest: Digest) -> str:
    if any(Finding.ORPHANED in listed.findings for listed in digest.keys):
        return "The account was deleted, so there is no owner to ask."
    if digest.owners:
        owners = in_words([flat(each) for each in digest.owners], "and")
        own, keys = ("owns", "own")[len(digest.owners) > 1], "this key" if len(digest.keys) == 1 else "these keys"
        return f"{owners} {own} this account, but ResourceOwner doesn't cover {keys}."
    return "Latchkey couldn't find or reach an owner in Slack."


def _called(owner: Owner, name: str) -> Row:
    if isinstance(owner, NewServiceAccount):
        return [Bold(flat(owner.name))]
    said: Row = [] if isinstance(owner, MyAccount) else ["the service account "]
    name = name if isinstance(owner, MyAccount) else owner.name
    return [*said, *([Bold(flat(name)), " (", Code(owner.id), ")"] if name else [Code(owner.id)])]


def _key(listed: Listed, digest: Digest) -> Sequence[Cell]:
    """A row of the table."""
    key = listed.key
    made = "unknown" if key.created_at is None else f"{age(digest.at - key.created_at)} ago"
    created: Cell = [f"{made}, expires ", listed.ends_at] if listed.ends_at else f"{made}, never expires"
    return [_named(key.name, key.id), flat(_scope(listed.resource), CELL), _because(listed, digest), created]


def _named(name: str, key: KeyId) -> str:
    """A key's name and ID. Only the ID distinguishes keys with the same name."""
    shown = flat(key, CELL)
    return f"{flat(name, CELL)}\u00a0· {shown}" if flat(name) else shown


def _scope(resource: Resource | None) -> str:
    """What a key is for, as in the list of keys: "Kafka · orders in production"."""
    if resource is None:
        return "Unknown resource"
    place = "" if isinstance(resource, OrganizationScope) else f" · {called(resource)}{in_place(resource)}"
    return f"{resource.kind.row.label}{place}"


def _because(listed: Listed, digest: Digest) -> str:
    reasons = {
        Finding.ORPHANED: "owner deleted",
        Finding.FOREIGN: "not created by Latchkey",
        Finding.OLD: f"over {duration(digest.older_than)} old",
    }
    return " · ".join(reasons[finding] for finding in listed.findings)


def _kept(digest: Digest) -> list[Block]:
    """What was answered since the message was sent."""
    kept = digest.kept
    if not kept:
        return []
    rows = [_keeping(each, flat(digest.names.get(each.key, ""), CELL)) for each in kept[:KEPT_SHOWN]]
    if len(kept) > KEPT_SHOWN:
        rows.append([f"and {len(kept) - KEPT_SHOWN:,} more"])
    return [divider(), lines([Bold("Kept")], *rows)]


def _keeping(kept: Attestation, name: str) -> Row:
    key: Row = [f"{name} (", Code(kept.key), ")"] if name else [Code(kept.key)]
    return [*key, " until ", kept.until, ", by ", Mention(kept.by), f": “{flat(kept.reason, REASON)}”"]


def _quotas(digest: Digest) -> list[Block]:
    if not digest.quotas:
        return []
    rows: list[Row] = [["• ", *_quota(quota)] for quota in digest.quotas[:LIMITS_SHOWN]]
    what: Row = ["At the limit, new keys are refused. Delete unused keys, or ask Confluent to raise the limit."]
    label: list[Row] = [[Bold("⚠️ Near quota")]] if digest.keys else []
    return [lines(*label, *rows, what)]


def _quota(quota: Quota) -> Row:
    of: Row = [" (", Code(quota.of), ")"] if quota.of else []
    return [f"{flat(quota.name, LIMIT_NAME)}: {quota.usage or 0:,} of {quota.limit:,} used", *of]


def _notification(digest: Digest) -> str:
    count = len(digest.keys)
    if not count:
        return "Near a Confluent Cloud quota"
    return f"{_count(count)} {'existed before Latchkey' if digest.is_baseline else 'to review'}"


def _count(number: int) -> str:
    return f"{number:,} API key{'' if number == 1 else 's'}"
