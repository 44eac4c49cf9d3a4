"""The write, outbox and delivery path under kill -9."""
