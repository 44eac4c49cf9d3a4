"""Events of Uniswap v3 positions: transfers name the owners, what changes an NFT names its id."""

from typing import Final

from chains.caip import Address
from chains.events import Addresses, Names, VenueEvents, erc721_owners
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.uniswap.decode import VENUE


async def contracts(_: ChainClient, names: Addresses, __: BlockRef) -> frozenset[Address]:
    """The NFTs; a router that the deployment names too emits none of these."""
    return frozenset({names["position_manager"]})


EVENTS: Final = VenueEvents(
    VENUE,
    {
        "Transfer(address,address,uint256)": Names((1, 2), passes=3),
        "IncreaseLiquidity(uint256,uint128,uint256,uint256)": Names(ids=(1,)),
        "DecreaseLiquidity(uint256,uint128,uint256,uint256)": Names(ids=(1,)),
        "Collect(uint256,address,uint256,uint256)": Names(ids=(1,)),
    },
    contracts,
    owners=erc721_owners("position_manager"),
)
dirty_accounts = EVENTS.dirty_accounts
