"""Findings about a valid policy file, as far as the file alone shows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from bot.domain.errors import counted, listed
from bot.domain.keys import Operation
from bot.domain.kinds import PLACED, Kind
from bot.domain.policy import MAKES, Match, RoleMapping, Rule
from bot.domain.roles import ACCOUNT_ADMIN, Table, Whose
from bot.policyfile.conditions import bare_ids
from bot.policyfile.losses import losses
from bot.policyfile.reach import Reach
from bot.policyfile.reading import PolicyFile
from bot.policyfile.tree import KeyPath
from bot.policyfile.words import shown

MOST_OFTEN = timedelta(hours=1)
"""A review more often than this is one that nobody reads."""


MOST_GROUPS = 10
"""How many user groups can have roles before Slack's rate limit matters: two decisions may come in one minute."""
SOON = timedelta(days=14)
"""How long before its end a rule or mapping is reported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to check in the file. A warning may be intended; anything else is a mistake."""

    line: int
    where: str
    """What it's about: `rule "its name"`, or another part of the file."""
    text: str
    is_warning: bool = False

    def written(self, file: str) -> str:
        """The finding as a line of output, with the file's name and line."""
        return f"{file}:{self.line}: {'warning: ' if self.is_warning else ''}{self.where}: {self.text}"


def check(file: PolicyFile, today: date = date.min) -> list[Finding]:
    """All findings, in the order of the file. By default nothing counts as ended."""
    found = [
        *_rules(file),
        *_ends(file, today),
        *_mappings(file),
        *_people(file),
        *_review(file),
        *_grants(file),
        *_teams(file),
        *_groups(file),
    ]
    return sorted(found, key=lambda each: each.line)


def of_rule(file: PolicyFile, index: int, text: str, key: KeyPath = (), *, is_warning: bool = False) -> Finding:
    """A finding about a rule, at the line of one of its keys."""
    line = file.tree.line(("rules", index, *key))
    return Finding(line, f"rule {shown(file.policy.rules[index].name)}", text, is_warning)


def _rules(file: PolicyFile) -> Iterator[Finding]:
    reach = Reach(file.policy)
    for index, rule in enumerate(file.policy.rules[: file.rules]):
        if not reach.possible(index):
            yield of_rule(file, index, f"can never match: {_IMPOSSIBLE}", ("match",))
        elif not reach.decides(index):
            names = " and ".join(shown(file.policy.rules[before].name) for before in reach.in_its_way(index))
            yield of_rule(file, index, f"never decides: everything it matches is already matched by {names} above it")
        else:
            yield from _reached(file, reach, index, rule)
            yield from _idle(file, reach, index, rule)
            yield from _break_glass(file, reach, index, rule)
            for loss in losses(reach, file.policy.rules, index):
                yield of_rule(file, index, loss.in_words(file.policy.rules), is_warning=not loss.is_grave)


def _reached(file: PolicyFile, reach: Reach, index: int, rule: Rule) -> Iterator[Finding]:
    for kind in sorted(rule.match.kinds):
        if not reach.possible(index, Match(kinds=frozenset({kind}))):
            text = f"its `match` includes the kind {kind}, but it can never match such a key: {_IMPOSSIBLE}"
            yield of_rule(file, index, text, ("match", "kind"))
    if rule.forbid:
        return
    has_overlap = ("rules", index, "overlap") in file.tree.lines
    if has_overlap and not reach.decides(index, Match(frozenset({Operation.ROTATE}))):
        yield of_rule(file, index, "its overlap has no effect: the rule doesn't match rotations", ("overlap",))
    if rule.approvals == 0:
        opened = [
            kind
            for kind in sorted(Kind)
            if kind.row.opens_organization and reach.decides(index, Match(MAKES, frozenset({kind})))
        ]
        if opened:
            text = f"one person alone can create {' and '.join(opened)} keys, which open the whole organization"
            yield of_rule(file, index, text, ("approvals",), is_warning=True)
    if not rule.most_approvals:
        return
    for kind in Kind:
        if not file.policy.table.roles_over(kind) and reach.decides(index, Match(kinds=frozenset({kind}))):
            text = f'no one could approve a {kind} key: no role of the table "{file.policy.table.name}" covers it'
            yield of_rule(file, index, text)


