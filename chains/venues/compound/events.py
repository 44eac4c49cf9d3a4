"""Events of Compound v3: every change of an account names it. Interest is nobody's event."""

from typing import Final

from chains.events import Names, VenueEvents
from chains.venues.compound.decode import VENUE

EVENTS: Final = VenueEvents(
    VENUE,
    {
        "Supply(address,address,uint256)": Names((2,)),
        "Withdraw(address,address,uint256)": Names((1,)),
        "Transfer(address,address,uint256)": Names((1, 2)),
        "SupplyCollateral(address,address,address,uint256)": Names((2,)),
        "WithdrawCollateral(address,address,address,uint256)": Names((1,)),
        "TransferCollateral(address,address,address,uint256)": Names((1, 2)),
        "AbsorbDebt(address,address,uint256,uint256)": Names((2,)),
        "AbsorbCollateral(address,address,address,uint256,uint256)": Names((2,)),
    },
)
dirty_accounts = EVENTS.dirty_accounts
