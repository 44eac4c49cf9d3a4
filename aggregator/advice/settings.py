"""Settings of advice that the running service works out by itself."""

from pydantic import BaseModel, ConfigDict, Field

from risk.status import Status


class AdviceSettings(BaseModel):
    """When ``serve`` works out advice, which starts a fork of every chain; on request it always does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    automatic: bool = True
    """After a report whose status calls for it."""
    statuses: tuple[Status, ...] = (Status.WATCH, Status.BRIDGE_NOW, Status.DELEVERAGE, Status.LIQUIDATABLE)
    """Statuses that call for it."""
    again_after_s: float = Field(default=300, gt=0)
    """Shortest time between two of one portfolio while its status stays."""
    timeout_s: float = Field(default=180, gt=0)
    """After this long an attempt has failed."""
