"""Looking at watches and changing them: what the HTTP API and the command line do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from re import fullmatch

from aggregator.errors import ConfigError, NoSuchWatch
from aggregator.store.repository import Store, only_writer
from aggregator.watches.book import Override, WatchBook
from aggregator.watches.kept import load_overrides, load_states, save_override
from aggregator.watches.rule import NAME, Watch, WatchChange
from aggregator.watches.watch import State


@dataclass(frozen=True, slots=True)
class WatchView:
    """One watch of one portfolio as it stands."""

    portfolio: str
    rule: Watch
    origin: str
    """package, settings or api; with ``changed`` the API has changed it."""
    changed: bool
    firing: tuple[str, ...]
    """Subjects with an open alert; empty text for the portfolio itself."""
    missing: tuple[str, ...]
    """Subjects whose figure is not known."""

    @property
    def id(self) -> str:
        """Portfolio and name."""
        return f"{self.portfolio}:{self.rule.name}"


class WatchDesk:
    """Watches of a store."""

    def __init__(self, store: Store, book: WatchBook) -> None:
        self._store = store
        self._book = book

    async def views(self, portfolios: Sequence[str]) -> list[WatchView]:
        """All watches of portfolios."""
        async with self._store.transaction(writing=False) as connection:
            said = await load_overrides(connection, portfolios)
            states = await load_states(connection, portfolios)
        found = []
        for name in portfolios:
            own, kept = said.get(name, {}), states.get(name, {})
            rules = self._book.all(name, own).values()
            found += [self._view(name, rule, own.get(rule.name), kept.get(rule.name, {})) for rule in rules]
        return found

    async def view(self, portfolio: str, watch: str) -> WatchView:
        """One watch; raises NoSuchWatch."""
        for found in await self.views([portfolio]):
            if found.rule.name == watch:
                return found
        raise NoSuchWatch(f"{watch[:40]!r}: no watch of {portfolio} has this name")

    async def change(self, portfolio: str, watch: str, change: WatchChange, by: str, now: datetime) -> WatchView:
        """Put a change over what the settings say; raises ConfigError where it makes no sense."""
        if fullmatch(NAME, watch) is None:
            raise ConfigError(f"{watch[:40]!r}: a watch's name is a letter, then letters, digits, -: at most 40")
        async with self._changing(portfolio, watch, by, now) as said:
            said[watch] = replace(said.get(watch, Override()), change=change)
            self._book.all(portfolio, said)
        return await self.view(portfolio, watch)

    async def restore(self, portfolio: str, watch: str, by: str, now: datetime) -> None:
        """Take back what the API has said; raises NoSuchWatch where it has said nothing."""
        async with self._changing(portfolio, watch, by, now) as said:
            if watch not in said:
                raise NoSuchWatch(
                    f"{portfolio}:{watch}: the API has not changed it, so there is nothing to remove"
                )
            del said[watch]

    async def mute(self, portfolio: str, watch: str, until: datetime | None, by: str, now: datetime) -> WatchView:
        """Keep a watch quiet until a time; None ends that. What is open stays open and is told afterwards."""
        await self.view(portfolio, watch)
        async with self._changing(portfolio, watch, by, now) as said:
            said[watch] = replace(said.get(watch, Override()), muted_until=until)
        return await self.view(portfolio, watch)

    @asynccontextmanager
    async def _changing(
        self, portfolio: str, watch: str, by: str, now: datetime
    ) -> AsyncIterator[dict[str, Override]]:
        """What the API has said of a portfolio, to be changed for one watch; written if nothing is raised."""
        async with self._store.transaction(writing=True) as connection:
            await only_writer(connection)
            said = dict((await load_overrides(connection, [portfolio])).get(portfolio, {}))
            yield said
            await save_override(connection, portfolio, watch, said.get(watch, Override()), by, now)

    def _view(self, portfolio: str, rule: Watch, said: Override | None, state: State) -> WatchView:
        return WatchView(
            portfolio=portfolio,
            rule=rule,
            origin=self._book.origin(portfolio, rule.name),
            changed=said is not None and said.change is not None,
            firing=tuple(sorted(subject for subject, memory in state.items() if memory.breach.level)),
            missing=tuple(sorted(subject for subject, memory in state.items() if memory.missing.level)),
        )
