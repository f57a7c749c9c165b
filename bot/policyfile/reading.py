"""Turns a policy file into a `Policy`, or into a list of everything that is wrong with it, line by line."""

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bot.domain.access import OFFERS, ROLES_ON, Offer
from bot.domain.approvals import NOBODY, Ticket
from bot.domain.conditions import Condition
from bot.domain.errors import listed
from bot.domain.keys import Operation, Principal, SlackUserId
from bot.domain.policy import REMIND, BreakGlass, Match, Policy, Review, RoleMapping, Rule, Selector, built_in
from bot.domain.roles import ACCOUNT_ADMIN, TABLES, Table
from bot.policyfile.complaints import POLICY
from bot.policyfile.conditions import too_many
from bot.policyfile.document import PolicyError, draft, raise_for
from bot.policyfile.model import (
    ApproversPart,
    BreakGlassPart,
    Conditions,
    FilePart,
    MatchPart,
    RulePart,
    TeamPart,
    TicketPart,
    key_of,
)
from bot.policyfile.teams import PREFIX, Teams
from bot.policyfile.tree import MOST_BYTES, KeyPath, Problem, Tree
from bot.policyfile.words import MOST_TOLD, shown, ticket_pattern


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A valid policy file."""

    name: str
    policy: Policy
    tree: Tree
    rules: int
    """How many rules the file has. The rules after these in `policy` are built in."""
    mapped: tuple[KeyPath, ...] = ()
    """The place in the file of each mapping in `policy`."""
    teams: tuple[TeamPart, ...] = ()
    unused: tuple[int, ...] = ()
    """The positions of teams that nothing uses."""

    def mapping_line(self, index: int, key: str = "") -> int:
        """The line of a mapping in `policy`, or of one of its keys."""
        return self.tree.line((*self.mapped[index], *filter(None, [key])))


def read(path: Path, *, default_channel: str) -> PolicyFile:
    """Read a policy file. `default_channel` is where cards go if the file names no channel; "" for none.

    Raises `PolicyError`.
    """
    return parse(content(path), default_channel=default_channel, name=str(path))


def content(path: Path) -> bytes:
    """The bytes of a policy file, at most one more than `MOST_BYTES`. Raises `PolicyError` if it can't be read."""
    try:
        if not path.is_file():  # reading a pipe could block
            reason = "it is not a file" if path.exists() else "no such file"
            raise PolicyError([f"{path}: can't be read: {reason}"])
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PolicyError([f"{path}: can't be read: {getattr(error, 'strerror', None) or error}"]) from None


def parse(data: bytes, *, default_channel: str, name: str = "policy") -> PolicyFile:
    """Parse the bytes of a policy file; see `read`. `name` is the file's name in messages. Raises `PolicyError`."""
    found = draft(data, FilePart, POLICY, name)
    if found.part is None:
        raise_for(name, found.problems)
        raise AssertionError("what can't be read has a problem")
    build = _Build(found.part, found.tree, default_channel)
    policy = build.policy()
    more = [each for each in build.problems if not any(_hides(wrong, each) for wrong in found.problems)]
    raise_for(name, [*found.problems, *more])
    policy = replace(policy, digest=digest_of(data))
    return PolicyFile(
        name, policy, found.tree, len(found.part.rules), build.mapped, found.part.teams, build.unused_teams()
    )


def digest_of(data: bytes) -> str:
    """The first 12 hexadecimal digits of the file's SHA-256, which identify its version."""
    return hashlib.sha256(data).hexdigest()[:12]


def _hides(wrong: Problem, other: Problem) -> bool:
    """Whether the other problem may only follow from this one, for example because both are in one rule."""
    where, there = wrong.place, other.place
    if where[:1] == ("defaults",):
        return where[-1] in _FOLLOWS.get(there[-1:], ())
    if where[:1] == there[:1] == ("roles",):
        return where[:2] == ("roles", "table") or where[:3] == there[:3]
    return bool(where) and where[:2] == there[:2]


