"""Events of Derive v2: creating and passing on a sub-account name its owner.

Balances change by sub-account id, which their event does not tie to an owner; the regular scans see that.
"""

from typing import Final

from chains.caip import Address
from chains.events import Addresses, Names, VenueEvents
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues.derive.decode import VENUE


async def contracts(_: ChainClient, names: Addresses, __: BlockRef) -> frozenset[Address]:
    """The NFTs and the exchange that keeps them."""
    return frozenset({names["sub_accounts"], names["matching"]})


EVENTS: Final = VenueEvents(
    VENUE,
    {
        "AccountCreated(address,uint256,address)": Names((1,)),
        "DepositedSubAccount(uint256,address)": Names((2,)),
        "Transfer(address,address,uint256)": Names((1, 2)),
    },
    contracts,
    complete=False,
)
dirty_accounts = EVENTS.dirty_accounts
