"""Proving the settings before they are relied on: what is read from the file alone, and what only answers show."""
