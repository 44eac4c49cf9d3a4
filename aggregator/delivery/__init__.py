"""Delivery: from the outbox to the receivers, each on its own, until they answer."""
