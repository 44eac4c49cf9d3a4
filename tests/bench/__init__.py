"""Measured speed: each figure beside a named baseline of the same run. ``make bench`` runs every module here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    figure: float
    unit: str
    baseline: str
    """What the ratio compares with, measured in the same run; '' for none."""
    ratio: float | None
    """How many times better than the baseline."""
    target: str
    """What the project aims at, as text; '' for none."""
