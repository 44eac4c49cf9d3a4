"""Making a stored report again, and telling every figure that comes out differently."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from aggregator.config import ModelSettings
from aggregator.errors import StoreError
from aggregator.model import load_model
from aggregator.portfolios import Portfolios
from aggregator.registry import AssetRegistry
from aggregator.replay.code import code_identity
from aggregator.replay.freeze import unpacked
from aggregator.replay.thaw import thaw
from aggregator.report import MarginReport
from aggregator.reports import ReportMaker, World
from chains.accounts import ReadResult
from chains.caip import AccountId, ChainId
from chains.deployments import AssetInfo
from chains.types import Cut
from oracles.clocks import ClockSkew
from oracles.params import load_params
from oracles.types import PriceBook, Quotes, ReconciledPrice
from risk.routes import Route


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure by its path in the report."""

    path: str
    stored: Any
    again: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """A report made again."""

    report: MarginReport
    differences: tuple[Difference, ...]
    code: tuple[Difference, ...]
    """What the code and its libraries were then and are now, where that differs."""
    parameters: Difference | None
    """Hash of the parameters then and now, where that differs."""

    @property
    def same(self) -> bool:
        """Whether every figure came out to the last digit."""
        return not self.differences


def replay(stored: MarginReport, world: bytes, setting: bytes) -> Replayed:
    """Make a report again from its inputs; raises StoreError where those cannot be read."""
    try:
        frame, maker = _maker(setting)
        content = unpacked(world)
        read = _world(content)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"inputs of {stored.id} cannot be read by this version: {error}") from None
    made = {report.portfolio.name: report for report in maker.make(read)}
    again = made.get(stored.portfolio.name)
    if again is None:
        raise StoreError(f"inputs of {stored.id} do not have the portfolio {stored.portfolio.name}")
    before, now = frame["params_hash"], maker.model.params_hash
    return Replayed(
        report=again,
        differences=tuple(_differences("", _figures(stored), _figures(again))),
        code=tuple(_differences("", frame["code"], code_identity())),
        parameters=None if before == now else Difference("params_hash", before, now),
    )


def _figures(report: MarginReport) -> dict[str, Any]:
    """Everything but the identity of this making."""
    return report.model_dump(mode="json", exclude={"id", "code_version"})


@lru_cache(maxsize=2)
def _maker(setting: bytes) -> tuple[dict[str, Any], ReportMaker]:
    """A setting, and the report maker that it describes; the reports of a day share one."""
    frame: dict[str, Any] = unpacked(setting)
    chains = tuple(ChainId(chain) for chain in frame["chains"])
    assets = thaw(tuple[AssetInfo, ...], frame["assets"])
    # The routes hold what was observed until then; the file of observations may be gone or have grown.
    settings = frame["model"] | ({"bridge_observations": None} if "routes" in frame else {})
    model = load_model(ModelSettings.model_validate(settings), chains).using(_routes(frame))
    names = {ChainId(chain): name for chain, name in frame["chain_names"].items()}
    registry = AssetRegistry({info.asset: info for info in assets})
    return frame, ReportMaker(registry, model, load_params(frame["prices"]), names)


def _routes(frame: Mapping[str, Any]) -> tuple[Route, ...] | None:
    """Routes of a setting; None where an older version has kept none."""
    return thaw(tuple[Route, ...], frame["routes"]) if "routes" in frame else None


def world_of(body: bytes, setting: bytes, report_id: str) -> World:
    """What a stored report was made from; raises StoreError where that cannot be read."""
    try:
        return replace(_world(unpacked(body)), routes=_routes(unpacked(setting)))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"inputs of {report_id} cannot be read by this version: {error}") from None


def _world(content: Mapping[str, Any]) -> World:
    prices = thaw(dict[str, ReconciledPrice], content["prices"])
    return World(
        now=thaw(datetime, content["now"]),
        cut=thaw(Cut, content["cut"]),
        portfolios=Portfolios(thaw(dict[str, tuple[AccountId, ...]], content["members"])),
        reads=thaw(tuple[ReadResult, ...], content["reads"]),
        quotes=Quotes(),
        paused=frozenset(content["paused"]),
        book=PriceBook(prices, content["price_parameters"]),
        clocks=thaw(tuple[ClockSkew, ...], content["clocks"]),
    )


def _differences(path: str, stored: Any, again: Any) -> Iterator[Difference]:
    """Leaves that differ, by their path."""
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        for key in dict.fromkeys((*stored, *again)):
            yield from _differences(f"{path}.{key}" if path else key, stored.get(key), again.get(key))
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for index, (one, other) in enumerate(zip(stored, again, strict=True)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif stored != again:
        yield Difference(path, stored, again)
