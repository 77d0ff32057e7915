"""Rules on one Python file: each takes a source and yields what breaks it, as `path:line: what`."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.sources import Source

MODULE_LINES_MAX = 400
TEST_MODULE_LINES_MAX = 700
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 6

NAMELESS = frozenset({"util", "utils", "helper", "helpers", "manager", "managers"})
"""Words that say a thing has found no name yet."""

CATCHERS_OF_ALL = {
    "gateway/server/door.py": 2,
    "gateway/server/connection.py": 1,
    "gateway/jobs/": 1,
    "gateway/cache/fills.py": 2,
    "gateway/cache/infos.py": 1,
    "gateway/kv.py": 2,
    "gateway/tasks.py": 1,
    "gateway/store/writer.py": 1,
    "gateway/store/upkeep.py": 1,
}
"""Where `except Exception` may stand, and how often.

Around one request, where the lane looks at it, before its answer has begun and after, and around one
job: a fill, its keeping of a block, a question to a backend, a batch of blocks to write, one round of the
store's upkeep. rocksdict raises plain exceptions, which kv translates; what tasks catches is raised again
a few lines below.
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def oversized_module(source: Source) -> Iterator[str]:
    """Modules above the limit of lines."""
    lines = source.text.count("\n")
    limit = TEST_MODULE_LINES_MAX if source.is_test else MODULE_LINES_MAX
    if lines > limit:
        yield f"{source.path}:1: {lines} lines, at most {limit}"


def oversized_functions(source: Source) -> Iterator[str]:
    """Functions above the limit of lines, decorators not counted."""
    for function in _functions(source.tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{source.path}:{function.lineno}: {function.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def too_many_parameters(source: Source) -> Iterator[str]:
    """Functions with too many parameters, `self` and `cls` not counted. Tests are free: fixtures are parameters."""
    if source.is_test:
        return
    for function in _functions(source.tree):
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        count = sum(argument.arg not in {"self", "cls"} for argument in named)
        count += (arguments.vararg is not None) + (arguments.kwarg is not None)
        if count > PARAMETERS_MAX:
            yield f"{source.path}:{function.lineno}: {function.name} has {count} parameters, at most {PARAMETERS_MAX}"


def nameless(source: Source) -> Iterator[str]:
    """Modules, classes and functions whose name says nothing."""
    for part in source.path.removesuffix(".py").split("/"):
        if _words(part) & NAMELESS or part == "common":
            yield f"{source.path}:1: {part} is no name for a module"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef | Function) and _words(node.name) & NAMELESS:
            yield f"{source.path}:{node.lineno}: {node.name} is no name"


def undocumented_module(source: Source) -> Iterator[str]:
    """Modules whose first line does not say in one sentence what lives there. A test folder's empty mark is free."""
    if source.is_test and not source.text:
        return
    text = ast.get_docstring(source.tree) or ""
    first, _, rest = text.partition("\n")
    if not first.endswith((".", "?", "!")) or (rest and not rest.startswith("\n")):
        yield f"{source.path}:1: the docstring begins with one line, a sentence that says what lives here"


def undocumented_names(source: Source) -> Iterator[str]:
    """Public classes and functions of the package that promise nothing.

    Values whose body is only fields, and failures with their sentence, need no further words.
    """
    if source.is_test:
        return
    for node in source.tree.body:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_") or ast.get_docstring(node):
            continue
        if isinstance(node, ast.ClassDef) and all(isinstance(line, ast.Assign | ast.AnnAssign) for line in node.body):
            continue
        yield f"{source.path}:{node.lineno}: {node.name} has no docstring"


def catches_of_all(source: Source) -> Iterator[str]:
    """`except Exception` and broader that goes on as if nothing was, outside the two places where it may."""
    if source.is_test:
        return
    caught = [handler for handler in ast.walk(source.tree) if _catches_all(handler)]
    allowed = max((count for place, count in CATCHERS_OF_ALL.items() if source.path.startswith(place)), default=0)
    for handler in caught[allowed:]:
        yield f"{source.path}:{getattr(handler, 'lineno', 0)}: catches every exception"


def sleeps(source: Source) -> Iterator[str]:
    """Tests that wait for time instead of an event."""
    if not source.is_test:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}:
            yield f"{source.path}:{node.lineno}: sleeps"


RULES = (
    oversized_module,
    oversized_functions,
    too_many_parameters,
    nameless,
    undocumented_module,
    undocumented_names,
    catches_of_all,
    sleeps,
)


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _words(name: str) -> set[str]:
    """`FlightManager` and `flight_manager` are both {flight, manager}."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def _catches_all(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    # What cleans up and raises again hides nothing.
    if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
        return False
    return node.type is None or any(
        isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in ast.walk(node.type)
    )
