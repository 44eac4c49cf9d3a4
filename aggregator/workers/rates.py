"""How the owner of an endpoint's rate lends parts of it: arithmetic only.

The law: over all workers never more than the rate in any second, whatever dies and takes over in whatever order.
It holds because of what ``held`` counts: the most that a worker may be spending. The owner raises it together
with a part, and only out of what nobody holds; when the owner takes something back, it stays until the borrower
has kept to the smaller part for ``PERIOD_S``, or until ``PERIOD_S`` after the loan has ended by itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chains.evm.budget import LEAST

PERIOD_S: Final = 1.0
"""Rates are per second: what was spent before a part changed still counts for so long."""


@dataclass(frozen=True, slots=True)
class Loan:
    """What a worker may spend at an endpoint, in requests per second."""

    worker: str
    wants: int
    part: int = 0
    held: int = 0
    left_s: float = 0.0
    """Seconds until it ends; negative after that."""


def lendable(rate: int) -> int:
    """What is lent out; the rest (2 %, at least 1) is kept for workers without a loan, ``LEAST`` each."""
    return rate - max(LEAST, rate // 50)


def told(loans: Sequence[Loan], worker: str, wants: int, holds: int | None) -> list[Loan]:
    """The loans of an endpoint with a borrower's word: what it wants, and the most that it can have spent lately.

    Nobody holds more by saying so: what an old loan allowed may be another's by now.
    """
    mine = next((loan for loan in loans if loan.worker == worker), Loan(worker, wants))
    held = mine.held if holds is None else min(mine.held, max(mine.part, holds))
    return [*(loan for loan in loans if loan.worker != worker), replace(mine, wants=wants, held=held)]


def lend(rate: int, loans: Sequence[Loan], living: Collection[str], for_s: float) -> list[Loan]:
    """The loans as they should be from now on.

    Living workers' loans are prolonged, those of others end at their time. A part grows out of what nobody holds.
    """
    kept = [loan if loan.left_s > -PERIOD_S else replace(loan, part=0, held=0) for loan in loans]
    free = max(0, lendable(rate) - sum(loan.held for loan in kept))
    goals = goals_of(lendable(rate), {loan.worker: loan.wants for loan in kept if loan.worker in living})
    lent = []
    for loan in sorted(kept, key=lambda each: each.worker):
        if loan.worker in living:
            part = min(goals[loan.worker], loan.held + free)
            held = max(loan.held, part)
            free -= held - loan.held
            loan = replace(loan, part=part, held=held, left_s=for_s)
        lent.append(loan)
    return lent


def goals_of(total: int, wants: Mapping[str, int]) -> dict[str, int]:
    """Equal parts of a total, of which those who want less leave the rest to those who want more.

    Nobody is left less than a quarter of an equal part: a burst must not begin at nothing. What nobody wants is
    dealt out equally.
    """
    if not wants:
        return {}
    least = total // len(wants) // 4
    wanted = {name: max(least, want) for name, want in wants.items()}
    goals, left = dict.fromkeys(wants, 0), total
    open_ = sorted(wants, key=lambda name: (wanted[name], name))
    for i, name in enumerate(open_):
        goals[name] = min(wanted[name], left // (len(open_) - i))
        left -= goals[name]
    for i, name in enumerate(open_):
        more = left // (len(open_) - i)
        goals[name] += more
        left -= more
    return goals


class Part:
    """A borrower's side of one loan: what it keeps to now, and since when."""

    def __init__(self) -> None:
        self.limit = 0
        self._since_s = float("-inf")

    def keep_to(self, part: int, at_s: float) -> None:
        """From now on no more than this."""
        if part < self.limit:
            self._since_s = at_s
        self.limit = part

    def holds(self, at_s: float) -> int | None:
        """The most that can have been spent in the last ``PERIOD_S``; None: as much as was held before."""
        return self.limit if at_s - self._since_s > PERIOD_S else None
