"""The parts of what people are told, each where it belongs."""

from datetime import timedelta

import pytest

from bot.domain.errors import Throttled, Unavailable, counted

HAPPENED = "Confluent Cloud lost track. Try again in 5 minutes is what it said."


def test_whoever_clicked_reads_all_of_it() -> None:
    error = Unavailable(HAPPENED, changed="Nothing changed.", advice="Tell Ada.", again="Try again in a minute.")

    assert error.tell == f"{HAPPENED} Nothing changed. Tell Ada. Try again in a minute."
    assert str(error) == error.tell


def test_a_message_of_latchkeys_own_leaves_out_what_is_for_a_click_and_no_word_of_what_happened() -> None:
    wait = timedelta(seconds=5)
    error = Throttled(HAPPENED, wait=wait, changed="Nothing changed.", advice="Tell Ada.", again="Click again.")

    assert error.trouble == f"{HAPPENED} Tell Ada."


@pytest.mark.parametrize(("number", "said"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (2000, "2,000 lines")])
def test_a_number_agrees_with_its_noun(number: int, said: str) -> None:
    assert counted(number, "line") == said
