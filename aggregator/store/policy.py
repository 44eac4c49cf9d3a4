"""How long what is kept."""

from pydantic import BaseModel, ConfigDict, Field


class RetentionSettings(BaseModel):
    """Reports and prices grow old: all of them for a while, then one an hour, then none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    all_days: float = Field(default=7, gt=0)
    """Every report, price and scan record of so many days is kept."""
    hourly_days: float | None = Field(default=None, gt=0)
    """After that the first of each hour and every change of status, for so many days in all; None: for ever."""
    inputs_days: float = Field(default=7, ge=0)
    """What reports were made from, so that `crossmargin replay` can make them again; 0: is not stored."""
    compact_every_s: float = Field(default=21_600, ge=0)
    """How often `serve` applies this; 0: only `crossmargin store compact` does."""
