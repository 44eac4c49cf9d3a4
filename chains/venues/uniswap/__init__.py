"""Uniswap v3 positions: each NFT of the position manager is an account that nobody can liquidate.

V = value of the range at the price book's prices + fees owed, those that the pool has credited but the NFT has not
yet collected among them; E = V x (1 - haircut), k·MM = 0. The value follows the range in every scenario (an
``LpRange`` exposure): it is what the position is worth once the pool follows the market, so a pool whose price was
pushed away does not push the figure. The legs show what lies in the range at the pool's own price now.

Positions staked with another contract belong to that contract and are not found here. The NFT itself is counted
nowhere. A position of which only one token is registered is an ``unknown_mode``; of none, it is not looked at.
``deployment.venues["uniswap-v3"]`` names: position_manager (factory and pools are found from it), and swap_router
(v3-periphery's SwapRouter) where advice may propose to trade through its pools.
"""

from chains.venues.uniswap.decode import VENUE
from chains.venues.uniswap.reader import UniswapReader

__all__ = ["VENUE", "UniswapReader"]
