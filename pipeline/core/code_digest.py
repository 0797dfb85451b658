"""The digest of the code that made a result, which decides what is trained again.

It covers every statement of every module that the given ones import, directly or not, read from the syntax.

It ignores what changes no result: comments, docstrings, layout, `__all__`, the order of imports, and where a module
lies. So moving a module and adapting the imports changes nothing, while a name imported from other code does.
It does change with names: also when a module is renamed that others use as `module.function`.
"""

import ast
import hashlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

PACKAGE = __name__.partition(".")[0]
ROOT = Path(__file__).parent.parent.parent
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def import_closure(*modules: str) -> list[Path]:
    """Return the files of this package that importing the modules reads, sorted. Imports in functions count too.

    Raises ModuleNotFoundError for an unknown module.
    """
    paths: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in paths:
            continue
        path = _file(name)
        if path is None:
            raise ModuleNotFoundError(f"no module {name!r}")
        paths[name] = path
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        for node in ast.walk(ast.parse(path.read_bytes())):
            waiting += [target for target in _imports(node) if target.partition(".")[0] == PACKAGE]
    return sorted(paths.values())


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        yield node.module
        for alias in node.names:
            yield _target(node.module, alias)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
    elif _is_registry_call(node):
        yield from _modules(node.args[0])


def _target(module: str, alias: ast.alias) -> str:
    """Return the module that `from module import alias` reads: the alias if it is a module itself."""
    inner = f"{module}.{alias.name}"
    return inner if _file(inner) else module


def _is_registry_call(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_modules"


def _modules(package: ast.expr) -> list[str]:
    """Return the modules that `import_modules("package")` imports: a registry uses them all."""
    if not (isinstance(package, ast.Constant) and isinstance(package.value, str)):
        raise TypeError("import_modules takes the name of the package as a literal")
    init = _file(package.value)
    assert init
    return [f"{package.value}.{module.name}" for module in pkgutil.iter_modules([str(init.parent)])]


@cache
def _file(module: str) -> Path | None:
    folder = ROOT.joinpath(*module.split("."))
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if path.is_file():
            return path
    return None


def code_digest(*modules: str) -> str:
    """Return the sha256 of what the modules, and all that they import, do."""
    meanings = {_with_imports(path) for path in import_closure(*modules)}
    return _sha256(*sorted(meanings))


def _with_imports(path: Path) -> str:
    """Return the content of a file with, for each name it imports from this package, the content it comes from."""
    content, imports = _content(path)
    names = set()
    for module, alias in imports:
        target = _target(module, alias)
        origin = _file(target)
        assert origin
        name = "" if target != module else alias.name
        names.add(_sha256(alias.asname or alias.name, name, _content(origin)[0]))
    return _sha256(content, *sorted(names))


@cache
def _content(path: Path) -> tuple[str, list[tuple[str, ast.alias]]]:
    """Return what a file does, apart from its imports from this package, and these imports."""
    visitor = _Content()
    tree = visitor.visit(ast.parse(path.read_bytes()))
    return repr(_plain(tree)), visitor.imports


class _Content(ast.NodeTransformer):
    """Drops docstrings and `__all__`, and takes the imports from this package out of the tree."""

    def __init__(self) -> None:
        self.imports: list[tuple[str, ast.alias]] = []

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, DOCUMENTED):
            node.body = [statement for statement in node.body if not _is_text(statement)]
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == PACKAGE:
            self.imports += [(str(node.module), alias) for alias in node.names]
            return None
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return None
        if _is_registry_call(node):
            node.args = []
        return self.generic_visit(node)


def _is_text(statement: ast.stmt) -> bool:
    constant = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _plain(node: Any) -> Any:
    """Return a tree as nested lists without empty fields, which differ between versions of Python."""
    if isinstance(node, ast.AST):
        fields = [(name, _plain(value)) for name, value in ast.iter_fields(node) if value not in (None, [])]
        return [type(node).__name__, *fields]
    return [_plain(item) for item in node] if isinstance(node, list) else repr(node)


def _sha256(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
