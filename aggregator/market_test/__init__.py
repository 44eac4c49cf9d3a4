"""Backtest of the market risk: price history, seeded worlds whose tail is known, and the page that shows both."""
