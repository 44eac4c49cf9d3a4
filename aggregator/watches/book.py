"""Which watches a portfolio has: those of the package, what settings change, and what calls of the API change."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from importlib.resources import files

from aggregator.watches.rule import Watch, WatchChange, watch_of

Changes = Mapping[str, WatchChange]
"""By name of the watch."""
DEFAULTS = "defaults_v1.toml"


@cache
def defaults() -> Changes:
    """The watches that come with the package."""
    text = (files("aggregator.watches") / DEFAULTS).read_text()
    return {name: WatchChange.model_validate(item) for name, item in tomllib.loads(text).items()}


@dataclass(frozen=True, slots=True)
class Override:
    """What the API has said of one watch of a portfolio."""

    change: WatchChange | None = None
    muted_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WatchBook:
    """Watches by portfolio, from the settings."""

    everywhere: Changes = field(default_factory=dict)
    own: Mapping[str, Changes] = field(default_factory=dict)
    """By portfolio."""

    def of(self, portfolio: str, said: Mapping[str, Override] | None = None) -> dict[str, Watch]:
        """The rules of a portfolio by name; raises ConfigError where a change makes no sense."""
        return {name: rule for name, rule in self.all(portfolio, said).items() if rule.enabled}

    def all(self, portfolio: str, said: Mapping[str, Override] | None = None) -> dict[str, Watch]:
        """Those that are switched off, too."""
        layers, overrides = self._layers(portfolio), said or {}
        names = dict.fromkeys([*layers[0], *layers[1], *layers[2], *overrides])
        found = {name: self._rule(layers, name, overrides.get(name)) for name in names}
        return {name: rule for name, rule in found.items() if rule is not None}

    def origin(self, portfolio: str, name: str) -> str:
        """Where a watch comes from before the API changes it: package, settings or api."""
        package, everywhere, own = self._layers(portfolio)
        if name in everywhere or name in own:
            return "settings"
        return "package" if name in package else "api"

    def check(self) -> None:
        """Raise ConfigError for the first watch that makes no sense."""
        for portfolio in ("", *self.own):
            self.all(portfolio)

    def _layers(self, portfolio: str) -> tuple[Changes, Changes, Changes]:
        return defaults(), self.everywhere, self.own.get(portfolio, {})

    def _rule(self, layers: tuple[Changes, Changes, Changes], name: str, said: Override | None) -> Watch | None:
        changes = [layer[name] for layer in layers if name in layer]
        if said is not None and said.change is not None:
            changes.append(said.change)
        if not changes:
            return None
        rule = watch_of(name, tuple(changes))
        if said is None or said.muted_until is None:
            return rule
        return replace(rule, muted_until=said.muted_until)
