"""`python -m tests.texts`: the page. `--banned` prints only what a reader would stumble over, with its place."""

import sys
from collections.abc import Iterator
from itertools import chain

from tests.texts import banned, sources, surfaces


def page() -> Iterator[str]:
    """All texts, line by line."""
    yield "# Surfaces, as they are drawn"
    shown = ""
    for place, text in surfaces.everything():
        shown += text
        yield f"\n## {place}\n\n{text}"
    yield "\n# Sentences of the code that stand on none of these: errors, the command line, logs, the sandbox"
    before = ""
    for place, text in chain(sources.of_python("bot", "handlers", "sandbox"), sources.of_page()):
        if all(part.strip() in shown for part in text.split("…")):
            continue
        if place != before:
            yield f"\n## {place}\n"
        before = place
        yield f"* {text}"


def findings() -> Iterator[str]:
    """What `--banned` prints."""
    for place, text, words in banned.findings():
        yield f"{place}: {', '.join(words)}: {text}"


sys.stdout.writelines(f"{line}\n" for line in (findings() if "--banned" in sys.argv else page()))
