"""Which code is running: its version, a digest of its files, and the libraries that do the arithmetic."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aggregator.reports import CODE_VERSION

PACKAGES: Final = ("aggregator", "chains", "oracles", "risk")
"""Where figures come from; the faces outside do not change them."""
LIBRARIES: Final = ("numpy", "scipy", "numba")
SUFFIXES: Final = (".py", ".toml", ".json")


@cache
def code_identity() -> dict[str, str]:
    """Names and versions; the same dictionary gives the same digits on the same kind of machine."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        _digest(files(package), package, digest)
    found = {"crossmargin": CODE_VERSION, "files": digest.hexdigest()[:16], "machine": platform.machine()}
    return found | {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def _digest(folder: Traversable, path: str, digest: "hashlib._Hash") -> None:
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{path}/{item.name}"
        if item.is_dir():
            _digest(item, name, digest)
        elif item.name.endswith(SUFFIXES):
            content = item.read_bytes()
            digest.update(f"{name} {len(content)}\n".encode() + content)
