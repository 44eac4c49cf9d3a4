"""Events of Morpho Blue. A fee recipient's shares grow without one: accrued interest names nobody."""

from typing import Final

from chains.caip import Address
from chains.events import Addresses, Names, VenueEvents
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.morpho.rule import VENUE


async def contracts(_: ChainClient, names: Addresses, __: BlockRef) -> frozenset[Address]:
    """The one contract of the venue."""
    return frozenset({names["morpho"]})


EVENTS: Final = VenueEvents(
    VENUE,
    {
        "Supply(bytes32,address,address,uint256,uint256)": Names((3,)),
        "Withdraw(bytes32,address,address,address,uint256,uint256)": Names((2,)),
        "Borrow(bytes32,address,address,address,uint256,uint256)": Names((2,)),
        "Repay(bytes32,address,address,uint256,uint256)": Names((3,)),
        "SupplyCollateral(bytes32,address,address,uint256)": Names((3,)),
        "WithdrawCollateral(bytes32,address,address,address,uint256)": Names((2,)),
        "Liquidate(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)": Names((3,)),
    },
    contracts,
)
dirty_accounts = EVENTS.dirty_accounts
