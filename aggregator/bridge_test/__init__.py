"""Acceptance test of the bridge model: simulated keepers, price history (``crossmargin backtest bridges``)."""
