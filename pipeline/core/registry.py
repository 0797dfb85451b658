"""Registries fill automatically: all modules of a package are imported, and each registers what it defines."""

import importlib
import pkgutil


def import_modules(package: str) -> None:
    """Import all modules and subpackages of a package once, in alphabetical order."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
