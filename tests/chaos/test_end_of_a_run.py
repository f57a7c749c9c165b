"""What a run says at its end: also what did not happen in it, which it shows nothing about."""

from collections import Counter

from bot.domain.audit import Action
from chaos.__main__ import never


def test_what_nobody_did_or_only_gave_up_is_said() -> None:
    deeds = ["create", "report a leak", "delete a leaked key"]
    done = Counter({"create: kafka sent": 3, "create: given up": 1, "report a leak: given up": 2})
    every = Counter(dict.fromkeys(map(str, Action), 1))

    assert never(deeds, done, every) == ["delete a leaked key", "report a leak"]
    assert never([], done, every - Counter({str(Action.BINDING_CREATED): 1})) == [Action.BINDING_CREATED]
