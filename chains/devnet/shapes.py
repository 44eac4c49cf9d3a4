"""Small contracts of our own with the ABI of venues whose bytecode cannot be had: for decoding, never for trust.

They keep what a test puts into them and answer in the venue's layout, encoded by solc. Only Comet's also counts
(interest, the verdict), from the documented rule.
"""

from functools import cache
from importlib.resources import files

from chains.devnet.artifacts import Artifact
from chains.devnet.solc import compile_sources

SOLC = "0.8.26"
SETTINGS = {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "paris"}
SHAPES = {
    "CometShape": "CometShape.sol", "DeriveShape": "DeriveShape.sol", "DerivePerpShape": "DeriveShape.sol",
    "DeriveMatchingShape": "DeriveShape.sol",
    "DerivePortfolioShape": "DerivePortfolioShape.sol", "DeriveFeedShape": "DerivePortfolioShape.sol",
    "GmxShape": "GmxShape.sol",
}  # fmt: skip
"""Contracts by the file that holds them."""


@cache
def shapes() -> dict[str, Artifact]:
    """All of them; compiled once, then from the cache."""
    folder = files("chains.devnet") / "solidity"
    sources = {path: (folder / path).read_text() for path in set(SHAPES.values())}
    return compile_sources(SOLC, sources, SETTINGS, SHAPES)


def shape(name: str) -> Artifact:
    """One of ``SHAPES``."""
    return shapes()[name]
