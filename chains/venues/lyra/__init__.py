"""Lyra v1 (Avalon) options: isolated shorts with partial collateral, longs as value.

Contract addresses of ``deployment.venues["lyra-v1"]``: ``synthetix_adapter`` and ``black_scholes`` (the library
that OptionGreekCache is linked to) for the venue, and for each market, under a prefix that names its underlying
(``ETH.``): ``option_market``, ``option_token``, ``greek_cache``, ``quote_asset``, ``base_asset``.
"""

from chains.venues.lyra.decode import VENUE
from chains.venues.lyra.reader import LyraReader

__all__ = ["VENUE", "LyraReader"]
