"""What a run says at its end: also what did not happen in it, which it shows nothing about."""

from collections import Counter
from pathlib import Path

from bot.domain.audit import Action
from chaos.__main__ import LONG, MEETS, never, unmet
from chaos.run import Run
from tests.chaos.test_invariants import an_end, lines


def test_what_nobody_did_or_only_gave_up_is_said() -> None:
    deeds = ["create", "report a leak", "delete a leaked key"]
    done = Counter({"create: kafka sent": 3, "create: given up": 1, "report a leak: given up": 2})
    every = Counter(dict.fromkeys(map(str, Action), 1))

    assert never(deeds, done, every) == ["delete a leaked key", "report a leak"]
    assert never([], done, every - Counter({str(Action.BINDING_CREATED): 1})) == [Action.BINDING_CREATED]


def test_a_long_run_in_which_nothing_of_a_kind_happened_fails(tmp_path: Path) -> None:
    all_but_one = an_end(lines=lines(*((each, {}) for each in MEETS[1:])))
    for seconds, missing in ((LONG, [MEETS[0]]), (LONG - 1, [])):
        assert unmet(Run(1, seconds, tmp_path, recorded=all_but_one)) == missing
    assert unmet(Run(1, LONG, tmp_path, recorded=an_end(lines=lines(*((each, {}) for each in MEETS))))) == []
