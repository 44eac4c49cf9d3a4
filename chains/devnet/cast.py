"""The cast: portfolios that really exist on the devnet."""

from collections.abc import Sequence

from chains.caip import Address
from chains.devnet.chain_world import ChainWorld
from chains.devnet.worldfile import Portfolio


def place(world: ChainWorld) -> None:
    """Put the cast's positions of one chain in place."""


def portfolios(accounts: Sequence[Address]) -> tuple[Portfolio, ...]:
    """Names and accounts of the cast."""
    return ()
