"""The HTTP API: one table of endpoints, a module per topic, one front that every request passes."""
