"""Derive v2: sub-accounts (NFTs) on Derive's own chain; each is margined alone by its manager contract.

Standard manager, cash, perpetuals and base assets, in 1e-18 dollars, every product truncated as the contract does:

    E    = cash + unsettled and unrealised perp results + sum of base x spot x margin factor
    k·MM = sum of |perp| x perp price x maintenance requirement
    liquidatable iff E < k·MM                                   (getMargin(id, false) < 0)

Beside it stands the manager's own getMarginAndMarkToMarket. The perp's result so far comes from the perp contract.
Sub-accounts with options, and those of a portfolio manager, are margined by scenario models over feeds that only
the manager has: their E and k·MM are the manager's own figures (mark to market, and mark to market less margin),
without exposures, and the account says so (``degraded``): its scenarios are unknown, its present state is not.
A manager or an asset that is not known is an ``unknown_mode``.

``deployment.venues["derive-v2"]`` names: sub_accounts, matching, standard_manager, ``portfolio_manager:<name>``,
``cash:<symbol>``, ``perp:<symbol>``, ``base:<symbol>`` (asset contracts; the symbol is that of a registered asset
of the chain that prices it), ``vol_feed:<asset>`` where its volatilities are wanted, and optionally
``owner:<sub-account id>`` -> owner. Where no owner is listed, sub-accounts are found by the AccountCreated and
DepositedSubAccount events.
"""

from chains.venues.derive.decode import VENUE
from chains.venues.derive.reader import DeriveReader

__all__ = ["VENUE", "DeriveReader"]
