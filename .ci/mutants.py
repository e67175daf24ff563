"""The mutants of a file: copies with one operator, comparison, condition, check or number changed."""

import ast
import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SWAPPED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


class Mutant(NamedTuple):
    """One change of a file."""

    name: str
    number: int
    """Which mutant of the file."""
    line: int
    before: str
    after: str
    lines: range
    """The lines of the statement, as far as the expression."""

    def source(self) -> str:
        """Return the changed file."""
        tree, *_ = next(itertools.islice(changed(self.name), self.number, None))
        return ast.unparse(ast.fix_missing_locations(tree))

    def __str__(self) -> str:
        return f"l1_any/{self.name}:{self.line}: {self.before}  ->  {self.after}"


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the mutants of an expression."""
    if isinstance(node, ast.BinOp | ast.BoolOp):
        for operator in SWAPPED.get(type(node.op), ()):
            changed = copy.deepcopy(node)
            changed.op = operator()
            yield changed
    elif isinstance(node, ast.Compare):
        for i, old in enumerate(node.ops):
            for operator in SWAPPED[type(old)]:
                changed = copy.deepcopy(node)
                changed.ops[i] = operator()
                yield changed
    elif isinstance(node, ast.UnaryOp):
        yield copy.deepcopy(node.operand)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)


def unchecked(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the condition that switches off a check: an `if` that only raises."""
    if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise):
        yield ast.Constant(value=False)


def statements(tree: ast.AST) -> dict[ast.AST, ast.stmt]:
    """Return the statement that each expression belongs to."""
    found: dict[ast.AST, ast.stmt] = {}
    for node in ast.walk(tree):  # from the outside in, so that the innermost statement stays
        if isinstance(node, ast.stmt):
            found.update(dict.fromkeys(ast.walk(node), node))
    return found


def expressions(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield each expression that runs: its parent, the field there, and the place in the field."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if field in {"annotation", "returns", "decorator_list"}:
                continue
            for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.expr):
                    yield parent, field, place


def in_annotation(tree: ast.AST) -> set[ast.AST]:
    """Return the nodes within annotations and names of types."""
    roots = [
        root
        for node in ast.walk(tree)
        for root in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if root is not None
    ]
    roots += [node.value for node in getattr(tree, "body", []) if isinstance(node, ast.Assign)]
    return {node for root in roots for node in ast.walk(root)}


def changed(name: str) -> Iterator[tuple[ast.Module, ast.expr, ast.AST, range]]:
    """Yield the tree of a file with each of its changes, what was changed, into what, and the lines up to there."""
    tree = ast.parse((ROOT / "l1_any" / name).read_text(encoding="utf-8"))
    left_out, statement = in_annotation(tree), statements(tree)
    for parent, field, place in list(expressions(tree)):
        held = getattr(parent, field)
        old = held if place is None else held[place]
        if old in left_out:
            continue
        checks = unchecked(parent) if field == "test" else ()
        for new in [*changes(old), *checks]:
            if place is None:
                setattr(parent, field, new)
            else:
                held[place] = new
            yield tree, old, new, range(statement[old].lineno, old.end_lineno + 1)
        if place is None:
            setattr(parent, field, old)
        else:
            held[place] = old


def mutants(name: str) -> Iterator[Mutant]:
    """Yield all mutants of a file of the package."""
    for number, (_, old, new, lines) in enumerate(changed(name)):
        yield Mutant(name, number, old.lineno, ast.unparse(old), ast.unparse(new), lines)
