"""One thing that was tried, how it came out, and what to do about it."""

from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum

from aggregator.errors import StoreError
from chains.errors import ChainError


class Outcome(StrEnum):
    """How it came out."""

    PASS = "pass"
    WARN = "warn"
    """It works, but somebody may regret it."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    what: str
    outcome: Outcome = Outcome.PASS
    detail: str = ""
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Whether it does not fail."""
        return self.outcome is not Outcome.FAIL


def failing(what: str, detail: str, fix: str) -> Finding:
    """A line that fails."""
    return Finding(what, Outcome.FAIL, detail, fix)


def warning(what: str, detail: str, fix: str) -> Finding:
    """A line that warns."""
    return Finding(what, Outcome.WARN, detail, fix)


async def tried(what: str, attempt: Awaitable[object], fix: str) -> Finding:
    """A line by whether the attempt raises."""
    try:
        await attempt
    except (ChainError, StoreError) as error:
        return failing(what, str(error), fix)
    return Finding(what)
