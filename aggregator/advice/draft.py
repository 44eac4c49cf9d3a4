"""Drafts of plans from a scene: pure; what they would do to the margin is tried on forks afterwards."""

from collections.abc import Iterator

from aggregator.advice.fund import funds
from aggregator.advice.hedge import hedges
from aggregator.advice.needs import Need
from aggregator.advice.pieces import Draft
from aggregator.advice.reduce import reduce, sell_collateral
from aggregator.advice.scene import Scene
from chains.caip import ChainId

__all__ = ["drafts", "hedges"]


def drafts(scene: Scene, need: Need, quoted_at: dict[ChainId, int]) -> Iterator[Draft]:
    """Everything that this package knows to do for an account."""
    if not need.less_only:
        yield from funds(scene, need, quoted_at)
    yield from sell_collateral(scene, need, quoted_at)
    yield from reduce(scene, need, quoted_at)
