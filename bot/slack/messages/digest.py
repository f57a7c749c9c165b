"""What the review asks: a digest of keys as one message, and the modal for the reason to keep one. Pure.

Names that were given outside Latchkey stand in one line beside our own words, cut where they are too long to be read.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import assert_never

from bot.domain.catalog import Quota
from bot.domain.keys import ApiKey, KeyId, MyAccount, NewServiceAccount, Operation, Owner
from bot.domain.review import Attestation, Digest, Finding, Listed
from bot.services.commands import CardAt
from bot.services.form.validate import LIMITS
from bot.services.text import duration
from bot.slack.blocks import limits
from bot.slack.blocks.kit import actions, button, divider, field, header, modal, text_input
from bot.slack.blocks.text import Block, Bold, Code, Mention, Row, context, flat, lines
from bot.slack.messages.card import age, for_what, in_place, joined, key_buttons, kind_of, title_row
from bot.slack.messages.progress import Rows
from bot.slack.payloads import ids

SHOWN = 15
"""Keys in one message, as far as they fit: two blocks each, of Slack's fifty."""
LIMITS_SHOWN = 10
LIMIT_NAME = 100
REASON = 150
"""Characters of a reason that the message repeats."""
TIP = "A key that nobody needs is a risk, and counts against the most keys that Confluent lets you have. Delete it."


def message(digest: Digest) -> tuple[list[Block], str]:
    """The digest, and its notification text."""
    if digest.is_empty:
        nothing: Row = ["Nothing is left to do here until the next review. Thank you."]
        return [header("API keys to review"), lines(_about(digest), nothing), *_kept(digest.kept)], "API keys: all done"
    return limits.as_many(SHOWN, lambda shown: _blocks(digest, shown), limits.fits_a_message), _notification(digest)


def _blocks(digest: Digest, shown: int) -> list[Block]:
    """The digest with the first keys alone."""
    blocks = [header("API keys to review"), lines(_about(digest)), context(TIP)]
    for listed in digest.keys[:shown]:
        blocks += [lines(*_key(listed, digest)), actions(*_buttons(listed))]
    if more := len(digest.keys[shown:]):
        blocks.append(lines([f"And {more:,} more: see ", Code("/apikey list"), "."]))
    blocks += [*_quotas(digest), *_kept(digest.kept)]
    if digest.keys:
        span = duration(digest.older_than)
        blocks.append(context(f"“Keep” asks for a reason, and then nobody is asked about the key for {span}."))
    return blocks


def keep_form(key: KeyId, at: CardAt | None) -> Block:
    """Asks why a key is to stay."""
    typed = text_input(ids.FORM_TEXT, "", limit=LIMITS["reason"], lines=True)
    blocks = [
        lines(["The API key ", Code(flat(key)), " stays. Nothing about it is changed."]),
        field("Reason", ids.REASON_BLOCK, typed, hint="Who needs it, and until when? It is kept in the audit log."),
    ]
    place = {"channel": at.channel, "ts": at.ts} if at else {}
    metadata = json.dumps({"key": key, **place})
    return modal("Keep this API key", blocks, callback=ids.KEEP, submit="Keep", close="Cancel", metadata=metadata)


def kept_key(metadata: str) -> tuple[KeyId, CardAt | None]:
    """What `keep_form` wrote down: the key, and the message of the review; "" for anything unreadable."""
    with suppress(ValueError, KeyError, TypeError):
        said: Mapping[str, str] = json.loads(metadata)
        return KeyId(str(said["key"])), CardAt(said["channel"], said["ts"]) if "channel" in said else None
    return KeyId(""), None


