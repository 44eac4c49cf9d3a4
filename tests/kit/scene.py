"""A scene of advice from hand-made accounts."""

from aggregator.advice.scene import scene_of
from aggregator.portfolios import Portfolios
from aggregator.reports import World
from chains.accounts import ReadResult
from chains.types import Cut
from tests.kit.world import CHAINS, NOW, account, block, maker, quotes


def view(*accounts):
    """The scene of one portfolio that holds the accounts."""
    cut = Cut({chain: block(chain) for chain in CHAINS})
    members = Portfolios({"p": tuple(account(chain) for chain in CHAINS)})
    world = World(NOW, cut, members, (ReadResult(tuple(accounts), ()),), quotes(), frozenset())
    made = maker()
    (report,) = made.make(world)
    return scene_of(made, {}, world, report)
