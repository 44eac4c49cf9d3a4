"""Compiling with npm's solc: once, then from the cache (keyed by the compiler and its whole input)."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from typing import Any

from chains.devnet.artifacts import Artifact
from chains.devnet.packages import PackageError, cache_root, npm_dir

OUTPUT = ("abi", "evm.bytecode.object", "evm.bytecode.linkReferences")
_DRIVER = (
    "const solc=require(process.argv[1]);let s='';process.stdin.on('data',d=>s+=d)"
    ".on('end',()=>process.stdout.write(solc.compile(s)))"
)


def compile_sources(
    version: str, sources: Mapping[str, str], settings: Mapping[str, Any], contracts: Mapping[str, str]
) -> dict[str, Artifact]:
    """Artifacts by contract name.

    ``sources``: virtual path -> text. ``contracts``: contract name -> virtual path of its source.
    Raises PackageError with the compiler's first error.
    """
    standard = {
        "language": "Solidity",
        "sources": {path: {"content": text} for path, text in sorted(sources.items())},
        "settings": {**settings, "outputSelection": {"*": {"*": list(OUTPUT)}}},
    }
    text = json.dumps(standard, sort_keys=True)
    kept = cache_root() / "solc" / f"{hashlib.sha256((version + text).encode()).hexdigest()[:32]}.json"
    if not kept.exists():
        output = json.loads(_run(version, text))
        errors = [e["formattedMessage"] for e in output.get("errors", []) if e["severity"] == "error"]
        if errors:
            raise PackageError(f"solc {version}: {errors[0][:600]}")
        wanted = {name: output["contracts"][path][name] for name, path in contracts.items()}
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(wanted))
        part.rename(kept)
    content = json.loads(kept.read_text())
    return {name: _artifact(name, item) for name, item in content.items()}


def _artifact(name: str, item: Mapping[str, Any]) -> Artifact:
    bytecode = item["evm"]["bytecode"]
    links = {
        library: tuple(place["start"] for place in places)
        for libraries in bytecode["linkReferences"].values()
        for library, places in libraries.items()
    }
    return Artifact(name, item["abi"], bytecode["object"], links)


def _run(version: str, text: str) -> str:
    module = npm_dir() / "node_modules" / f"solc-{version}"
    done = subprocess.run(
        ["node", "-e", _DRIVER, str(module)], input=text, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        raise PackageError(f"solc {version} failed: {done.stderr.strip()[-400:]}")
    return done.stdout
