"""Compiled contracts in the layouts of the packages: Hardhat artifacts, sol-compiler output, solc output."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from chains.devnet.packages import package_dir

Abi = list[dict[str, Any]]


@dataclass(frozen=True)
class Artifact:
    """ABI and creation code (hex without 0x) with the byte offsets where library addresses go."""

    name: str
    abi: Abi
    bytecode: str
    links: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def linked(self, libraries: Mapping[str, str]) -> str:
        """Creation code (0x…) with every library's address filled in; raises KeyError for a missing one."""
        code = self.bytecode
        for library, offsets in self.links.items():
            address = libraries[library].removeprefix("0x").lower()
            for offset in offsets:
                code = code[: 2 * offset] + address + code[2 * offset + 40 :]
        return "0x" + code


@cache
def hardhat(path: Path) -> Artifact:
    """Hardhat artifact file: keys abi, bytecode, linkReferences."""
    content = json.loads(path.read_text())
    links = {
        library: tuple(reference["start"] for reference in references)
        for source in content.get("linkReferences", {}).values()
        for library, references in source.items()
    }
    return Artifact(path.stem, content["abi"], content["bytecode"].removeprefix("0x"), links)


@cache
def find(package: str, name: str, root: str = "artifacts/contracts") -> Artifact:
    """Hardhat artifact ``<Name>.sol/<Name>.json`` or any ``<Name>.json`` below the package's artifact root."""
    base = package_dir(package) / root
    found = sorted(base.rglob(f"{name}.json"), key=lambda path: len(path.parts))
    if not found:
        raise FileNotFoundError(f"no artifact {name} below {package}/{root}")
    return hardhat(found[0])


@cache
def sol_compiler(path: Path) -> Artifact:
    """sol-compiler output of the older Chainlink packages (``abi/v0.X/<Name>.json``)."""
    content = json.loads(path.read_text())["compilerOutput"]
    return Artifact(path.stem, content["abi"], content["evm"]["bytecode"]["object"].removeprefix("0x"))


def viem_multicall3() -> str:
    """Creation code (0x…) of Multicall3 as viem ships it."""
    source = (package_dir("viem") / "constants" / "contracts.ts").read_text()
    found = re.search(r"multicall3Bytecode\s*=\s*'(0x[0-9a-f]+)'", source)
    if found is None:
        raise ValueError("viem: no multicall3Bytecode in constants/contracts.ts")
    return found.group(1)
