"""GMX v2 (synthetics), release 2.2: every position (market, collateral, side) is margined alone.

The rule (PositionUtils.isPositionLiquidatable), in 1e-30 dollars:

    E    = collateral + result of the position + min(0, impact of closing and pending, bounded) - fees and costs
    k·MM = max( smallest collateral, size as entered x minimal collateral factor for liquidation )
    liquidatable iff E < k·MM

The result is computed from size and price; fees (closing, borrowing and funding to the block) and the impact are
what the venue's reader contract says. Checked against its result, its remaining collateral and its minimum.
A profit that the pool caps makes the account degraded: its scenarios would promise more than is paid.

Prices are those of the Chainlink feeds that the venue's data store names; keepers execute at signed prices, which
may be a little ahead. A release whose structs have another length is an ``unknown_mode``, as is a market whose
index or collateral is no registered asset; a token without a feed is ``unpriced``.

``deployment.venues["gmx-v2"]`` names: reader, data_store, referral_storage, and event_emitter for discovery.
"""

from chains.venues.gmx.decode import VENUE
from chains.venues.gmx.reader import GmxReader

__all__ = ["VENUE", "GmxReader"]
