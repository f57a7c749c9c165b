import pytest

from bot.domain.errors import Contradicted
from bot.store.audit.doubts import NAMED, Doubts

WHY = "revision 1 is older"


@pytest.fixture
def doubts() -> Doubts:
    return Doubts()


def doubt(doubts: Doubts, *numbers: int) -> None:
    for number in numbers:
        assert isinstance(doubts.about(f"R{number}", WHY), Contradicted)


def test_without_a_doubt_there_is_no_problem(doubts: Doubts) -> None:
    assert (len(doubts), doubts.first, doubts.problem) == (0, [], None)


def test_a_problem_says_how_many_records_and_names_the_first(doubts: Doubts) -> None:
    doubt(doubts, 1)
    assert doubts.problem == (
        "1 record contradicts the audit log, and Latchkey leaves it alone: request R1: revision 1 is older"
    )

    doubt(doubts, 2)
    assert doubts.problem == (
        "2 records contradict the audit log, and Latchkey leaves them alone: request R1: revision 1 is older"
    )


def test_a_record_counts_until_it_is_right(doubts: Doubts) -> None:
    doubt(doubts, 1, 1, 2)
    assert (len(doubts), doubts.first) == (2, ["R1", "R2"])

    doubts.none_about("R1")
    doubts.none_about("R3")
    assert (len(doubts), doubts.first) == (1, ["R2"])


def test_each_record_is_logged_once_and_only_the_first_are(doubts: Doubts, caplog: pytest.LogCaptureFixture) -> None:
    doubt(doubts, *range(NAMED + 10), *range(NAMED + 10))

    assert [vars(each)["why"] for each in caplog.records] == [f"request R{number}: {WHY}" for number in range(NAMED)]
    assert doubts.first == [f"R{number}" for number in range(NAMED)]
    assert len(doubts) == NAMED + 10


def test_of_any_number_of_records_so_many_are_remembered(doubts: Doubts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.audit.doubts._MOST", 3)

    doubt(doubts, *range(5))

    assert len(doubts) == 3
