"""What is taken for granted about Slack and Confluent is written down, with a source and its place in the code."""

from collections import Counter

import pytest

from tools.evidence import PAGE, Entry, entries, page, problems

GOOD: Entry = {
    "id": "slack.some-habit",
    "claim": "Slack does something.",
    "where": "bot/slack/payloads/read.py: def suggestion",
    "source": "slackapi/bolt-js#660",
    "verdict": "TRUE",
}


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.get("id", "?"))
def test_an_entry_has_a_source_a_verdict_and_its_place(entry: Entry) -> None:
    assert problems(entry) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": " "},
        {"source": "unknown"},
        {"source": "no outside source found"},
        {"claim": ""},
        {"verdict": "FALSE"},
        {"verdict": "UNKNOWN", "either": "Both work."},
        {"verdict": "UNKNOWN", "settled_by": "slack.some-step"},
        {"where": "bot/slack/payloads/read.py: def gone"},
        {"where": "bot/slack/gone.py: def suggestion"},
        {"where": "bot/slack/payloads/read.py"},
        {"id": "Slack.Habit"},
        {"quoted": "a sentence of theirs"},
    ],
)
def test_the_check_finds_what_is_wrong(wrong: Entry) -> None:
    assert problems(GOOD) == []
    assert problems(GOOD | wrong)


def test_each_entry_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(each["id"] for each in entries()).items() if times > 1] == []


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(entries()), "run `python tools/evidence.py`"
