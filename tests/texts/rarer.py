"""States of requests and pages that are rarer, and that read differently all the same."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot.domain.access import Access
from bot.domain.approvals import Grant
from bot.domain.catalog import User
from bot.domain.errors import Refused
from bot.domain.keys import Cluster, MyAccount, Operation, Principal
from bot.domain.kinds import Kind
from bot.domain.requests import Approved, Denied, Done, Expired, Life, Offered, Request, Unclaimed, Undelivered, Working
from bot.services import pages
from bot.services.browse.home import HomePage
from bot.services.commands import Draft
from bot.services.people.directory import ELSEWHERE, admitted, matched
from bot.services.ports.slack import Profile
from bot.slack.messages import snippets
from bot.slack.views import home
from bot.slack.views import key as key_pages
from bot.slack.views.pages import page
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR, NOW, TEAM, TENANT

PROD = Cluster(Kind.KAFKA, "lkc-prod01", "orders", "env-prod01", "production")
NONE_NEEDED = build.terms(approvals=0, rule="no approval for development")
TROUBLE = "Confluent Cloud didn't answer."
_REPLACED = "You requested another key in its place."


def requests() -> dict[str, Request]:
    """What an account can do already, rules without an approval, trouble on the way, and ends of changes."""
    granted = Grant((), NOW, NOW + DAY)
    made = (build.an_ask(), build.terms(), build.a_grant(), 1)
    roles = Access(("DeveloperWrite on topics starting with orders- in orders-dev (dev)", "DeveloperRead on dev"), 3, 5)
    delete, edit = build.a_change(Operation.DELETE), build.a_change(Operation.EDIT, name="orders consumer")
    theirs = replace(delete, owner=MyAccount(ERIN.principal))
    half = (replace(build.an_approval(FEMI), told="thread"),)
    two = build.terms(approvals=2)
    return {
        "pending, known roles": build.pending(access=roles),
        "pending, no roles": build.pending(access=Access((), 0, 1)),
        "expired, 1 of 2": Expired(build.an_ask(), two, at=NOW, approvals=half),
        "approved, no approval": Approved(build.an_ask(), NONE_NEEDED, granted, 1, not_before=NOW),
        "ready, no approval": replace(build.ready(), terms=NONE_NEEDED, grant=granted),
        "offered, in trouble": Offered(*made, claim_by=NOW + DAY, trouble=TROUBLE),
        "working, in trouble": Working(*made, sent_at=NOW, look_at=NOW + HOUR / 12, trouble=TROUBLE),
        "undelivered, a new key follows": Undelivered(*made, build.a_key(), why=_REPLACED, at=NOW, reissue=True),
        "undelivered, no new key follows": Undelivered(
            *made, build.a_key(), why=_REPLACED, at=NOW, deleted_at=NOW, reissue=True, news=True
        ),
        "unclaimed, deleted": Unclaimed(*made, build.a_key(), at=NOW, deleted_at=NOW, news=True),
        "unclaimed, not deleted yet": Unclaimed(
            *made, build.a_key(), at=NOW, retry_at=NOW + HOUR / 12, tries=3, news=True
        ),
        "denied, delete": Denied(delete, build.terms(), by=ERIN, reason="Still in use.", at=NOW),
        "denied, edit": Denied(edit, build.terms(), by=ERIN, reason="Keep its name.", at=NOW),
        "done, delete by Latchkey": Done(delete, build.terms(), build.a_grant(), 1, at=NOW),
        "done, no approval": Done(edit, NONE_NEEDED, replace(granted, told=(ERIN.slack,)), 1, at=NOW, news=True),
        "done, another's own": Done(theirs, NONE_NEEDED, replace(granted, told=(ERIN.slack,)), 1, at=NOW, news=True),
    }


def views(draft: Draft, view: pages.KeyView) -> Iterator[tuple[str, Any]]:
    """Pages with warnings, without approvals, after a failure, and Home of people who are shut out."""
    review = pages.ReviewPage("D1", draft, ACCOUNT, CLUSTER, build.terms(), (), (), 90 * DAY)
    yield "review, alike", page(replace(review, alike=build.pending()))
    yield "review, no expiration", page(replace(review, lifetime=None))
    yield "review, high risk", page(replace(review, resource=PROD, terms=build.terms(rule="production", risk="high")))
    yield "review, no approval", page(replace(review, terms=NONE_NEEDED, owner=MyAccount(DANA.principal)))
    expiring = replace(view, request=build.shown(life=Life(ends_at=NOW + 4 * DAY)))
    yield "edit, no approval", page(pages.EditPage(view, NONE_NEEDED))
    typed = ("orders consumer", "reads all orders", "Renamed with the service", "")
    notice = "Confluent Cloud didn't answer. Nothing changed."
    yield "edit, again", page(pages.EditPage(view, build.terms(), typed, notice))
    yield "delete, no approval", page(pages.DeletePage(view, NONE_NEEDED))
    yield "rotate, no approval", page(pages.RotatePage(view, NONE_NEEDED, (0, 1, 7)))
    yield "extend, no approval", page(pages.ExtendPage(expiring, NONE_NEEDED, left=4 * DAY, most=20 * DAY))
    first = pages.Filters(order=pages.EXPIRING)
    yield "keys, total", page(pages.KeysPage((view,), first, total=3, looked=3, accounts=40))
    drawn = snippets.drawn(CLUSTER.kind.row.snippets[0].value, view.key.id, CLUSTER, build.ENDPOINTS)
    yield "client configuration", key_pages.configuration(view, drawn)
    yield "home, said", home.home(HomePage(said="Approved “orders producer”."))
    for name, why in _shut().items():
        yield f"home, {name}", home.home(HomePage(shut=why))
    yield "home, shut, with keys", home.home(HomePage((view,), requests=[build.shown()], shut=_shut()["unmatched"]))


def _shut() -> dict[str, str]:
    """Why people can't use Latchkey, in the product's own words, by what they are."""
    whose: dict[str, Any] = {"id": DANA.slack, "team": TEAM, "name": DANA.name, "email": DANA.email}
    here = Profile(**whose, email_confirmed=True, is_bot=False, is_guest=False, deleted=False)
    twins = [User(Principal(f"u-dana0{n}"), DANA.email, DANA.name) for n in (1, 2)]
    return {
        "guest": _refused(lambda: admitted(replace(here, is_guest=True), TENANT)),
        "elsewhere": ELSEWHERE,
        "unconfirmed": _refused(lambda: matched(replace(here, email_confirmed=False), (), {})),
        "unmatched": _refused(lambda: matched(here, (), {})),
        "ambiguous": _refused(lambda: matched(here, twins, {})),
    }


def _refused(attempt: Any) -> str:
    try:
        attempt()
    except Refused as error:
        return error.tell
    raise AssertionError("this person is let in")
