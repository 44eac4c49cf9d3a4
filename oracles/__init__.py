"""Price sources and their reconciliation."""
