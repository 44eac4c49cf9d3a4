"""Solidity sources of the unpacked packages: a contract's file with everything that it imports."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_IMPORT = re.compile(r"""^\s*import\s+(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]""", re.MULTILINE)


def closure(entries: Iterable[str], roots: Mapping[str, Path]) -> dict[str, str]:
    """Text of the entries and of all that they import, by virtual path.

    ``roots``: prefix of a virtual path -> folder with what is below it; the longest prefix that fits counts.
    Raises FileNotFoundError with the import that no root holds.
    """
    found: dict[str, str] = {}
    wanted = list(entries)
    while wanted:
        path = wanted.pop()
        if path in found:
            continue
        found[path] = _locate(path, roots).read_text()
        for target in _IMPORT.findall(found[path]):
            relative = target.startswith(".")
            wanted.append(
                posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if relative else target
            )
    return found


def _locate(path: str, roots: Mapping[str, Path]) -> Path:
    prefixes = sorted((prefix for prefix in roots if path.startswith(prefix)), key=len, reverse=True)
    for prefix in prefixes:
        file = roots[prefix] / path.removeprefix(prefix)
        if file.is_file():
            return file
    raise FileNotFoundError(f"import {path}: below none of {sorted(roots)}")
