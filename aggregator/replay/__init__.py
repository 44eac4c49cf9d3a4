"""Keeping what a report was made from, and making it again."""
