"""Events of <Venue>: which log names whose account. They only say whose state to read again."""

from typing import Final

from chains.events import Names, VenueEvents
from chains.venues._template.decode import VENUE

EVENTS: Final = VenueEvents(
    VENUE,
    {
        # Indexes of the topics (0 is the signature) and of the data's words that hold the accounts' addresses.
        "Deposit(address,uint256)": Names((1,)),
        "Liquidate(address,address,uint256)": Names((2,)),
    },
)
dirty_accounts = EVENTS.dirty_accounts
