"""One module per venue: a thin read and pure decode functions."""
