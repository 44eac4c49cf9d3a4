"""Margin rules of single exchanges, each in one small module: for comparison with what a venue asks."""
