"""Events of Uniswap v3 positions: minting, passing on and burning name the owners.

What is added to, taken from or collected by an NFT names its id only; the regular scans see it.
"""

from typing import Final

from chains.events import Names, VenueEvents
from chains.venues.uniswap.decode import VENUE

EVENTS: Final = VenueEvents(
    VENUE,
    {
        "Transfer(address,address,uint256)": Names((1, 2)),
    },
    complete=False,
)
dirty_accounts = EVENTS.dirty_accounts
