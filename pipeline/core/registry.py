"""Registries fill automatically: all modules of a package are imported, and each registers what it defines."""

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

Entry = TypeVar("Entry")


def import_modules(package: str) -> list[ModuleType]:
    """Import all modules and subpackages of a package once, in alphabetical order, and return them."""
    paths = importlib.import_module(package).__path__
    return [importlib.import_module(f"{package}.{module.name}") for module in pkgutil.iter_modules(paths)]


def registering(kind: str, entries: dict[str, Entry]) -> Callable[[str], Callable[[Entry], Entry]]:
    """Return the decorator `register(name)` that adds to `entries`, and raises ValueError if the name is taken."""

    def register(name: str) -> Callable[[Entry], Entry]:
        def add(entry: Entry) -> Entry:
            if name in entries:
                raise ValueError(f"{kind} {name!r} is registered twice")
            entries[name] = entry
            return entry

        return add

    return register
