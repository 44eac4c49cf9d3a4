"""Events of PerpsV2. They come from the proxies of the markets, which the manager lists."""

from typing import Final

from chains.caip import Address
from chains.events import Addresses, Names, VenueEvents
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.synthetix.decode import VENUE

_ALL_MARKETS: Final = Function("allMarkets(bool)", "(address[])")


async def contracts(client: ChainClient, names: Addresses, at: BlockRef) -> frozenset[Address]:
    """The manager and its markets; raises BadAnswer where the manager does not answer."""
    manager = names["futures_market_manager"]
    (answer,) = await client.call([_ALL_MARKETS.call(manager, True)], at)
    (markets,) = _ALL_MARKETS.decode(answer)
    return frozenset({manager, *markets})


_MODIFIED: Final = "PositionModified(uint256,address,uint256,int256,int256,uint256,uint256,uint256,int256)"
_LIQUIDATED: Final = "PositionLiquidated(uint256,address,address,int256,uint256,uint256,uint256,uint256)"
_SUBMITTED: Final = "DelayedOrderSubmitted(address,bool,int256,uint256,uint256,uint256,uint256,uint256,bytes32)"
_REMOVED: Final = "DelayedOrderRemoved(address,bool,uint256,int256,uint256,uint256,uint256,bytes32)"

EVENTS: Final = VenueEvents(
    VENUE,
    {
        "MarginTransferred(address,int256)": Names((1,)),
        _MODIFIED: Names((2,)),
        "PositionFlagged(uint256,address,address,uint256,uint256)": Names(words=(1,)),
        _LIQUIDATED: Names(words=(1,)),
        _SUBMITTED: Names((1,)),
        _REMOVED: Names((1,)),
        "MarketAdded(address,bytes32,bytes32)": Names(new_contract=True),
        "MarketRemoved(address,bytes32,bytes32)": Names(all_holders=True),
    },
    contracts,
)
dirty_accounts = EVENTS.dirty_accounts
