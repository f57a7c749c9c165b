"""What people read, all of it (`python -m tests.texts`): no word of it is one that reads as translated."""

from tests.texts import banned, blocks, sources, surfaces


def test_no_text_has_a_word_that_reads_as_translated() -> None:
    assert [f"{place}: {', '.join(words)}: {text}" for place, text, words in banned.findings()] == []


def test_the_page_has_every_kind_of_surface_and_the_sentences_of_the_code() -> None:
    places = [place for place, _ in surfaces.everything()]

    wanted = {
        "pending: card",
        "ready: key",
        "view: form, filled",
        "view: home",
        "help",
        "secret, kafka",
        "review: owner",
    }
    assert wanted - set(places) == set()
    assert any(path == "handlers/errors.py" for path, _ in sources.of_python("handlers"))
    assert any(path.endswith(".js") for path, _ in sources.of_page())


def test_a_banned_word_is_found_where_a_person_reads_it() -> None:
    said = {"type": "section", "text": {"type": "mrkdwn", "text": "Somebody asks for a key."}}

    assert banned.words(blocks.read([said])) == ["asks for", "somebody"]
    assert banned.words("Someone requests a key.") == []