class _Build:
    """Builds the policy, and collects problems that show only when the parts are combined."""

    def __init__(self, file: FilePart, tree: Tree, default_channel: str) -> None:
        self.file = file
        self.tree = tree
        self.channel = file.channel or default_channel
        self.problems: list[Problem] = []
        self.teams = Teams(file.teams)
        self.mapped: tuple[KeyPath, ...] = ()

    def policy(self) -> Policy:
        """The whole policy. Usable only if there are no problems."""
        if not self.channel:
            self._wrong(("channel",), "no channel is named: add `channel: C…`, or set LATCHKEY_CHANNEL")
        base = self._defaults()
        last = built_in(base)
        self._names(last)
        mappings = [*self._mappings(), *self.teams.mappings()]
        self.mapped = tuple(place for _, place in mappings)
        found = Policy(
            rules=tuple(self._rule(base, part, index) for index, part in enumerate(self.file.rules)) + last,
            table=self._table(),
            mappings=tuple(mapping for mapping, _ in mappings),
            people=self._people(),
            review=self._review(),
            open_requests=self.file.open_requests,
            delete_orphans_after=self._orphans(),
            offers=self._offers(),
            team_groups=self.teams.groups,
        )
        for place, text in self.teams.complaints:
            self._wrong(place, text)
        return found

    def unused_teams(self) -> tuple[int, ...]:
        """The positions of teams that no rule names and that give no role."""
        parts = enumerate(self.file.teams)
        return tuple(index for index, part in parts if part.name not in self.teams.used and not part.role)

    def _mappings(self) -> Iterator[tuple[RoleMapping, KeyPath]]:
        for index, part in enumerate(self.file.roles.mappings):
            place: KeyPath = ("roles", "mappings", index)
            team = self.teams.spelled_out([f"{PREFIX}{part.team}"], "team", (*place, "team")) if part.team else ()
            for subject in team or filter(None, [part.user or part.group]):
                yield RoleMapping(subject, part.role, part.scope, part.until), place

    def _wrong(self, place: KeyPath, text: str) -> None:
        found = self.tree.problem(place, text)
        self.problems.append(found)

    def _defaults(self) -> Rule:
        rule = replace(Rule("", Match(), self.channel), **self._terms(self.file.defaults, ("defaults",)))
        rule = replace(rule, otherwise=max(rule.approvals, 1))
        return self._completed(rule, self.file.defaults, ("defaults",))

    def _rule(self, base: Rule, part: RulePart, index: int) -> Rule:
        place: KeyPath = ("rules", index)
        if part.forbid is not None:
            for name in sorted(part.model_fields_set - {"name", "match", "forbid", "until"}):
                self._wrong((*place, key_of(name)), "has no effect in a rule that forbids: leave it out")
        rule = replace(
            base,
            name=part.name,
            match=self._match(part.match, (*place, "match")),
            channel=part.channel or base.channel,
            forbid=part.forbid or "",
            until=part.until,
            **self._terms(part, place),
            **_ticket(part.ticket),
            break_glass=self._break_glass(part.break_glass, (*place, "break_glass")),
            approvers=self._approvers(part.approvers, (*place, "approvers")),
        )
        if rule.ticket and rule.ticket.example and not rule.fits(rule.ticket.example):
            self._wrong((*place, "ticket", "example"), f"{shown(rule.ticket.example)} doesn't match `pattern`")
        if part.leaked and rule.match.by:
            self._wrong(
                (*place, "leaked"), "has no effect in a rule with `by`, because no one requests it: leave it out"
            )
        said = [key for key in ("else", "unless_manager") if (*place, key) in self.tree.lines]
        if rule.approvals and not rule.forbid:
            for key in said:
                self._wrong((*place, key), "has no effect unless the rule's `approvals` is 0: leave it out")
        done = self._completed(rule, part, place)
        if done.approvers and (few := too_many(done)):
            self._wrong((*place, "approvers", "one_of"), few)
        return done

    def _terms(self, part: Conditions, place: KeyPath) -> dict[str, Any]:
        """The terms that this part of the file sets itself."""
        said = {name: getattr(part, name) for name in Conditions.model_fields if name not in _APART}
        given = {name: value for name, value in said.items() if value is not None}
        if part.notify:
            given["notify"] = self._told(part.notify, (*place, "notify"))
        words = {"lifetime": ("unlimited", None), "confirm": ("none", "")}
        return given | {name: value for name, (word, value) in words.items() if given.get(name) == word}

    def _told(self, words: Sequence[str], place: KeyPath) -> tuple[str, ...]:
        found = self.teams.spelled_out(words, "notify", place)
        if len(found) > MOST_TOLD:
            self._wrong(place, f"names {len(found)} with the members of its teams: at most {MOST_TOLD}")
        return found

    def _completed(self, rule: Rule, part: Conditions, place: KeyPath) -> Rule:
        """The rule with the settings that depend on several keys."""
        return replace(rule, remind=self._remind(rule, part, place), otherwise=self._otherwise(rule, part, place))

    def _otherwise(self, rule: Rule, part: Conditions, place: KeyPath) -> int | None:
        """How many must approve for people who don't manage the key; None refuses them."""
        if part.unless_manager is None:
            return rule.otherwise if part.otherwise is None else part.otherwise
        if part.otherwise is not None:
            self._wrong((*place, "else"), "and `unless_manager: forbid` can't be combined: keep one")
        return None

    def _remind(self, rule: Rule, part: Conditions, place: KeyPath) -> tuple[timedelta, ...]:
        """The reminders of a rule. Of inherited ones, only those before `pending` ends."""
        if part.remind is None:
            said = self.file.defaults.remind
            usual = () if rule.notify == NOBODY else REMIND  # `notify: none` without times means no reminders
            return tuple(each for each in (usual if said is None else said) if each < rule.pending)
        if any(after <= before for before, after in itertools.pairwise(part.remind)):
            self._wrong((*place, "remind"), "the times must increase, like [2h, 8h]")
        elif part.remind and part.remind[-1] >= rule.pending:
            self._wrong((*place, "remind"), "the last reminder must come before `pending` ends")
        return part.remind

    def _match(self, part: MatchPart, place: KeyPath) -> Match:
        def ids(key: str) -> frozenset[str]:
            return frozenset(self.teams.spelled_out(getattr(part, key) or (), key, (*place, key)))

        return Match(
            operations=frozenset(map(Operation, part.operation or ())),
            kinds=frozenset(part.kind or ()),
            environments=ids("environment"),
            clusters=ids("cluster"),
            owners=ids("owner"),
            by=Selector.of(*ids("by")),
        )

    def _break_glass(self, part: BreakGlassPart | None, place: KeyPath) -> BreakGlass | None:
        if part is None:
            return None
        by = Selector.of(*self.teams.spelled_out(part.by, "by", (*place, "by")))
        return BreakGlass(by, part.lifetime, self._told(part.notify, (*place, "notify")))

    def _approvers(self, part: ApproversPart | None, place: KeyPath) -> Condition | None:
        if part is None:
            return None
        if part.one_of is None and part.barred is None and not part.distinct:
            self._wrong(place, "says nothing: add `one_of` or `not`, or leave it out")
        if part.distinct and part.one_of is None:
            self._wrong((*place, "distinct"), "has no effect without `one_of`: add it, or leave it out")
        parties = [self.teams.party(word, (*place, "one_of")) for word in part.one_of or ()]
        for key, words in (("one_of", part.one_of or ()), ("not", part.barred or ())):
            for word in dict.fromkeys(word for at, word in enumerate(words) if word in words[:at]):
                self._wrong((*place, key), f"names {shown(word)} twice: keep one")
        return Condition(tuple(parties), tuple(sorted(part.barred or ())), is_distinct=part.distinct)

    def _names(self, last: tuple[Rule, ...]) -> None:
        known = {rule.name: "a built-in rule" for rule in last}
        for index, part in enumerate(self.file.rules):
            place: KeyPath = ("rules", index, "name")
            if part.name in known:
                self._wrong(
                    place, f"{shown(part.name)} is also the name of {known[part.name]}: give each rule its own name"
                )
            known.setdefault(part.name, f"the rule in line {self.tree.line(place)}")

    def _table(self) -> Table:
        roles, table = self.file.roles, TABLES[self.file.roles.table]
        known = table.roles | {ACCOUNT_ADMIN}
        for index, role in enumerate(roles.new_accounts or ()):
            if role not in known:
                self._wrong(("roles", "new_accounts", index), _unknown_role(role, table, known))
        if roles.new_accounts is not None:
            table = replace(table, creates_accounts=frozenset(roles.new_accounts))
        given: list[tuple[KeyPath, str]] = [
            (("roles", "mappings", index), each.role) for index, each in enumerate(roles.mappings)
        ]
        given += [(("teams", index), each.role) for index, each in enumerate(self.file.teams) if each.role]
        for place, role in given:
            if role not in table.roles:
                self._wrong((*place, "role"), _unknown_role(role, table, table.roles))
        return replace(table, people_only=True) if roles.people_only else table

    def _review(self) -> Review | None:
        part = self.file.review
        if part is None:
            return None
        usual = Review(part.channel or self.channel)
        return replace(usual, every=part.every or usual.every, older_than=part.older_than or usual.older_than)

    def _offers(self) -> tuple[Offer, ...]:
        """The access that can be requested: the file's list, or the built-in one."""
        if self.file.grants is None:
            return OFFERS
        known = dict[str, int]()
        for index, part in enumerate(self.file.grants):
            place: KeyPath = ("grants", index)
            roles = sorted(ROLES_ON[part.on])
            if part.role not in roles:
                can = listed(roles, "or")
                self._wrong((*place, "role"), f"{shown(part.role)} can't be offered on {part.on}: {can} can")
            if part.name in known:
                self._wrong((*place, "name"), f"{shown(part.name)} is in line {known[part.name]} already: rename one")
            known.setdefault(part.name, self.tree.line(place))
            if part.prefix and not Offer(part.name, part.role, part.on).takes_name:
                self._wrong((*place, "prefix"), f"has no effect on {part.on}, which takes no name: leave it out")
        return tuple(Offer(each.name, each.role, each.on, prefix=each.prefix) for each in self.file.grants)

    def _orphans(self) -> timedelta | None:
        part = self.file.orphaned_keys
        if part is None:
            return None
        after = part.delete_after or Policy(()).delete_orphans_after
        if after is not None and after < timedelta(days=1):
            self._wrong(("orphaned_keys", "delete_after"), "is too short: they are reported once a day, so at least 1d")
        return after

    def _people(self) -> dict[SlackUserId, Principal]:
        found = dict[SlackUserId, Principal]()
        for index, part in enumerate(self.file.people):
            user = SlackUserId(part.slack)
            if user in found:
                self._wrong(("people", index), f"{user} is in this list already, as {found[user]}: keep one line")
            found.setdefault(user, Principal(part.confluent))
        return found


_APART = {"otherwise", "unless_manager"}
"""The fields that `_Build._otherwise` reads."""
_FOLLOWS: Mapping[KeyPath, Collection[str]] = {
    ("remind",): {"pending", "remind", "notify"},
    ("else",): {"approvals"},
    ("unless_manager",): {"approvals"},
}
"""For each key of a rule, the keys in `defaults` that a mistake in it may follow from."""


def _ticket(part: TicketPart | None) -> dict[str, Any]:
    """A rule's settings about tickets."""
    if part is None:
        return {}
    ticket = Ticket(part.pattern, part.url or "", part.required, part.example or "")
    return {"ticket": ticket, "fits": ticket_pattern(part.pattern).isinstance_python}


def _unknown_role(role: str, table: Table, known: Iterable[str]) -> str:
    other = next((each.name for each in TABLES.values() if role in each.rows), None)
    near = get_close_matches(role, sorted(known), n=1, cutoff=0)
    right = f'only in "{other}": set `table`, or use another role' if other else f"did you mean {near[0]}?"
    return f'{shown(role)} is not in the role table "{table.name}": {right}'
