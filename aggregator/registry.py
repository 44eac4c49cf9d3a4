"""Which price and which risk factor an asset has: the deployments seen from the assets' side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chains.caip import AssetId
from chains.deployments import AssetInfo, ChainDeployment
from chains.instruments import (
    ClippedFee,
    Exposure,
    Fixed,
    Instrument,
    LpRange,
    Option,
    Perp,
    ShortOptionFloor,
    Spot,
)


@dataclass(frozen=True, slots=True)
class AssetRegistry:
    """All registered assets by id."""

    assets: Mapping[AssetId, AssetInfo]

    @classmethod
    def of(cls, deployments: Iterable[ChainDeployment]) -> "AssetRegistry":
        """Registry over the assets of every chain."""
        return cls({info.asset: info for deployment in deployments for info in deployment.assets})

    def price_keys(self) -> frozenset[str]:
        """Everything that needs a price."""
        return frozenset(info.price_key for info in self.assets.values())


def asset_of(instrument: Instrument) -> AssetId | None:
    """The asset whose price moves an instrument, None for fixed dollars."""
    match instrument:
        case Fixed():
            return None
        case Spot() | Perp() | Option():
            return instrument.asset
        case ClippedFee():
            return instrument.perp.asset
        case ShortOptionFloor():
            return instrument.option.asset
        case LpRange():
            return instrument.base


def quote_of(instrument: Instrument) -> AssetId | None:
    """The second asset that moves an instrument, None for all that have one only."""
    return instrument.quote if isinstance(instrument, LpRange) else None


def assets_of(exposures: Iterable[Exposure]) -> frozenset[AssetId]:
    """All assets that move an account."""
    found = (asset for e in exposures for asset in (asset_of(e.instrument), quote_of(e.instrument)))
    return frozenset(asset for asset in found if asset is not None)
