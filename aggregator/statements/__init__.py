"""Signed margin statements, and proofs that a report was part of a scan."""
