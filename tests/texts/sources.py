"""The sentences of the code: each string of `bot`, `handlers` and `sandbox` that people may read, with its place.

Rendered surfaces (`surfaces`) show how texts read together; this finds also those that only a rare fault brings up.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
_SENTENCE = re.compile(r"[A-Za-z’'…]{2,}[,.:;!?]*\s+\S*[A-Za-z…]{2,}")
_JS = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`")
_COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
_TAG = re.compile(r"<[^>]*>")


def of_python(*packages: str) -> Iterator[tuple[str, str]]:
    """Every string with at least two words, but no docstring; `…` stands for what is filled in."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            skipped = {id(node) for node in _docstrings(tree)}
            for text in _strings(tree, skipped):
                if _SENTENCE.search(text):
                    yield str(path.relative_to(ROOT)), text


def of_page() -> Iterator[tuple[str, str]]:
    """The strings of the sandbox's page, in its HTML and its scripts."""
    for path in sorted((ROOT / "sandbox/slack/static").iterdir()):
        source = path.read_text("utf-8")
        match path.suffix:
            case ".html":
                found = _TAG.sub("\n", source).splitlines()
            case ".js":
                found = ["".join(groups) for groups in _JS.findall(_COMMENT.sub("", source))]
            case _:
                continue
        yield from ((str(path.relative_to(ROOT)), text.strip()) for text in found if _SENTENCE.search(text))


def prose() -> Iterator[tuple[str, str]]:
    """Everything that only engineers read: documents, docstrings and comments, a line each."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    for path in sorted(documents):
        yield from _numbered(path, path.read_text("utf-8").splitlines())
    for package in ("bot", "handlers", "sandbox", "tests", "chaos", "benchmarks", "tools"):
        for path in sorted((ROOT / package).rglob("*.py")):
            source = path.read_text("utf-8")
            lines = [""] * (source.count("\n") + 1)
            for node in _docstrings(ast.parse(source)):
                assert node.end_lineno is not None
                lines[node.lineno - 1 : node.end_lineno] = source.splitlines()[node.lineno - 1 : node.end_lineno]
            for number, line in enumerate(source.splitlines()):
                _, sign, comment = line.partition("  # ")
                if line.lstrip().startswith("# "):
                    lines[number] = line
                elif sign and not lines[number]:
                    lines[number] = comment
            yield from _numbered(path, lines)
    for path in sorted((ROOT / "sandbox/slack/static").iterdir()):
        for comment in _COMMENT.findall(path.read_text("utf-8")):
            yield str(path.relative_to(ROOT)), comment


def _numbered(path: Path, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{path.relative_to(ROOT)}:{number}", line.strip()


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Strings that stand alone: docstrings, and those under a field or a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def _strings(tree: ast.AST, skipped: set[int]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.JoinedStr(values=values):
                yield "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in values)
                for each in values:
                    yield from _strings(each, skipped)
            case ast.Constant(value=str(text)) if id(node) not in skipped:
                if not isinstance(tree, ast.JoinedStr):
                    yield text
            case _:
                yield from _strings(node, skipped)
