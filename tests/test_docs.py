"""What is written down is true: settings, the demo, decisions, and what the manifest promises."""

import re
from pathlib import Path

import pytest
import yaml

from bot.settings import Settings
from bot.slack.payloads import ids
from sandbox.__main__ import STORY

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
HOW_TO = (ROOT / "docs" / "how-to.md").read_text()
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def test_every_setting_is_in_the_readme() -> None:
    assert [name for name in map(str.upper, Settings.model_fields) if f"`{name}`" not in README] == []


def test_the_readme_is_short_and_its_demo_comes_first() -> None:
    assert len(README.split()) <= 500
    assert "make sandbox" in "\n".join(README.splitlines()[:30])


def test_nothing_tells_anybody_to_install_latchkey_from_an_index() -> None:
    """The name `latchkey` is another project's there, into whose hands every token would come."""
    folders = ("", "bot/**/", "handlers/**/", "sandbox/**/", "tools/**/", "docs/**/", "deploy/**/", ".ci/**/")
    texts = [path for folder in folders for path in ROOT.glob(f"{folder}*") if path.is_file()]
    by_name = re.compile(
        r"""\b(?:install|add|run|get)\s[^\n]*(?:['"\s=]|^)latchkey(?:-confluent)?(?:\[|==|['"\s]*$)""", re.MULTILINE
    )

    assert by_name.search("pip install 'latchkey[embedded]'")
    assert by_name.search("uv pip install --upgrade latchkey")
    assert {"README.md", "Dockerfile", "embedded.py", "keys.md", "run"} <= {path.name for path in texts}
    written = [path for path in texts if path.suffix != ".pyc" and by_name.search(path.read_text("utf-8", "replace"))]
    assert written == []


def test_the_readme_tells_the_story_that_the_sandbox_prints() -> None:
    steps = [line.strip() for line in STORY.splitlines() if re.match(r" +\d\.", line)]

    assert len(steps) == 3
    assert [step for step in steps if step not in README] == []


def test_links_in_the_readme_lead_somewhere() -> None:
    linked = [name for name in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in name]

    assert linked
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_pictures_are_small_and_all_of_them_are_in_the_readme() -> None:
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())

    assert [each.name for each in pictures] == ["card.webp", "secret.webp"]
    assert all(each.stat().st_size <= 60_000 for each in pictures)
    assert [each.name for each in pictures if f"(docs/pictures/{each.name})" not in README] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_short_and_names_the_check_that_holds_it(decision: Path) -> None:
    text = decision.read_text()
    checks = re.findall(r"`(tests/[\w/.]+)`", text)

    assert len(text.splitlines()) <= 45
    for part in ("## Context", "## Decision", "## Consequences", "## Alternatives", "## The check that enforces it"):
        assert part in text
    assert checks
    assert [name for name in re.findall(r"`(test_\w+\.py)`", text) if not list((ROOT / "tests").rglob(name))] == []
    assert [check for check in checks if not (ROOT / check).exists()] == []


def test_every_failure_names_a_test_that_is_there() -> None:
    lines = (ROOT / "docs" / "failures.md").read_text().splitlines()
    rows = [line for line in lines if re.match(r"\| [FTRU]\d+(, [TR]\d+)* \|", line)]
    named = [set(re.findall(r"`(test_\w+)`", row)) for row in rows]
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    ids = [id_ for row in rows for id_ in re.findall(r"[FTRU]\d+", row.split("|")[1])]
    assert len(ids) == len(set(ids))
    assert [sum(id_.startswith(each) for id_ in ids) for each in "FU"] == [44, 22]
    assert all(named)
    assert sorted(set().union(*named) - set(re.findall(r"def (test_\w+)", written))) == []


def test_the_map_leads_to_files_and_folders_that_are_there() -> None:
    named = re.findall(r"`((?:bot|handlers|sandbox|tests|docs)/[\w/.]*)`", f"{ARCHITECTURE} {HOW_TO}")

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_recipe_is_short_and_names_what_fails_first() -> None:
    recipes = re.split(r"^## ", HOW_TO, flags=re.MULTILINE)[1:]

    assert len(recipes) >= 9
    assert [each.splitlines()[0] for each in recipes if len([*filter(str.strip, each.splitlines())]) > 11] == []
    assert [each.splitlines()[0] for each in recipes if not re.search(r"`tests/[\w/]+\.py`", each)] == []


def test_twenty_questions_of_where_to_change_something_have_a_file() -> None:
    section = ARCHITECTURE.partition("## Where do I change …")[2].partition("## ")[0]
    rows = section.strip().splitlines()[2:]

    assert len(rows) == 20
    assert [row for row in rows if not re.search(r"`bot/[\w/]+\.py`", row)] == []


def test_the_manifest_names_the_command_and_the_shortcut_that_have_listeners() -> None:
    features = yaml.safe_load((ROOT / "app-manifest.yml").read_text())["features"]

    assert [each["command"] for each in features["slash_commands"]] == [ids.COMMAND]
    assert [each["callback_id"] for each in features["shortcuts"]] == [ids.SHORTCUT_CREATE, ids.SHORTCUT_LEAKED]
