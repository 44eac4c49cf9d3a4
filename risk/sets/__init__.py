"""Scenario sets beside the grid: rows from history, a copula and named episodes, as ``ScenarioSet``."""
