"""The law of lent rates: in no second more than the rate, whatever dies, sleeps and takes over in any order."""

from collections import deque
from dataclasses import replace

import asyncio_throttle.throttler
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.workers.rates import Part, goals_of, lend, lendable, told
from chains.evm import budget
from chains.evm.budget import LEAST, Window

STEP_S = 0.125
FOR_S, DEAD_S, PERIOD_S = 4.0, 2.0, 1.0


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Process:
    """One worker with its real window; it sends whatever the window lets pass at every step."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.part = Part()
        self.window = Window(1_000)
        self.window.keep_to(0, 0.0)
        self.awake = True

    def beat(self, table: "Table", wants: int, now: float) -> None:
        loans = told(table.loans(now), self.name, wants, self.part.holds(now))
        table.alive[self.name] = now + DEAD_S
        if table.owner(now) in {None, self.name}:
            table.owned_by = self.name
            loans = lend(table.rate, loans, table.living(now), FOR_S)
        table.keep(loans, now)
        mine = next(loan for loan in loans if loan.worker == self.name)
        self.part.keep_to(mine.part if mine.left_s > 0 else 0, now)
        self.window.keep_to(self.part.limit, max(0.0, mine.left_s))

    def send(self, now: float) -> int:
        self.window.flush()
        passed = 0
        while len(self.window._task_logs) < self.window.rate_limit:
            self.window._task_logs.append(now)
            passed += 1
        return passed


class Table:
    """What the database has."""

    def __init__(self, rate: int) -> None:
        self.rate, self.rows, self.alive, self.owned_by = rate, {}, {}, None

    def loans(self, now: float) -> list:
        return [replace(loan, left_s=until - now) for loan, until in self.rows.values()]

    def keep(self, loans, now: float) -> None:
        self.rows = {loan.worker: (loan, now + loan.left_s) for loan in loans}

    def living(self, now: float) -> set[str]:
        return {name for name, until in self.alive.items() if until > now}

    def owner(self, now: float) -> str | None:
        return self.owned_by if self.owned_by in self.living(now) else None


ACTS = st.tuples(st.integers(0, 3), st.sampled_from(["beat"] * 5 + ["sleep", "die"]), st.integers(0, 60))


@pytest.mark.parametrize("rate", [7, 50, 200])
@given(rounds=st.lists(st.lists(ACTS, max_size=3), min_size=20, max_size=120))
def test_in_no_second_more_than_the_rate_is_spent(rate, rounds):
    clock, table, spent, least, born = Clock(), Table(rate), deque(), deque(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "time", clock)
        patch.setattr(asyncio_throttle.throttler, "time", clock)
        processes: list[Process] = []
        ghosts: list[Process] = []  # cut off from the database: they spend what they think is theirs
        for acts in rounds:
            clock.now += STEP_S
            for which, act, wants in acts:
                while len(processes) <= which:
                    processes.append(Process(f"w{born}"))
                    born += 1
                process = processes[which]
                if act == "beat":
                    process.beat(table, wants, clock.now)
                    process.awake = True
                elif act == "sleep":
                    process.awake = not process.awake
                else:
                    ghosts.append(processes.pop(which))
            everybody = [*processes, *ghosts]
            least += [(clock.now, each.name) for each in everybody if each.window.rate_limit == LEAST]
            spent += [(clock.now, each.send(clock.now)) for each in everybody if each.awake]
            for past in (spent, least):
                while past and past[0][0] < clock.now - PERIOD_S:
                    past.popleft()
            without = {name for _, name in least}
            assert sum(count for _, count in spent) <= lendable(rate) + LEAST * len(without)
            assert sum(loan.held for loan in table.loans(clock.now) if loan.left_s > -PERIOD_S) <= lendable(rate)


@given(
    st.integers(1, 500),
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 900), max_size=8),
)
def test_goals_share_all_out_and_leave_nobody_without(total, wants):
    goals = goals_of(total, wants)
    assert sum(goals.values()) == (total if wants else 0)
    for name, goal in goals.items():
        assert goal >= total // len(wants) // 4
        assert goal >= min(wants[name], total // len(wants))


def test_the_busy_one_gets_what_the_others_do_not_want():
    assert goals_of(100, {"a": 1000, "b": 0}) == {"a": 88, "b": 12}
    assert goals_of(100, {"a": 1000, "b": 1000}) == {"a": 50, "b": 50}
    assert goals_of(100, {"a": 0, "b": 0}) == {"a": 50, "b": 50}


def test_a_part_grows_only_after_the_other_has_kept_to_less_for_a_second():
    first, second = Part(), Part()
    loans = lend(100, told([], "a", 500, None), ["a"], FOR_S)
    first.keep_to(loans[0].part, 0.0)
    assert first.limit == lendable(100)
    loans = lend(100, told(loans, "b", 500, None), ["a", "b"], FOR_S)
    assert [loan.part for loan in loans] == [49, 0]
    first.keep_to(49, 1.0)
    loans = lend(100, told(loans, "a", 500, first.holds(1.5)), ["a", "b"], FOR_S)
    assert [loan.part for loan in loans] == [49, 0]
    loans = lend(100, told(loans, "a", 500, first.holds(2.1)), ["a", "b"], FOR_S)
    assert [loan.part for loan in loans] == [49, 49]
    second.keep_to(49, 2.2)
    assert first.limit + second.limit <= lendable(100)
