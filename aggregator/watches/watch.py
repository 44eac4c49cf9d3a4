"""One watch over one report, pure: what is remembered and what has happened. Then all watches of a portfolio."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from aggregator.report import MarginReport
from aggregator.watches.figures import Reading, because
from aggregator.watches.machine import Change, Event, Half, close, step
from aggregator.watches.rule import Severity, Watch


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one subject: the figure's own alert, and the one about its absence."""

    breach: Half = Half()
    missing: Half = Half()


FORGOTTEN = Memory()
State = Mapping[str, Memory]
"""By subject; a subject at rest has no entry."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One event with what it is about."""

    watch: Watch
    subject: str
    missing: bool
    """Whether it is about the figure's absence."""
    event: Event
    reading: Reading
    note: str = ""
    """Why it ended, where no reading says so."""

    @property
    def severity(self) -> Severity:
        """That of the worse end, so that the end of an alert is as loud as its beginning."""
        return self.watch.missing_severity if self.missing else self.watch.severity(self.event.worst)


GONE = "it is not there any more"
ABSENT = "the report does not have it"


def watch(
    rule: Watch, state: State, report: MarginReport, now: datetime, *, covered: bool = False
) -> tuple[State, tuple[Happened, ...]]:
    """Look at a report.

    Parameters
    ----------
    state
        What the look before gave.
    covered
        Another alert says already that data is missing: a missing figure opens none of its own meanwhile.
    """
    readings = dict(rule.reads.read(report))
    for subject in state.keys() - readings.keys():
        if not report.data_quality.complete:
            readings[subject] = Reading(None, None, f"{ABSENT}; {because(report)}")
    gone = state.keys() - readings.keys()
    return look(rule, state, readings, now, gone=frozenset(gone), covered=covered)


def look(
    rule: Watch,
    state: State,
    readings: Mapping[str, Reading],
    now: datetime,
    *,
    gone: frozenset[str] = frozenset(),
    covered: bool = False,
) -> tuple[State, tuple[Happened, ...]]:
    """Like ``watch``, with the readings at hand; ``gone``: subjects that a complete report does not have."""
    after: dict[str, Memory] = {}
    found: list[Happened] = []
    for subject, reading in readings.items():
        seen = rule.seen(reading)
        memory = state.get(subject, FORGOTTEN)
        if memory is FORGOTTEN and seen is not None and seen[0] == 0:
            continue
        memory, happened = _subject(rule, subject, memory, reading, seen, now, covered=covered)
        found += happened
        if memory != FORGOTTEN:
            after[subject] = memory
    for subject in sorted(gone):
        memory, happened = _ended(rule, subject, state[subject], now, GONE)
        found += happened
        if memory != FORGOTTEN:
            after[subject] = memory
    return after, tuple(found)


def end(rule: Watch, state: State, now: datetime, note: str) -> tuple[Happened, ...]:
    """Every alert of a watch that is switched off or removed ends."""
    return tuple(
        happened for subject in sorted(state) for happened in _ended(rule, subject, state[subject], now, note)[1]
    )


def is_open(state: State) -> bool:
    """Whether any alert of a watch is open."""
    return any(memory.breach.level or memory.missing.level for memory in state.values())


def _subject(
    rule: Watch,
    subject: str,
    memory: Memory,
    reading: Reading,
    seen: tuple[int, int] | None,
    now: datetime,
    *,
    covered: bool,
) -> tuple[Memory, list[Happened]]:
    breach, first = step(memory.breach, seen, now, rule.law, _loud(rule, now))
    unknown = 1 if seen is None else 0
    # While another alert speaks for it nothing opens here, yet what is open does not end by that.
    certain = 0 if covered else unknown
    silent = _missing_loud(rule, now)
    missing, second = step(memory.missing, (certain, unknown), now, rule.missing_law, silent)
    found = [Happened(rule, subject, False, first, reading)] if first is not None else []
    if second is not None:
        found.append(Happened(rule, subject, True, second, reading))
    return Memory(breach, missing), found


def _ended(rule: Watch, subject: str, memory: Memory, now: datetime, note: str) -> tuple[Memory, list[Happened]]:
    found: list[Happened] = []
    breach, first = close(memory.breach, now, _loud(rule, now))
    missing, second = close(memory.missing, now, _missing_loud(rule, now))
    unknown = Reading(None, None, note)
    for absent, event in ((False, first), (True, second)):
        if event is not None:
            found.append(Happened(rule, subject, absent, event, unknown, note))
    return Memory(breach, missing), found


def _loud(rule: Watch, now: datetime) -> Callable[[int], bool]:
    return lambda level: not rule.silent(rule.severity(level), now)


def _missing_loud(rule: Watch, now: datetime) -> Callable[[int], bool]:
    return lambda _: not rule.silent(rule.missing_severity, now)


def ordered(rules: Sequence[Watch]) -> list[Watch]:
    """Those that others leave the telling of missing data to come first."""
    spoken_for = {rule.missing_told_by for rule in rules}
    return sorted(rules, key=lambda rule: (rule.name not in spoken_for, rule.name))


def all_watches(
    rules: Sequence[Watch], before: Mapping[str, State], report: MarginReport, now: datetime
) -> tuple[dict[str, State], list[Happened]]:
    """Every watch of a portfolio over one report; states by watch name, those at rest left out."""
    after: dict[str, State] = {}
    found: list[Happened] = []
    for rule in ordered(rules):
        speaker = after.get(rule.missing_told_by or "", {})
        state, happened = watch(rule, before.get(rule.name, {}), report, now, covered=is_open(speaker))
        found += happened
        if state:
            after[rule.name] = state
    return after, found


__all__ = ["Change", "Happened", "Memory", "State", "all_watches", "end", "is_open", "look", "ordered", "watch"]
