"""`compose` builds every service, once; a service uses what it was given, and nothing that another one holds.

A service is a public class of `bot.services` that holds a port, which is a Protocol, or another service. What holds
neither is a value, and what begins with `_` is a part of the service in its own module.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.test_architecture import ROOT, modules

BAGS = {"ListenerContext"}
"""They are there to be reached into."""
ANYBODYS = {"Clock"}
"""Time is everybody's: `self.transitions.clock()` reaches nothing outside."""


@dataclass(frozen=True)
class Code:
    """The classes of the services and handlers, by name, each with its fields and the names in their types."""

    fields: Mapping[str, Mapping[str, frozenset[str]]]
    ports: frozenset[str]
    services: frozenset[str] = field(default_factory=frozenset)


def code() -> Code:
    nodes = [
        node
        for path in modules("bot/services", "handlers")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    fields = {node.name: {name: names(kind) for name, kind in annotated(node)} for node in nodes}
    ports = frozenset(node.name for node in nodes if any("Protocol" in names(base) for base in node.bases))
    found = ports
    while more := {name for name, held in fields.items() if found & frozenset().union(*held.values())} - found:
        found |= more
    return Code(fields, ports, frozenset(name for name in found - ports if not name.startswith("_")))


def annotated(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            yield line.target.id, line.annotation


def names(node: ast.expr) -> frozenset[str]:
    """The names in a type; of a function's type none, for it is asked and not reached into."""
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return frozenset() if "Callable" in found else frozenset(found)


def constructed(services: frozenset[str]) -> Iterator[str]:
    """Where a service or a listener builds a service."""
    for path in modules("bot/services", "handlers"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in services:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.func.id}"


@dataclass
class Reaching(ast.NodeVisitor):
    """Finds expressions that take a port or a service out of another service."""

    code: Code
    path: str
    found: list[str] = field(default_factory=list)
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    """The types of the names in the present function."""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.known = {"self": frozenset({node.name})}
        self.generic_visit(node)
        self.known = {}

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outside, self.known = self.known, dict(self.known)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            if argument.annotation is not None:
                self.known[argument.arg] = names(argument.annotation)
        self.generic_visit(node)
        self.known = outside

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            self.known |= {to.id: self.kinds(value) for to, value in pairs if isinstance(to, ast.Name)}

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
        holders = self.kinds(node.value) & self.code.services - BAGS
        taken = self.kinds(node) & (self.code.ports | self.code.services) - ANYBODYS
        if holders and taken and not is_own:
            self.found.append(f"{self.path}:{node.lineno} {ast.unparse(node)}")

    def kinds(self, node: ast.expr) -> frozenset[str]:
        """The names in an expression's type, as far as fields and arguments tell."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id, frozenset())
        if isinstance(node, ast.Attribute):
            held = [self.code.fields.get(name, {}).get(node.attr, frozenset()) for name in self.kinds(node.value)]
            return frozenset().union(*held)
        return frozenset()


def reaching(code: Code) -> list[str]:
    found: list[str] = []
    for path in modules("bot/services", "handlers"):
        visitor = Reaching(code, str(path.relative_to(ROOT)))
        visitor.visit(ast.parse(path.read_text("utf-8")))
        found += visitor.found
    return found


def test_services_are_told_from_values() -> None:
    found = code()

    assert {"Transitions", "Directory", "CatalogCache", "Creation", "Worker"} <= found.services
    assert not {"Draft", "Click", "Candidate", "HomePage", "With"} & found.services
    assert {"Cloud", "Requests", "Notifier"} <= found.ports


def test_services_have_nouns_for_names() -> None:
    assert [name for name in sorted(code().services) if name.endswith("ing")] == []


def test_no_service_builds_another() -> None:
    assert list(constructed(code().services)) == []


def test_no_service_reaches_through_another() -> None:
    assert reaching(code()) == []


def test_reaching_through_is_seen() -> None:
    visitor = Reaching(code(), "x")
    visitor.visit(ast.parse("def f(key_views: KeyViews):\n    a = key_views.directory\n    return a.cloud.key()\n"))

    assert visitor.found == ["x:2 key_views.directory", "x:3 a.cloud"]