def _idle(file: PolicyFile, reach: Reach, index: int, rule: Rule) -> Iterator[Finding]:
    """Settings of the rule that have no effect."""
    if rule.leaked == "delete" and not reach.decides(index, Match(frozenset({Operation.DELETE}))):
        yield of_rule(file, index, "its leaked has no effect: the rule doesn't match deletions", ("leaked",))
    if not rule.most_approvals and ("rules", index, "confirm") in file.tree.lines:
        yield of_rule(file, index, "its confirm has no effect: no one approves anything under it", ("confirm",))
    yield from _approvers(file, index, rule)


def _approvers(file: PolicyFile, index: int, rule: Rule) -> Iterator[Finding]:
    """Conditions on approvers that have no effect, or that people can't read."""
    condition = rule.approvers
    if condition is None:
        return
    if not rule.most_approvals:
        yield of_rule(file, index, "its approvers have no effect: no one approves anything under it", ("approvers",))
    if condition.shares_no_group and not file.policy.groups:
        text = "`same group` has no effect: the file names no user group"
        yield of_rule(file, index, text, ("approvers", "not"))
    if bare := bare_ids(rule):
        text = f"people read the ID {bare[0]} on the card: give it a name under `teams`, and write team:NAME"
        yield of_rule(file, index, text, ("approvers", "one_of"), is_warning=True)


def _ends(file: PolicyFile, today: date) -> Iterator[Finding]:
    """Rules and mappings that have ended, or will soon."""
    if today == date.min:
        return
    for index, rule in enumerate(file.policy.rules[: file.rules]):
        if said := _end(rule.until, today):
            yield of_rule(file, index, said, ("until",), is_warning=True)
    for index, mapping in enumerate(file.policy.mappings):
        if said := _end(mapping.until, today):
            line = file.mapping_line(index, "until")
            yield Finding(line, f"role mapping of {mapping.subject}", said, is_warning=True)


def _end(until: date | None, today: date) -> str:
    if until is None or until - today > SOON:
        return ""
    if until < today:
        return f"it ended with {until} (UTC): remove it, or change `until`"
    return f"it ends with {until} (UTC)"


def _break_glass(file: PolicyFile, reach: Reach, index: int, rule: Rule) -> Iterator[Finding]:
    if rule.break_glass is None:
        return
    if not reach.decides(index, Match(frozenset({Operation.CREATE}))):
        yield of_rule(file, index, "its break_glass has no effect: the rule doesn't match `create`", ("break_glass",))
    elif not rule.most_approvals:
        text = "its break_glass has no effect: nothing under it needs an approval"
        yield of_rule(file, index, text, ("break_glass",))


def without_break_glass(file: PolicyFile) -> list[Finding]:
    """A warning if no rule has break-glass, for people who want to have it."""
    if any(rule.break_glass for rule in file.policy.rules):
        return []
    text = "no rule has `break_glass`: if no approver answers, no one gets a key that needs an approval"
    return [Finding(1, "rules", text, is_warning=True)]


def _mappings(file: PolicyFile) -> Iterator[Finding]:
    seen = dict[RoleMapping, int]()
    for index, mapping in enumerate(file.policy.mappings):
        line = file.mapping_line(index)
        where = f"role mapping of {mapping.subject}"
        wider = next((other for other in seen if _gives_all_of(other, mapping)), None)
        if wider is not None:
            yield Finding(line, where, f"line {seen[wider]} already gives {mapping.role} there")
        if mapping.scope.startswith("service-account=") and mapping.role != "ResourceOwner":
            yield Finding(line, where, f"{mapping.role} has no effect on a service account: only ResourceOwner does")
        elif kinds := _elsewhere(file.policy.table, mapping):
            yield Finding(line, where, f"{mapping.role} has no effect there: it's for {kinds} keys")
        if file.policy.table.people_only and not mapping.is_group and mapping.subject not in file.policy.people:
            text = f"{mapping.subject} has no line in `people`, so they can't approve as {mapping.role}"
            yield Finding(line, where, text, is_warning=True)
        if mapping.role == ACCOUNT_ADMIN and mapping.scope:
            yield Finding(line, where, f"{ACCOUNT_ADMIN} applies only to the whole organization: leave `scope` out")
        seen.setdefault(mapping, line)


