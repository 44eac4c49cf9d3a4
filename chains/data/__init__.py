"""Data that comes with the package: addresses of venues and feeds on public chains, each with its source."""

from importlib.resources import files
from pathlib import Path

MAINNET = "mainnet_v1"


def packaged(name: str = MAINNET) -> Path:
    """Path of a deployments file of the package; ``load_deployments`` reads it."""
    return Path(str(files("chains.data") / f"{name}.json"))
