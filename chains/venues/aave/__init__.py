"""Aave v3.0 and v3.6: a lending account, liquidatable when collateral x threshold falls below its debt.

E = sum of collateral x liquidation threshold (v3.0: by the contract's average, which it truncates to whole bps;
v3.6: the exact sum), k·MM = debt. Contract address in the deployment: ``pool``. Which version it is, the pool's
revision says at every read (1 to 3: v3.0, 10: v3.6); any other one is refused, because rules changed in between.
"""

from chains.venues.aave.account import VENUE
from chains.venues.aave.reader import AaveReader

__all__ = ["VENUE", "AaveReader"]
