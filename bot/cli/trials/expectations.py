"""The format of the file for `latchkey policy test`, and the check of each case."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from bot.cli.explanation import in_short
from bot.domain.decision import Allowed, Forbidden
from bot.domain.keys import Operation
from bot.domain.kinds import Kind
from bot.domain.policy import MOST_APPROVALS
from bot.policyfile.complaints import ANY, Parts
from bot.policyfile.model import Part
from bot.policyfile.words import Name, OneOrMany, Switch, shown
from bot.services.people.approvers import Someone
from bot.services.people.explain import Explanation

_WORDS = ("allowed", "forbidden", "impossible")


def _expected(value: object) -> object:
    if value in _WORDS or (type(value) is int and 1 <= value <= MOST_APPROVALS):
        return value
    known = f"{', '.join(_WORDS)}, or a number of approvals, 1 to {MOST_APPROVALS}"
    raise ValueError(f"{shown(value)} isn't a decision: write {known}")


Expected: TypeAlias = Annotated[Literal["allowed", "forbidden", "impossible"] | int, BeforeValidator(_expected)]


class CasePart(Part):
    """One request, described as for `policy explain`, and what is expected of it."""

    name: Name | None = Field(None, description="What the case is about.")
    user: str = Field(description="The requester: an email address, or u-….")
    operation: Operation = Field(Operation.CREATE, description="create, edit, rotate, delete or extend.")
    kind: Kind = Field(description=f"The kind of key, one of {', '.join(Kind)}.")
    resource: str = Field("", description="A cluster, or a region such as aws.us-east-1.")
    environment: str = Field("", description="The environment of the resource; looked up if omitted.")
    owner: str = Field(description="me, new, or a service account's ID or name.")
    access: OneOrMany[str] | tuple[()] = Field((), description="Access as in the form, such as 'Write topics=orders-'.")
    also: str = Field("", description="The Schema Registry whose key is requested together with the Kafka key.")
    break_glass: Switch = Field(default=False, description="Whether break-glass is used: true or false.")
    expect: Expected = Field(
        description="allowed, forbidden, the number of approvals that it needs, or impossible: "
        "it needs approvals that too few people could give."
    )
    rule: Name | None = Field(None, description="The name of the rule that decides, or of one of the two for a pair.")
    approvers: OneOrMany[str] | tuple[()] = Field((), description="People who must be able to approve.")
    not_approvers: OneOrMany[str] | tuple[()] = Field((), description="People who must not be able to approve.")

    @property
    def title(self) -> str:
        """The case's name, or else its request in words."""
        what = " ".join(filter(None, [self.operation, self.kind, self.resource, self.also and f"and {self.also}"]))
        return self.name or f"{self.user}, {what}, owner {self.owner}"


class CasesPart(Part):
    """The whole file."""

    version: Literal[1] = Field(description="The version of this format: 1.")
    cases: Annotated[tuple[CasePart, ...], Field(min_length=1)] = Field(description="A list of requests.")


PARTS: Parts = {(): CasesPart, ("cases", ANY): CasePart}


def complaints(case: CasePart, explanation: Explanation, named: Mapping[str, Someone]) -> Iterator[str]:
    """Yield what isn't as expected. `named` has the people whom the case names, by the words that it uses for them."""
    found = _found(explanation)
    if found != case.expect:
        yield f"expected {_decision(case.expect)}, found: {in_short(explanation.verdict, explanation.most)}"
    rule = explanation.rule.name if explanation.rule else ""
    if case.rule not in {None, rule, *(each.name for each in explanation.rules)}:
        yield f"expected the rule {shown(case.rule)}, but {f'{shown(rule)} decides' if rule else 'none matches'}"
    able = {each.someone.person.principal for each in explanation.able}
    for word in case.approvers:
        if named[word].principal not in able:
            yield f"{word} can't approve it"
    for word in case.not_approvers:
        if named[word].principal in able:
            yield f"{word} can approve it"


def _found(explanation: Explanation) -> str | int:
    match explanation.verdict:
        case Allowed():
            return "allowed" if explanation.is_possible else "impossible"
        case Forbidden():
            return "forbidden"
        case verdict:
            return verdict.missing if explanation.is_possible else "impossible"


def _decision(expected: str | int) -> str:
    return expected if isinstance(expected, str) else "1 approval" if expected == 1 else f"{expected} approvals"
