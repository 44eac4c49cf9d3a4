"""Scans of very many portfolios over one value matrix, in this process or over a Ray cluster."""
