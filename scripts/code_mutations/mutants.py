"""The breaks: what cosmic-ray can change, less what changes nothing."""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[2]
CORE = ("_aside.py", "_batch.py", "_call/*.py", "_net/*.py", "_sources/*.py", "client.py", "errors.py")
PAGE = ("_attach/*.py", "cdp.py", "playwright.py")
FILES = (*(f"wrapper/anchor_uploads/{name}" for name in (*CORE, *PAGE)), "scripts/spec_pipeline/changes/*.py")


@dataclass(frozen=True)
class Mutant:
    """One break: a file, the line, and the file's text afterwards."""

    file: str
    line: int
    before: str
    after: str

    def words(self) -> tuple[str, str]:
        """Return what the line was and is, which knows it again when others have moved."""
        for old, new in zip(self.before.splitlines(), self.after.splitlines(), strict=False):
            if old != new:
                return old.strip(), new.strip()
        return "", ""


def sample(count: int, seed: int, only: str) -> list[Mutant]:
    """Choose breaks evenly over all places; the same seed chooses the same ones while the code is the same."""
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    places = [(file, *place) for file in files() if only in file for place in _places(file)]
    chance.shuffle(places)
    chosen: list[Mutant] = []
    for file, line, changes in places:
        before = (ROOT / file).read_text("utf-8")
        # Of all that can be done to one place one is tried: there are eleven ways to break an operator.
        name, number = chance.choice(changes)
        after: str | None = None
        with suppress(AttributeError):  # cosmic-ray cannot replace an exception that is named with its module
            after = mutate_code(before.encode(), get_operator(name)(), number)
        if after is not None and _is_a_change(before, after):
            chosen.append(Mutant(file, line, before, after))
        if len(chosen) == count:
            break
    return chosen


def files() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for pattern in FILES for path in ROOT.glob(pattern))


def _places(file: str) -> list[tuple[int, list[tuple[str, int]]]]:
    """Return each place that can be changed: its line, and each operator with the number that it knows the place by."""
    nodes = list(ast_nodes(get_ast_from_path(ROOT / file)))
    places: dict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments():
            continue
        positions = [start for node in nodes for start, _end in operator().mutation_positions(node)]
        for number, start in enumerate(positions):
            places[start].append((name, number))
    return [(line, changes) for (line, _column), changes in places.items()]


def _is_a_change(before: str, after: str) -> bool:
    """Tell whether anything that runs is another: annotations are text, and some operators write what was there."""
    try:
        return _what_runs(before) != _what_runs(after)
    except SyntaxError:
        return False


class _WithoutTypes(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _what_runs(source: str) -> str:
    return ast.dump(_WithoutTypes().visit(ast.parse(source)))
