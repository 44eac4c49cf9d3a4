"""What a cycle read, as compressed JSON: exact to the last digit, and equal worlds give equal bytes.

Two parts, each stored once under its digest: the setting (assets, model settings, code), which rarely changes, and
the world of one cycle, which names its setting.
"""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from aggregator.clock import unix
from aggregator.replay.code import code_identity
from aggregator.reports import ReportMaker, World
from oracles.reconcile import reconcile

FORMAT: Final = b"\1"
"""First byte of what is stored."""
LEVEL: Final = 3
"""A sixth larger than the best and eight times faster."""


@dataclass(frozen=True, slots=True)
class Part:
    """One frozen part."""

    digest: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Frozen:
    """Everything that the reports of one cycle were made from."""

    world: Part
    setting: Part


class Freezer:
    """Freezes worlds of one report maker."""

    def __init__(self, maker: ReportMaker) -> None:
        self._maker = maker
        self._setting = (maker.model.routes, _part(_setting(maker)))

    def freeze(self, world: World) -> Frozen:
        """The world with its setting; takes a moment where it is large."""
        setting = self._setting_of(world)
        return Frozen(_part(_world(world, self._maker, setting.digest)), setting)

    def _setting_of(self, world: World) -> Part:
        """The setting over the world's routes; the worlds between two changes of those share one."""
        maker = self._maker.using(world)
        if self._setting[0] != maker.model.routes:
            self._setting = (maker.model.routes, _part(_setting(maker)))
        return self._setting[1]


def unpacked(body: bytes) -> Any:
    """Plain values of a part; raises ValueError where it is of another format."""
    if body[:1] != FORMAT:
        raise ValueError(f"inputs are stored in format {body[:1]!r}, written by another version")
    return msgspec.json.decode(zlib.decompress(body[1:]))


def _part(content: Mapping[str, Any]) -> Part:
    text = _ENCODER.encode(content)
    return Part(hashlib.sha256(text).hexdigest(), FORMAT + zlib.compress(text, LEVEL))


def _setting(maker: ReportMaker) -> dict[str, Any]:
    return {
        "code": code_identity(),
        "params_hash": maker.model.params_hash,
        "model": maker.model.settings.model_dump(mode="json"),
        "prices": maker.prices.version,
        "routes": list(maker.model.routes),
        "chains": list(maker.model.chains),
        "chain_names": dict(maker.chain_names),
        "assets": [maker.registry.assets[asset] for asset in sorted(maker.registry.assets)],
    }


def _world(world: World, maker: ReportMaker, setting: str) -> dict[str, Any]:
    book = world.book
    if book is None:
        book = reconcile(world.quotes, unix(world.now), maker.prices)
    return {
        "setting": setting,
        "now": world.now,
        "cut": world.cut,
        "members": dict(world.portfolios.members),
        "reads": list(world.reads),
        "prices": {key: book[key] for key in sorted(book)},
        "price_parameters": book.parameters,
        "paused": sorted(world.paused),
        "clocks": list(world.clocks),
    }


def _plain(value: object) -> object:
    """What the encoder does not know by itself."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be frozen")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
