"""Advice: what could be done now, tried on forks before it is shown. Nothing is signed, no key is ever held."""
