"""`latchkey policy test`: checks that a policy decides the requests in a file as expected.

Exit codes: 0 all are as expected, 1 some aren't or a file is wrong, 2 it can't be checked.

Imports are inside the functions, as in `bot.cli.main`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.explain import (
    AsJson,
    ByPolicy,
    CardsIn,
    OnSnapshot,
    Question,
    Sources,
    answer,
    explainer,
    finished,
    opened,
    print_json,
    reached,
)
from bot.cli.terminal import fail

if TYPE_CHECKING:
    from bot.cli.trials.expectations import CasePart, CasesPart
    from bot.policyfile.tree import Tree
    from bot.services.people.explain import Explainer


@dataclass(frozen=True, slots=True)
class Tried:
    """A case that was checked.

    Its line in the file, the decision as in `explain --json`, and what wasn't as expected.
    """

    line: int
    case: "CasePart"
    decided: dict[str, object]
    complaints: tuple[str, ...]

    @property
    def as_json(self) -> dict[str, object]:
        """The case for `--json`. These keys never change."""
        return {
            "name": self.case.title,
            "line": self.line,
            "passed": not self.complaints,
            "expected": self.case.expect,
            "problems": list(self.complaints),
            **self.decided,
        }


def check_cases(
    file: Annotated[Path, typer.Argument(help="The cases, in YAML.")],
    *,
    policy: ByPolicy = None,
    snapshot: OnSnapshot = None,
    channel: CardsIn = "",
    as_json: AsJson = False,
) -> None:
    """Check that a policy decides the requests in FILE as expected.

    Exits with 0 if all are as expected, with 1 if some aren't or a file is wrong, and with 2 if they can't be checked.
    """
    from bot.policyfile import PolicyError

    try:
        cases, tree = _read(file)
        _policy_reads(policy, channel)
    except PolicyError as error:
        _print([str(error)], {"passed": False, "problems": list(error.problems), "cases": []}, as_json=as_json)
        raise typer.Exit(1) from None
    tried = finished(lambda: _all_tried(cases, tree, reached(Sources(policy, snapshot, channel))))
    wrong = [each for each in tried if each.complaints]
    lines = [f"{file}:{each.line}: {each.case.title}: {what}" for each in wrong for what in each.complaints]
    counted = "1 case" if len(tried) == 1 else f"{len(tried)} cases"
    told = f"{counted}: {f'{len(wrong)} not as expected' if wrong else 'all as expected'}."
    answers = {"passed": not wrong, "problems": lines, "cases": [each.as_json for each in tried]}
    _print([*lines, told], answers, as_json=as_json)
    raise typer.Exit(1 if wrong else 0)


def _read(file: Path) -> "tuple[CasesPart, Tree]":
    """Read the cases. Ends the program if the file can't be read; raises `PolicyError` if it's wrong."""
    from bot.cli.trials.expectations import PARTS, CasesPart
    from bot.policyfile.document import document

    return document(_content(file), CasesPart, PARTS, str(file))


def _policy_reads(policy: Path | None, channel: str) -> None:
    """Raise `PolicyError` if the policy file is wrong. Ends the program if it can't be read."""
    from bot.policyfile import parse

    if policy is not None:
        parse(_content(policy), default_channel=channel, name=str(policy))


def _content(file: Path) -> bytes:
    from bot.policyfile import PolicyError
    from bot.policyfile.reading import content

    try:
        return content(file)
    except PolicyError as error:
        fail(str(error))


async def _all_tried(cases: "CasesPart", tree: "Tree", sources: Sources) -> list[Tried]:
    from datetime import UTC, datetime

    from bot.cli.snapshot import AskedOnce, SnapshotCloud, observe

    async with opened(sources) as found:
        who = found
        if sources.live is not None:  # ask for everything once, for all cases
            cloud = SnapshotCloud(await observe(found.cloud, datetime.now(UTC)))
            who = explainer(cloud, AskedOnce(found.people), found.tenant, found.policy)
        return [await _tried(who, tree.line(("cases", index)), case) for index, case in enumerate(cases.cases)]


async def _tried(who: "Explainer", line: int, case: "CasePart") -> Tried:
    from html import unescape

    from bot.cli.explanation import decided
    from bot.cli.trials.expectations import complaints
    from bot.domain.errors import NotFound

    place = (case.kind, case.resource, case.owner, case.environment)
    question = Question(case.user, case.operation, *place, case.access, case.also, case.break_glass)
    nothing: dict[str, Any] = {"decision": None, "possible": False, "missing": 0, "reason": "", "rule": None}
    try:
        explanation = await answer(who, question)
        named = {word: await who.find(word) for word in (*case.approvers, *case.not_approvers)}
    except NotFound as error:
        return Tried(line, case, nothing, (unescape(error.tell),))
    return Tried(line, case, decided(explanation), tuple(complaints(case, explanation, named)))


def _print(lines: list[str], answers: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(answers)
    else:
        typer.echo("\n".join(lines))
