"""Events of Perp v2: trades at the clearing house, results at the account balance, money at the vault."""

from typing import Final

from chains.events import Names, VenueEvents
from chains.venues.perp.rule import VENUE

EVENTS: Final = VenueEvents(
    VENUE,
    {
        "PositionChanged(address,address,int256,int256,uint256,int256,int256,uint256)": Names((1,)),
        "PositionClosed(address,address,int256,int256,int256,int256,uint256)": Names((1,)),
        "PositionLiquidated(address,address,uint256,uint256,uint256,address)": Names((1,), (3,)),
        "LiquidityChanged(address,address,address,int24,int24,int256,int256,int128,uint256)": Names((1,)),
        "FundingPaymentSettled(address,address,int256)": Names((1,)),
        "PnlRealized(address,int256)": Names((1,)),
        "Deposited(address,address,uint256)": Names((2,)),
        "Withdrawn(address,address,uint256)": Names((2,)),
        "BadDebtSettled(address,uint256)": Names((1,)),
        "CollateralLiquidated(address,address,address,uint256,uint256,uint256,uint24)": Names((1, 3)),
    },
)
dirty_accounts = EVENTS.dirty_accounts
