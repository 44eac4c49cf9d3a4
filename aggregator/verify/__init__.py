"""Proving the model on forks: the same scenario through our revaluation and through the venues' own contracts."""
