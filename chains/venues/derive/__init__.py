"""Derive v2: sub-accounts (NFTs) on Derive's own chain; each is margined alone by its manager contract.

Standard manager, cash, perpetuals and base assets, in 1e-18 dollars, every product truncated as the contract does:

    E    = cash + unsettled and unrealised perp results + sum of base x spot x margin factor
    k·MM = sum of |perp| x perp price x maintenance requirement
    liquidatable iff E < k·MM                                   (getMargin(id, false) < 0)

Beside it stands the manager's own getMargin. The perp's result so far comes from the perp contract.

Sub-accounts with options (``standard``) and those of a portfolio manager (``pm2``: PMRM_2, PMRM_2_1) are
margined by models over feeds. The manager's figures decide: E is its mark to market, k·MM that less
getMargin(id, false), the worst of all scenarios (getMarginAndMarkToMarket of a portfolio manager looks at one
only). Beside each of maintenance margin, initial margin and mark stands what the same model makes of the state
that was read: positions, parameters of manager and library, forwards, rates, volatilities, confidences
(``margin_state``; the reader is given the models as a ``MarginRule``). Where anything of it cannot be read, the
manager's figures stand unchecked and the account says so. Options of the standard manager have exposures where its
rule is linear in every state (``options``). Other such accounts have none (``degraded``): their scenarios are
unknown, their present state is not. A manager or an asset that is not known is an ``unknown_mode``.

``deployment.venues["derive-v2"]`` names: sub_accounts, matching, standard_manager, ``portfolio_manager:<name>``,
``cash:<symbol>``, ``perp:<symbol>``, ``base:<symbol>``, ``option:<symbol>`` (asset contracts; the symbol is that
of a registered asset of the chain that prices it), ``vol_feed:<asset>`` where its volatilities are wanted as
prices, and optionally ``owner:<sub-account id>`` -> owner. Where no owner is listed, sub-accounts are found by
the AccountCreated and DepositedSubAccount events.
"""

from chains.venues.derive.decode import VENUE
from chains.venues.derive.reader import DeriveReader

__all__ = ["VENUE", "DeriveReader"]
