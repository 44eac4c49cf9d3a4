"""Perp v2 (Curie, contracts 2.8): one cross account per address.

The rule, from Vault, AccountBalance and ClearingHouse of @perp/curie-contract 2.8.4:

    account value  = settled USDC + unrealised PnL + sum(other collateral x price x its ratio), 6 decimals down
    settled USDC   = vault balance + owed realised PnL + pending maker fee - pending funding
    unrealised PnL = sum(size x mark) + sum(open notional)
    requirement    = mm ratio x sum |size x mark|               liquidatable iff account value < requirement
    free           = min(account value, its collateral part) - im ratio x debts

mark: the contract's own getMarkPrice (median of two pool TWAPs and the index with premium); the last index of a
paused market, the closing price of a closed one. Positions follow the mark, which moves only as far as the pool is
traded: an index move alone is no loss yet.

``deployment.venues["perp-v2"]`` names: clearing_house, account_balance, vault, exchange, order_book, config,
collateral_manager. Every market's base token must be a registered asset, whose factor the position then carries.
"""

from chains.venues.perp.reader import PerpReader
from chains.venues.perp.rule import VENUE

__all__ = ["VENUE", "PerpReader"]
