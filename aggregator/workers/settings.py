"""How workers share the work."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class WorkerSettings(BaseModel):
    """``[workers]``; the same for every worker of a database."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease_s: float = Field(default=5, gt=0)
    """A process that was not heard of for so long is taken for dead, and its work is free."""
    beat_s: float = Field(default=1, gt=0)
    """How often a process says that it lives, and looks for work that is free."""

    @model_validator(mode="after")
    def _often_enough(self) -> "WorkerSettings":
        if self.lease_s < 3 * self.beat_s:
            raise ValueError(f"lease_s: {self.lease_s:g} must be at least three times beat_s ({self.beat_s:g})")
        return self
