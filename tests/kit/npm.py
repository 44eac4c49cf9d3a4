"""Packages of npm that only tests use: pinned by their sha512, fetched into the cache of the devnet's packages."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from chains.devnet.packages import Package, PackageError, fetched

# fmt: off
ASYNCAPI = Package("@asyncapi/specs", "6.11.1", "A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ==")  # noqa: E501
TYPESCRIPT = Package("typescript", "5.9.3", "jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==")  # noqa: E501
# fmt: on
NODE = """
declare const process: { env: Record<string, string | undefined> };
"""
"""What Node has beside what a browser has."""


def _folder(package: Package) -> Path:
    try:
        return fetched(package)
    except PackageError as error:
        pytest.skip(f"{package.name} cannot be fetched: {error}")


@cache
def asyncapi() -> Any:
    """A validator by the schema that AsyncAPI publishes for its documents of version 3.0.0."""
    schema = json.loads((_folder(ASYNCAPI) / "schemas" / "3.0.0.json").read_text())
    return jsonschema.Draft7Validator(schema)


def javascript(text: str, folder: Path) -> str:
    """A module of TypeScript, strictly checked, as JavaScript; fails where the compiler finds a mistake."""
    (folder / "guide.ts").write_text(text + "export {};\n")
    (folder / "node.d.ts").write_text(NODE)
    compiler = _folder(TYPESCRIPT) / "bin" / "tsc"
    options = ["--strict", "--target", "es2022", "--module", "esnext", "--lib", "es2022,dom,dom.iterable"]
    done = subprocess.run(
        ["node", compiler, *options, "guide.ts", "node.d.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "guide.js").read_text()
