"""Words that keep old habits out: of texts that read as translated, each of these was a sign."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from tests.texts import sources, surfaces

ANYWHERE = (
    "organisation", "somebody", "somebody's", "whoever", "by now", "any more", "no end", "what was made",
    "in the midst", "from then on", "nothing was changed",
)  # fmt: skip
"""Nobody at work says these, in a text or in a comment."""
TO_PEOPLE = (
    *ANYWHERE, "anybody", "asks for", "ask for", "asked for", "asking for", "lives on", "without an end", "handed over",
    "hand over", "take the secret", "took the secret", "taken by", "is there", "are there", "withdrawn", "is made",
    "was made", "are made", "be made", "makes the key", "is no more", "goes on", "tell whoever", "cannot be told",
    "in this very moment", "needs no more", "stays as it was", "handed to", "did not take", "at that moment",
    "will not do", "too much to do", "one's own", "has no time", "asks once more", "knows no", "gone already",
    "takes everything back", "may not run", "if left out", "wait a little", "as long as the rule allows", "lives",
)  # fmt: skip
"""These read as translated where a person is spoken to."""


def findings() -> Iterator[tuple[str, str, list[str]]]:
    """Where a banned word stands, the text, and the words."""
    to_people = chain(surfaces.everything(), sources.of_python("bot", "handlers", "sandbox"), sources.of_page())
    for banned, texts in ((TO_PEOPLE, to_people), (ANYWHERE, sources.prose())):
        for place, text in texts:
            for line in text.splitlines():
                if found := words(line, banned):
                    yield place, line, found


def words(line: str, banned: Sequence[str] = TO_PEOPLE) -> list[str]:
    """Those of the banned words that a line has, in lower case, sorted."""
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, banned))})\b", re.IGNORECASE)
    return sorted({each.casefold() for each in pattern.findall(line)})
