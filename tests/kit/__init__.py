"""Builders, fakes and the venue contract test."""
