"""The watches at work: a judge of reports inside the store's transaction, and the look for missing reports."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from aggregator.alerts import Alert
from aggregator.report import MarginReport
from aggregator.store.repository import Judged
from aggregator.store.rows import ReportRow
from aggregator.watches.book import WatchBook
from aggregator.watches.figures import Reading
from aggregator.watches.kept import (
    States,
    load_overrides,
    load_states,
    save_episodes,
    save_states,
)
from aggregator.watches.machine import Change
from aggregator.watches.rule import Watch, removed
from aggregator.watches.watch import Happened, Memory, State, all_watches, end, look
from aggregator.watches.words import Background, alert_of
from risk.status import Status, duration

REPORT_AGE = "report.age_s"
"""The figure that the timer looks at, for a missing report cannot look at itself."""
ENDED = "the watch was switched off"
Told = list[tuple[Happened, Alert]]


class Watching:
    """Judges reports by the watches of their portfolios."""

    def __init__(self, book: WatchBook) -> None:
        self.book = book

    async def judge(
        self, connection: AsyncConnection, reports: Sequence[MarginReport], before: Mapping[str, Status]
    ) -> Judged:
        """Alerts of reports, with what their watches remember from now on."""
        names = {report.portfolio.name for report in reports}
        said, kept = await load_overrides(connection, names), await load_states(connection, names)
        rules = {name: self.book.of(name, said.get(name)) for name in names}
        states, told = await asyncio.to_thread(judged, rules, kept, reports, before)
        return await _kept(connection, kept, states, told)

    async def overdue(self, connection: AsyncConnection, waiting: Mapping[str, float], now: datetime) -> Judged:
        """Alerts of portfolios without a report for so many seconds, longer than their watch allows."""
        names = list(waiting)
        said, kept = await load_overrides(connection, names), await load_states(connection, names)
        newest = await _newest(connection, names)
        states, told = dict(kept), Told()
        for name, seconds in waiting.items():
            report, stored = newest.get(name, (None, None))
            silent_s = seconds if stored is None else min(seconds, (now - stored).total_seconds())
            for rule in self.book.of(name, said.get(name)).values():
                if rule.figure != REPORT_AGE or silent_s <= float(rule.levels[0].fire):
                    continue
                why = f"none has come for {duration(silent_s)}"
                old = states.get(name, {}).get(rule.name, {})
                state, happened = look(rule, old, {"": Reading(None, None, why)}, now)
                background = Background(name, report, None if report is None else report.status)
                changed = {**states.get(name, {}), rule.name: state}
                states[name], found = written(happened, background, changed)
                told += found
        return await _kept(connection, kept, states, told)


def judged(
    rules: Mapping[str, Mapping[str, Watch]],
    kept: Mapping[str, States],
    reports: Sequence[MarginReport],
    before: Mapping[str, Status],
) -> tuple[dict[str, States], Told]:
    """What the watches of each portfolio remember after its reports, and the alerts that came of them."""
    states, statuses, told = dict(kept), dict(before), Told()
    for report in reports:
        name = report.portfolio.name
        states[name], happened = look_at(rules[name], states.get(name, {}), report)
        background = Background(name, report, statuses.get(name))
        states[name], found = written(happened, background, states[name])
        told += found
        statuses[name] = report.status
    return states, told


def look_at(rules: Mapping[str, Watch], before: States, report: MarginReport) -> tuple[States, list[Happened]]:
    """All watches of a portfolio over a report; what watches had open that are gone ends."""
    now = report.as_of.time
    after, found = all_watches(list(rules.values()), before, report, now)
    for name in before.keys() - rules.keys():
        found += end(removed(name), before[name], now, ENDED)
    return after, found


def written(happened: Iterable[Happened], background: Background, states: States) -> tuple[States, Told]:
    """The alerts of what happened; an alert that opens a matter gives the matter its name."""
    told: Told = []
    for one in happened:
        alert = alert_of(one, background)
        told.append((one, alert))
        if one.event.change is Change.OPENED and one.watch.name in states:
            states = {**states, one.watch.name: _named(states[one.watch.name], one, alert.id)}
    return states, told


def _named(state: State, happened: Happened, episode: str) -> State:
    memory = state[happened.subject]
    if happened.missing:
        half = msgspec.structs.replace(memory.missing, episode=episode)
        return {**state, happened.subject: Memory(memory.breach, half)}
    half = msgspec.structs.replace(memory.breach, episode=episode)
    return {**state, happened.subject: Memory(half, memory.missing)}


async def _kept(
    connection: AsyncConnection, before: Mapping[str, States], after: Mapping[str, States], told: Told
) -> Judged:
    await save_states(connection, before, after)
    await save_episodes(connection, told)
    silent = frozenset(alert.id for happened, alert in told if not happened.event.deliver)
    return Judged(tuple(alert for _, alert in told), silent)


async def _newest(connection: AsyncConnection, names: Sequence[str]) -> dict[str, tuple[MarginReport, datetime]]:
    """Newest report of each portfolio that has one, with its time."""
    found = {}
    for name in names:
        last = select(func.max(col(ReportRow.seq))).where(col(ReportRow.portfolio) == name).scalar_subquery()
        query = select(col(ReportRow.body), col(ReportRow.created_at)).where(col(ReportRow.seq) == last)
        row = (await connection.execute(query)).one_or_none()
        if row is not None:
            found[name] = (MarginReport.model_validate_json(row.body), row.created_at)
    return found
