"""What holds for every policy file."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide
from bot.domain.keys import MyAccount, Operation
from bot.domain.kinds import Kind
from bot.domain.policy import RULED
from bot.domain.requests import Ask
from bot.policyfile import PolicyError, check, parse
from tests.policy.written import examples, file
from tests.support.build import ACCOUNT, CLOUD, CLUSTER, DANA, ERIN, an_approval, an_ask, crn, holding

PIECES = st.sampled_from(
    ["version: 1\n", "channel: C1\n", "rules:\n", "- name: a\n", "  match: {", "}", "[", "]", ": ", "- ", "\n  ", '"',
     "'", "\\", "\\U", "!!", "!", "&a ", "*a ", "<<", "? ", "|\n", ">-\n", "#", "---\n", "...\n", "%YAML 1.1\n",
     "%TAG ", "\t", "\x85", "\ufeff", "~", "0x1F", "1:99", ".inf", "on", "approvals", "kind", "kafka", "{{"]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))


def outcome(content: bytes) -> str:
    """What becomes of a file: its rules, or why it is refused. Never anything else."""
    try:
        file = parse(content, default_channel="C1")
    except PolicyError as error:
        return str(error)
    findings = [each.written("file") for each in check(file)]
    return str([file.policy.rules, *findings])


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@given(TEXTS)
@example("\ud800")
@example('"\\UFFFFFFFF"')
@example("[" * 5000)
def test_any_text_loads_or_is_refused_with_reasons(text: str) -> None:
    assert outcome(as_bytes(text))


@given(st.data())
def test_a_file_with_a_slip_loads_or_is_refused_with_reasons(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(examples()))
    start = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 20))

    assert outcome(as_bytes(text[:start] + data.draw(TEXTS) + text[start + cut :]))


@given(st.binary(max_size=50))
def test_any_bytes_load_or_are_refused_with_reasons(content: bytes) -> None:
    assert outcome(content)


# --- forbidding -------------------------------------------------------------------------------------------------------


def words(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "operation": words(*RULED),
        "kind": words(*Kind),
        "environment": words("env-dev001", "env-prod01"),
        "cluster": words("lkc-dev001", "lkc-prod01"),
        "owner": words("me", "service-account", "new-service-account", str(ACCOUNT.id)),
    },
)
RULES = st.one_of(
    st.fixed_dictionaries({"match": MATCHES, "approvals": st.integers(0, 3)}),
    st.fixed_dictionaries({"match": MATCHES, "forbid": st.just("No.")}),
)
ASKS = st.builds(
    an_ask,
    operation=st.sampled_from(Operation),
    owner=st.sampled_from([ACCOUNT, MyAccount(DANA.principal)]),
    resource=st.sampled_from([CLUSTER, CLOUD]),
)


ADMIN = ("OrganizationAdmin", crn())


def rank(verdict: Verdict) -> tuple[int, int]:
    """How much a verdict allows: a larger one allows more."""
    match verdict:
        case Forbidden():
            return 0, 0
        case NeedsApproval(missing=missing):
            return 1, -missing
        case Allowed():
            return 2, 0


@pytest.mark.search
@given(st.data(), st.lists(RULES, max_size=4), ASKS, st.frozensets(st.sampled_from(["requester", "approver"])))
def test_a_rule_that_forbids_allows_nothing_more_wherever_it_stands(
    data: st.DataObject, rules: list[dict[str, object]], ask: Ask, admins: frozenset[str]
) -> None:
    where = data.draw(st.integers(0, len(rules)))
    forbidding: dict[str, object] = {"match": data.draw(MATCHES), "forbid": "Never."}

    def decided(written: list[dict[str, object]]) -> Verdict:
        named = [{"name": f"rule {index}", **rule} for index, rule in enumerate(written)]
        policy = file(json.dumps({"version": 1, "channel": "C1", "rules": named}), head="").policy
        approver = (an_approval(ERIN, ask), holding(ERIN, *[ADMIN] * ("approver" in admins)))
        return decide(policy, ask, holding(DANA, *[ADMIN] * ("requester" in admins)), [approver])

    assert rank(decided([*rules[:where], forbidding, *rules[where:]])) <= rank(decided(rules))