def _people(file: PolicyFile) -> Iterator[Finding]:
    named = set(file.policy.people.values())
    rule = max(file.policy.rules, key=lambda each: each.most_approvals)
    if file.policy.table.people_only and rule.most_approvals > len(named):
        text = (
            f"rule {shown(rule.name)} needs {counted(rule.most_approvals, 'approval')}, "
            f"but `people` names {counted(len(named), 'Confluent user')}"
        )
        yield Finding(file.tree.line(("roles", "people_only")), "roles.people_only", text)
    several = {principal for principal, count in Counter(file.policy.people.values()).items() if count > 1}
    for index, (user, principal) in enumerate(file.policy.people.items()):
        if principal in several:
            text = f"{principal} is several Slack users here: Latchkey treats them as one person"
            yield Finding(file.tree.line(("people", index)), str(user), text, is_warning=True)


def _review(file: PolicyFile) -> Iterator[Finding]:
    review = file.policy.review
    if review and review.every < MOST_OFTEN:
        line = file.tree.line(("review", "every"))
        yield Finding(line, "review", "that's more than once an hour: `every: 7d` is usual")


def _grants(file: PolicyFile) -> Iterator[Finding]:
    """Entries of the file's own list that offer the same as an earlier one."""
    offers = file.policy.offers if ("grants",) in file.tree.lines else ()
    for index, offer in enumerate(offers):
        for before, other in enumerate(offers[:index]):
            if (other.role, other.on, other.prefix) == (offer.role, offer.on, offer.prefix):
                text = f"offers the same as line {file.tree.line(('grants', before))}: {offer.role} on {offer.on}"
                yield Finding(file.tree.line(("grants", index)), f"grant {shown(offer.name)}", text)
                break


def _teams(file: PolicyFile) -> Iterator[Finding]:
    for index in file.unused if not file.policy.apart else ():
        line = file.tree.line(("teams", index))
        yield Finding(line, "teams", "no rule uses this team, and it gives no role", is_warning=True)


def _groups(file: PolicyFile) -> Iterator[Finding]:
    groups = {each.subject for each in file.policy.mappings if each.is_group}
    if len(groups) > MOST_GROUPS:
        text = (
            f"{len(groups)} user groups have roles here. Each decision reads all of them, and Slack answers about 20 "
            f"such questions a minute: name people, or at most {MOST_GROUPS} groups"
        )
        yield Finding(file.tree.line(("roles", "mappings")), "roles", text, is_warning=True)
    elif len(file.policy.apart) > MOST_GROUPS:
        text = (
            f"the file names {len(file.policy.apart)} user groups. `same group` reads all of them for each decision, "
            f"and Slack answers about 20 such questions a minute: name at most {MOST_GROUPS}"
        )
        yield Finding(1, "rules", text, is_warning=True)


def _elsewhere(table: Table, mapping: RoleMapping) -> str:
    """The kinds of keys that the role is for, if its scope has none of them; else ""."""
    row = table.rows.get(mapping.role)
    if row is None or (table.own_anywhere and row.whose is not Whose.OTHERS):
        return ""  # with this table, any role is enough for a person's own keys
    elements = [element.partition("=")[0] for element in mapping.scope.split("/")]
    here = {kind for kind in PLACED if kind.row.element == elements[-1]}
    if elements == ["environment"]:
        here = {*PLACED}
    if elements[-1] == Kind.KAFKA.row.element:
        here.add(Kind.KSQLDB)  # ksqlDB runs on a Kafka cluster
    is_elsewhere = bool(here) and row.kinds.isdisjoint(here)
    return listed([kind.row.label for kind in Kind if kind in row.kinds], "and") if is_elsewhere else ""


def _gives_all_of(wide: RoleMapping, narrow: RoleMapping) -> bool:
    outlasts = wide.until is None or (narrow.until is not None and wide.until >= narrow.until)
    return (
        outlasts
        and (wide.subject, wide.role) == (narrow.subject, narrow.role)
        and (wide.scope in {"", narrow.scope} or narrow.scope.startswith(f"{wide.scope}/"))
    )


_IMPOSSIBLE = (
    f"{listed([kind for kind in Kind if kind.row.is_wide], 'and')} keys have no environment or cluster, "
    "a cluster ID belongs to one kind, and only `create` can have a new service account"
)
