"""The code that a result depends on: the definitions that its method reaches.

They are found by reading the sources.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Collection, Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

Name = tuple[str, str]
"""A module and a name in it; no name for the module itself."""


class Reached:
    """The package's definitions that some functions or classes reach, and the libraries used.

    Followed are the names that a definition uses, imports inside functions included; a module taken
    as a whole counts in full. The package's version does not count: a release is not a change.

    Parameters
    ----------
    roots
        Functions or classes that are called.
    without
        Modules, or packages of modules, that are named there but not run.
    """

    def __init__(self, *roots: Any, without: Collection[str] = ()) -> None:
        self.texts: dict[Name, str] = {}
        self.libraries: set[str] = set()
        modules = [_module_of(root) for root in roots]
        self._package = modules[0].partition(".")[0]
        self._without = tuple(f"{name}." for name in (f"{self._package}._version", *without))
        for module, root in zip(modules, roots, strict=True):
            self._follow(module, root.__qualname__.partition(".")[0])

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits over all definitions, without comments, docstrings and errors."""
        return hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()[:10]

    @property
    def versions(self) -> str:
        """Versions of the libraries, and Python's."""
        names = {name for library in self.libraries for name in _distributions().get(library, ())}
        python = f"python {sys.version_info.major}.{sys.version_info.minor}"
        return "; ".join([python, *(f"{name} {version(name)}" for name in sorted(names))])

    def _follow(self, module: str, name: str) -> None:
        if module.partition(".")[0] != self._package:
            self.libraries.add(module.partition(".")[0])
            return
        if f"{module}.".startswith(self._without) or (module, name) in self.texts:
            return
        definitions, imports = read_source(module)
        if name and name not in definitions:
            if name not in imports:  # better no digest than one with a hole
                raise LookupError(
                    f"{module} neither defines nor imports {name} in a way that can be read"
                )
            self._follow(*imports[name])
            return
        always = definitions.get("", [])
        statements = (
            [*definitions[name], *always]
            if name
            else [node for nodes in definitions.values() for node in nodes]
        )
        self.texts[module, name] = "\n".join(map(ast.unparse, statements))
        for statement in statements:
            for target in _used(statement, module):
                self._follow(*target)


def _module_of(root: Any) -> str:
    """Return the module's importable name, also of a module that runs as a program."""
    if root.__module__ != "__main__":
        return str(root.__module__)
    spec = sys.modules["__main__"].__spec__
    assert spec
    return spec.name


@cache
def read_source(module: str) -> tuple[dict[str, list[ast.stmt]], dict[str, Name]]:
    """Return a module's statements by the names that they bind, and its imports' meaning.

    Imports count wherever they are.

    Statements that bind no name, and so run with the module, are under the empty name. Docstrings
    and what is raised are left out: a reworded message changes no result.
    """
    spec = find_spec(module)
    assert spec and spec.origin, module
    tree = ast.parse(Path(spec.origin).read_bytes())
    imports: dict[str, Name] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {
                alias.asname or alias.name.partition(".")[0]: (alias.name, "")
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            package = module if spec.submodule_search_locations else module.rpartition(".")[0]
            origin = resolve_name("." * node.level + (node.module or ""), package)
            imports |= {
                alias.asname or alias.name: _module_or_name(origin, alias.name, module)
                for alias in node.names
            }
        if isinstance(node, ast.Raise):
            node.exc = node.cause = None
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [item for item in body if not _is_text(item)] or [ast.Pass()]
    definitions: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        # Below if: imports for types, and the call as a program.
        if not isinstance(statement, ast.Import | ast.ImportFrom | ast.If):
            for name in _bound(statement):
                definitions.setdefault(name, []).append(statement)
    return definitions, imports


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _module_or_name(origin: str, name: str, module: str) -> Name:
    """Return what ``from origin import name`` in a module of the package stands for."""
    if origin.partition(".")[0] == module.partition(".")[0]:
        spec = find_spec(origin)
        if spec and spec.submodule_search_locations and find_spec(f"{origin}.{name}"):
            return f"{origin}.{name}", ""
    return origin, name


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", statement)]
    bound = [
        node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
    ]
    return bound if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign) else [""]


def _used(statement: ast.stmt, module: str) -> Iterator[Name]:
    """Yield what the names in a statement refer to; of a module's attribute, only the attribute."""
    definitions, imports = read_source(module)
    of_attributes = set()
    for node in ast.walk(statement):  # an attribute comes before the name that it is of
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            origin, name = imports.get(node.value.id, ("", "?"))
            if not name:
                of_attributes.add(node.value)
                yield origin, node.attr
        elif isinstance(node, ast.Name) and node not in of_attributes:
            if node.id in definitions:
                yield module, node.id
            elif node.id in imports:
                yield imports[node.id]


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
