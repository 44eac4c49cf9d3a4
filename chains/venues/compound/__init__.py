"""Compound v3 (Comet): one base token is lent and borrowed, several others are collateral; every market isolates.

The rule (isLiquidatable, after accruing interest as absorb does), in 1e-8 dollars, every step rounded down:

    debt = borrow principal x borrow index / 1e15 x base price / base unit
    E    = sum of collateral x price / unit x liquidate collateral factor / 1e18            k·MM = debt
    liquidatable iff debt > E

A lent base token secures nothing but itself: a market where the account lends is an account with k·MM = 0, its
collateral at full value. Interest is brought to the block by the market's own rates, and compared with the
balances that the market itself says. One venue account per market, ``sub_account`` = the market's name.

Only markets that count in dollars are read: where the base token is no registered USD stablecoin the market's
feeds may quote in that token (as the ETH market does), which is an ``unknown_mode``.

``deployment.venues["compound-v3"]`` names: ``<market>`` -> the Comet proxy, for example ``cUSDCv3``.
"""

from chains.venues.compound.decode import VENUE
from chains.venues.compound.reader import CompoundReader

__all__ = ["VENUE", "CompoundReader"]
