"""One module per price source."""