def _about(digest: Digest) -> Row:
    """Whose keys these are, and why this reader is asked."""
    owner = digest.owner
    if owner is None:
        return ["This organization comes near to limits of Confluent Cloud."]
    if not digest.keys:
        whose: Row = ["your account"] if digest.audience == "owner" else _called(owner, digest.owner_name)
        return ["This is about the API keys of ", *whose, "."]
    match digest.audience:
        case "owner":
            return ["Do you still need these API keys of your own account?"]
        case "account-owner":
            return ["Does anybody still need these API keys of ", *_called(owner, ""), "? You own this account."]
        case "requester":
            return ["Does anybody still need these API keys of ", *_called(owner, ""), "? You asked for them."]
        case "channel":
            who: Row = ["Does anybody still need these API keys of ", *_called(owner, digest.owner_name), "? "]
            return [*who, _why_here(digest)]
        case _:
            assert_never(digest.audience)


def _why_here(digest: Digest) -> str:
    if any(Finding.ORPHANED in listed.findings for listed in digest.keys):
        return "The account no longer exists, so there is no owner to ask."
    return "Latchkey found nobody in Slack who answers for them."


def _called(owner: Owner, name: str) -> Row:
    if isinstance(owner, NewServiceAccount):
        return [Bold(flat(owner.name))]
    said: Row = [] if isinstance(owner, MyAccount) else ["the service account "]
    name = name if isinstance(owner, MyAccount) else owner.name
    return [*said, *([Bold(flat(name)), " (", Code(owner.id), ")"] if name else [Code(owner.id)])]


def _key(listed: Listed, digest: Digest) -> Rows:
    key, resource = listed.key, listed.resource
    what = "For something that Latchkey does not know"
    if resource is not None:
        what = f"{kind_of(resource)}{for_what(resource)}{in_place(resource)}"
    end: Row = [" Expires ", listed.ends_at, "."] if listed.ends_at else []
    return [title_row(key), [what, *_made(key, digest), *end], ["Listed because ", _because(listed, digest), "."]]


def _made(key: ApiKey, digest: Digest) -> Row:
    if key.created_at is None:
        return [". Confluent does not say when it was made."]
    return [", made ", key.created_at, f", {age(digest.at - key.created_at)} ago."]


def _because(listed: Listed, digest: Digest) -> str:
    reasons = {
        Finding.ORPHANED: "its owner no longer exists",
        Finding.FOREIGN: "it was not made by Latchkey",
        Finding.OLD: f"it is older than {duration(digest.older_than)}",
    }
    return joined([reasons[finding] for finding in listed.findings], "and")


def _buttons(listed: Listed) -> Sequence[Block]:
    can = {Operation.ROTATE: listed.can_rotate, Operation.DELETE: listed.resource is not None}
    asks = key_buttons(listed.key.id, [each for each, is_offered in can.items() if is_offered])
    return [button("Keep", ids.KEY_KEEP, listed.key.id), *asks]


def _kept(kept: Sequence[Attestation]) -> list[Block]:
    """What was answered since the message was sent."""
    if not kept:
        return []
    rows: list[Row] = [
        [Code(each.key), " stays until ", each.until, " (", Mention(each.by), "): ", flat(each.reason, REASON)]
        for each in kept[:SHOWN]
    ]
    if len(kept) > SHOWN:
        rows.append([f"and {len(kept) - SHOWN:,} more"])
    return [divider(), lines([Bold("Kept")], *rows)]


def _quotas(digest: Digest) -> list[Block]:
    if not digest.quotas:
        return []
    rows: list[Row] = [["• ", *_quota(quota)] for quota in digest.quotas[:LIMITS_SHOWN]]
    what: Row = ["Delete keys that nobody needs, or ask Confluent to raise the limit: beyond it, no key can be made."]
    return [divider(), lines([Bold("Limits that are nearly reached")], *rows, what)]


def _quota(quota: Quota) -> Row:
    of: Row = [" of ", Code(quota.of)] if quota.of else []
    return [flat(quota.name, LIMIT_NAME), *of, f": {quota.usage or 0:,} of {quota.limit:,} used"]


def _notification(digest: Digest) -> str:
    count = len(digest.keys)
    if not count:
        return "Limits of Confluent Cloud are nearly reached"
    return f"{count:,} API key{'' if count == 1 else 's'} to review"
