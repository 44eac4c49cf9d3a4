"""Synthetix PerpsV2 (the venue behind Kwenta): one isolated account per address and market.

The rule, from contracts/PerpsV2MarketBase.sol of synthetix 2.102:

    equity      = posted sUSD + size x (price - last price) + size x funding per unit since then
    requirement = size x price x buffer ratio + flagger's fee (clipped) + keeper's fee      "liquidation margin"
                + size / skew scale x size x price x premium multiplier                     "premium"
    liquidatable iff equity <= requirement; we add the last wei, so S < 0 says the same

Prices are those of ExchangeRates, that is Chainlink's. sUSD counts at par in E; in V it is a token with a price.
An account that is flagged or below zero has lost its equity for good: E = 0 and no V, and it stays liquidatable.
The loss of a living account is linear in scenarios although it is isolated: beyond its equity the venue bears it.
Funding is accrued up to the block; what it costs from there on is ``carry_usd_per_day``.

``deployment.venues["synthetix-perps-v2"]`` names: futures_market_manager, settings (PerpsV2MarketSettings),
system_status, susd (the token's proxy). Markets are found through the manager. The base asset of a market is the
registered asset whose symbol is the venue's key of it, for example ``sETH``.
"""

from chains.venues.synthetix.decode import VENUE
from chains.venues.synthetix.reader import SynthetixReader

__all__ = ["VENUE", "SynthetixReader"]
