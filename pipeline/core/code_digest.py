"""The digest of the code that made a result, which decides what is trained again.

It covers every statement of every module that the given ones import, directly or not, read from the syntax.

It ignores what changes no result: comments, docstrings, layout, `__all__`, the order of imports, and where a module
lies. So moving a module and adapting the imports changes nothing, while a name imported from other code does.
It does change with names: also when a module is renamed that others use as `module.function`.
"""

import ast
import hashlib
import pkgutil
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
ROOT = Path(__file__).parent.parent.parent


def code_digest(*modules: str, unused: Collection[str] = ()) -> str:
    """Return the sha256 of what the modules, and all that they import, do. unused: see `import_closure`."""
    return _sha256(*sorted({_meaning(path) for path in import_closure(*modules, unused=unused)}))


def import_closure(*modules: str, unused: Collection[str] = ()) -> list[Path]:
    """Return the files of this package that importing the modules reads, sorted. Imports in functions count too.

    unused: modules that do not count because a registry imports them, only if another module does.
    Raises ModuleNotFoundError for an unknown module.
    """
    paths: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if not name or name in paths:
            continue
        path = _file(name)
        if path is None:
            raise ModuleNotFoundError(f"no module {name!r}")
        paths[name] = path
        registered = [module for module in _read(path).registered if module not in unused]
        waiting += [name.rpartition(".")[0], *_read(path).modules, *registered]
    return sorted(paths.values())


def _meaning(path: Path) -> str:
    """Return the digest of a file: its text, and for each name it imports from this package, the text it comes from."""
    code = _read(path)
    names = [_sha256(bound, name, _read(source).text) for bound, name, source in code.names]
    return _sha256(code.text, *sorted(names))


@cache
def _file(module: str) -> Path | None:
    folder = ROOT.joinpath(*module.split("."))
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _read(path: Path) -> "_Code":
    return _Code(path)


class _Code(ast.NodeTransformer):
    """The syntax tree of a file without docstrings, `__all__` and imports from this package."""

    def __init__(self, path: Path) -> None:
        self.modules: list[str] = []  # of this package, that importing the file reads
        self.registered: list[str] = []  # of this package, that a registry in the file imports
        self.names: list[tuple[str, str, Path]] = []  # bound name, imported name ("" for a module), file it comes from
        self.text = repr(_plain(self.visit(ast.parse(path.read_bytes()))))

    def visit(self, node: ast.AST) -> Any:
        """Visit a node; drop the docstrings of a body first."""
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)]
        return super().visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        """Note what is imported from this package, and drop it."""
        module = node.module or ""
        if not _is_own(module):
            return node
        for alias in node.names:
            inner = f"{module}.{alias.name}"
            self.modules += [module, inner] if _file(inner) else [module]
            source = _file(inner) or _file(module)
            assert source, module
            self.names.append((alias.asname or alias.name, "" if _file(inner) else alias.name, source))
        return None

    def visit_Import(self, node: ast.Import) -> ast.Import:
        """Note what is imported from this package."""
        self.modules += [alias.name for alias in node.names if _is_own(alias.name)]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Note the modules that `import_modules("package")` imports, and drop the name of the package."""
        if getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_modules":
            package = ast.literal_eval(node.args[0])
            init = _file(package)
            assert init, package
            self.registered += [f"{package}.{module.name}" for module in pkgutil.iter_modules([str(init.parent)])]
            node.args = []
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """Drop `__all__`."""
        return None if ast.unparse(node.targets[0]) == "__all__" else self.generic_visit(node)


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


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
