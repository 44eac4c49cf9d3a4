"""Which reader reads which venue. Adding a venue is adding a line here."""

from collections.abc import Callable, Mapping

from chains.accounts import VenueId
from chains.caip import ChainId
from chains.deployments import ChainDeployment
from chains.errors import ChainError
from chains.evm.client import EvmClient
from chains.haircuts import Haircuts
from chains.margin_state import MarginRule
from chains.protocols import ChainClient, VenueReader
from chains.venues import aave, across, compound, derive, gmx, lyra, morpho, perp, synthetix, uniswap
from chains.venues.holdings import HoldingsReader

Maker = Callable[[ChainClient, ChainDeployment], VenueReader]

MAKERS: Mapping[VenueId, Maker] = {
    aave.VENUE: aave.AaveReader,
    compound.VENUE: compound.CompoundReader,
    gmx.VENUE: gmx.GmxReader,
    lyra.VENUE: lyra.LyraReader,
    morpho.VENUE: morpho.MorphoReader,
    perp.VENUE: perp.PerpReader,
    synthetix.VENUE: synthetix.SynthetixReader,
}
"""Readers that need their own chain only."""


def readers_of(
    chain: ChainId,
    clients: Mapping[ChainId, EvmClient],
    deployments: Mapping[ChainId, ChainDeployment],
    haircuts: Haircuts,
    lookback_blocks: int | None = None,
    rule: MarginRule | None = None,
) -> tuple[VenueReader, ...]:
    """Readers of everything deployed on a chain, idle holdings first.

    ``lookback_blocks``: how far back transfers in flight are looked for; None is the whole chain.
    ``rule``: margin models, for venues whose managers' figures are recomputed by one.
    Raises ChainError for a venue that has no reader.
    """
    client, deployment = clients[chain], deployments[chain]
    readers: list[VenueReader] = [HoldingsReader(client, deployment, haircuts)]
    for venue in deployment.venues:
        if venue == across.VENUE:
            readers.append(across.AcrossReader(chain, clients, deployments, lookback_blocks=lookback_blocks))
        elif venue == uniswap.VENUE:
            readers.append(uniswap.UniswapReader(client, deployment, haircuts))
        elif venue == derive.VENUE:
            readers.append(derive.DeriveReader(client, deployment, rule))
        elif venue in MAKERS:
            readers.append(MAKERS[venue](client, deployment))
        else:
            known = ", ".join(sorted({*MAKERS, across.VENUE, derive.VENUE, uniswap.VENUE}))
            raise ChainError(f"deployments: {chain}: venues: no reader for {venue!r}; there are {known}")
    return tuple(readers)
