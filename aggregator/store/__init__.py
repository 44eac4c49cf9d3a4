"""The store: append-only reports and alerts, and the outbox of deliveries."""
