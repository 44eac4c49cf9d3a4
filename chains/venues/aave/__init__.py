"""Aave v3.0: a lending account, liquidatable when collateral x liquidation threshold falls below its debt.

E = sum of collateral x threshold (by the contract's average, which it truncates to whole bps), k·MM = debt.
Contract address in the deployment: ``pool``. Pools of revision 1 to 3 are v3.0; 3.1 and later are refused.
"""

from chains.venues.aave.account import VENUE
from chains.venues.aave.reader import AaveReader

__all__ = ["VENUE", "AaveReader"]
