"""Events of Lyra v1: the option token tells of every position; settling a board turns options into claims."""

from typing import Final

from chains.caip import Address
from chains.events import Addresses, Names, VenueEvents
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.lyra.decode import VENUE


async def contracts(_: ChainClient, names: Addresses, __: BlockRef) -> frozenset[Address]:
    """The market and the option token of every underlying."""
    wanted = ("option_token", "option_market")
    return frozenset(address for name, address in names.items() if name.rpartition(".")[2] in wanted)


_UPDATED: Final = "PositionUpdated(uint256,address,uint8,(uint256,uint256,uint8,uint256,uint256,uint8),uint256)"
_SETTLED: Final = "BoardSettled(uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256)"

EVENTS: Final = VenueEvents(
    VENUE,
    {
        _UPDATED: Names((2,)),
        "Transfer(address,address,uint256)": Names((1, 2)),
        _SETTLED: Names(all_holders=True),
    },
    contracts,
)
dirty_accounts = EVENTS.dirty_accounts
