"""Morpho Blue 1.0: every market isolates; an address's loan in one market is one venue account.

The rule (Morpho._isHealthy), in units of the loan token:

    borrowed   = borrow shares x (total borrow assets + 1) / (total borrow shares + 1e6), rounded up
    max borrow = collateral x oracle price / 1e36 x LLTV, each step rounded down
    liquidatable iff max borrow < borrowed                      E = max borrow, k·MM = borrowed

Interest is brought to the block as Morpho._accrueInterest does, from the rate model's borrowRateView; the
contract's own totals come from accrueInterest itself, tried inside the read. Morpho publishes no health figure:
its verdict is asked by trying to liquidate one unit, which reverts with "position is healthy" or fails later for
want of tokens.

Two kinds of accounts by ``sub_account``: ``0x<first 8 digits of the market id>`` is a loan with its collateral (or
collateral alone); with ``/supply`` behind it is what the address lends there. Lent tokens secure nothing, hence an
account of their own: E = V, k·MM = 0, never liquidatable, withdrawable as far as the market's liquidity goes.

The venue knows no dollars: the loan token is taken at one dollar, only where it is registered as a USD stablecoin;
any other loan token is an ``unknown_mode``. E and k·MM in dollars move together when it depegs.

``deployment.venues["morpho-blue"]`` names: morpho, and ``market:0x<market id>`` -> that market's oracle.
"""

from chains.venues.morpho.reader import MorphoReader
from chains.venues.morpho.rule import VENUE

__all__ = ["VENUE", "MorphoReader"]
