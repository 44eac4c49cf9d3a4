"""What is delivered and what came of it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.report import Frozen


@dataclass(frozen=True, slots=True)
class Message:
    """One body for one receiver; the id stays the same over all attempts."""

    id: str
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt."""

    delivered: bool
    detail: str
    """``HTTP 204``, or why not: a status or the class of an error, never an address."""
    gone: bool = False
    """The receiver has said that it wants no more (410)."""
    retry_after_s: float | None = None


class Notice(Frozen):
    """Something about the delivery itself, told to the receivers that work."""

    id: str
    type: Literal["receiver.disabled", "receiver.test"]
    created_at: datetime
    receiver: str
    """Which one this is about."""
    reason: str
    waiting: int
    """Alerts that wait for it; they are kept."""


def disabled_notice(receiver: str, reason: str, waiting: int, at: datetime) -> Notice:
    """A receiver gets nothing any more."""
    return Notice(
        id=_new_id(), type="receiver.disabled", created_at=at, receiver=receiver, reason=reason, waiting=waiting
    )


def trial_notice(receiver: str, at: datetime) -> Notice:
    """A trial that somebody asked for."""
    return Notice(
        id=_new_id(), type="receiver.test", created_at=at, receiver=receiver, reason="a test message", waiting=0
    )


def _new_id() -> str:
    return f"ntc_{uuid.uuid4().hex}"
