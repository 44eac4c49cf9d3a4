"""Random things that people do at the venues of the devnet, and random things that chains and endpoints do."""

import random
from collections.abc import Callable
from decimal import Decimal

from chains.devnet import uniswap
from chains.devnet.chain_world import ChainWorld
from chains.devnet.lyra import OptionType
from chains.devnet.tape import move
from chains.devnet.world import World
from tests.kit import fault_proxy as faults
from tests.kit.fault_proxy import Fault

USERS = range(8, 28)
"""Accounts that are neither the deployers' nor the cast's."""


class Actors:
    """Does one random act at a time; what a venue refuses is somebody's bad luck."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.relays: list = []
        self.done: dict[str, int] = {}
        self.refused = 0

    def act(self) -> None:
        number = self.rng.choice(tuple(self.world.chains))
        chain = self.world.chains[number]
        name, work = self.rng.choice(self.choices(chain))
        user = chain.ctx.deployer.accounts[self.rng.choice(USERS)]
        try:
            work(chain, user)
        except Exception:  # noqa: BLE001 - a venue may refuse anything after a reorg
            self.refused += 1
        else:
            self.done[name] = self.done.get(name, 0) + 1

    def choices(self, chain: ChainWorld) -> list[tuple[str, Callable[[ChainWorld, str], None]]]:
        found = [("aave", self.aave)] * 3 + [("a token passed on", self.pass_on), ("across", self.across)]
        found += [("across filled", self.fill)] * bool(self.relays)
        found += [("perp", self.perp)] * 2 * (chain.perp is not None)
        found += [("synthetix", self.synthetix)] * 2 * (chain.synthetix is not None)
        found += [("lyra", self.lyra)] * (chain.lyra is not None)
        found += [("morpho", self.morpho)] * 2 * (chain.morpho is not None)
        found += [("uniswap", self.uniswap)] * 2 * ("ETH" in chain.ctx.extra[uniswap.EXTRA].pools)
        return [*found, ("prices", self.prices)] if self.rng.random() < 0.05 else found

    def aave(self, chain: ChainWorld, user: str) -> None:
        venue, pick = chain.aave, self.rng.randrange(5)
        if pick <= 1:
            venue.supply(user, self.rng.choice(("WETH", "USDC", "DAI")), self.rng.randrange(1, 90))
        elif pick == 2:
            venue.supply(user, "WETH", 5)
            venue.borrow(user, "DAI", self.rng.randrange(10, 3000))
        elif pick == 3:
            venue.withdraw(user, "WETH")
        else:
            venue.repay(user, "DAI", self.rng.randrange(1, 10))

    def pass_on(self, chain: ChainWorld, user: str) -> None:
        ctx, pool = chain.ctx, chain.aave.pool.functions
        a_token = ctx.deployer.at(pool.getReserveData(ctx.token("WETH")).call()[8], ctx.tokens["WETH"].abi)
        to = ctx.deployer.accounts[self.rng.choice(USERS)]
        chain.aave.supply(user, "WETH", 2)
        ctx.deployer.send(a_token.functions.transfer(to, 10**17), sender=user)

    def across(self, chain: ChainWorld, user: str) -> None:
        to = self.rng.choice([n for n in self.world.chains if n != chain.ctx.number])
        self.relays.append((to, chain.across.deposit(user, "USDC", self.rng.randrange(10, 900), to)))

    def fill(self, chain: ChainWorld, user: str) -> None:
        to, relay = self.relays.pop(self.rng.randrange(len(self.relays)))
        self.world.chains[to].across.fill(relay)

    def perp(self, chain: ChainWorld, user: str) -> None:
        if self.rng.random() < 0.3:
            chain.perp.close(user, "ETH")
            return
        chain.perp.deposit(user, 4000)
        chain.perp.open(user, self.rng.choice(("ETH", "BTC")), self.rng.choice(("0.5", "-0.4")))

    def synthetix(self, chain: ChainWorld, user: str) -> None:
        chain.synthetix.mint_susd(user, 2000)
        chain.synthetix.deposit(user, "sETHPERP", 2000)
        chain.synthetix.trade(user, "sETHPERP", self.rng.choice((1, -1)))

    def lyra(self, chain: ChainWorld, user: str) -> None:
        chain.lyra.update_greeks()
        chain.lyra.fund(user, quote=30_000)
        strike = chain.lyra.strike(self.rng.choice((2600, 3400)))
        if self.rng.random() < 0.5:
            chain.lyra.open_long(user, strike, self.rng.random() < 0.5, 1)
        else:
            chain.lyra.open_short(user, strike, OptionType.SHORT_CALL_QUOTE, 2, 6000)

    def morpho(self, chain: ChainWorld, user: str) -> None:
        pick = self.rng.randrange(3)
        if pick == 0:
            chain.morpho.supply(user, "WETH", 200)
        elif pick == 1:
            chain.morpho.supply_collateral(user, "WETH", 2)
            chain.morpho.borrow(user, "WETH", 500)
        else:
            chain.morpho.repay(user, "WETH", 20)

    def uniswap(self, chain: ChainWorld, user: str) -> None:
        """A new range, or something done to one of the user's NFTs: half of these events name the NFT only."""
        ctx, npm = chain.ctx, chain.ctx.extra[uniswap.EXTRA].positions.functions
        held = npm.balanceOf(user).call()
        if not held or self.rng.random() < 0.3:
            uniswap.provide(ctx, user, "ETH", (Decimal(2500), Decimal(3500)), self.rng.randrange(100, 9000))
            return
        token = npm.tokenOfOwnerByIndex(user, self.rng.randrange(held)).call()
        liquidity = npm.positions(token).call()[7]
        pick = self.rng.randrange(3)
        if pick == 0:
            to = ctx.deployer.accounts[self.rng.choice(USERS)]
            ctx.deployer.send(npm.transferFrom(user, to, token), sender=user)
        elif pick == 1 and liquidity:
            ctx.deployer.send(npm.decreaseLiquidity((token, liquidity // 3, 0, 0, 2**63)), sender=user)
        else:
            ctx.deployer.send(npm.collect((token, user, 2**127, 2**127)), sender=user)

    def prices(self, chain: ChainWorld, user: str) -> None:
        move(chain, {"ETH": Decimal(self.rng.randrange(2940, 3060))})


def random_fault(rng: random.Random) -> tuple[str, Fault]:
    """Anything that an endpoint may do, but telling other numbers: no reader of one endpoint can know."""
    number = rng.randrange(100_000)
    return rng.choice([
        ("cut", faults.resetting()), ("slow", faults.slow(rng.uniform(0.1, 1.5))), ("hanging", faults.hanging()),
        ("HTTP 503", faults.status(503)), ("429", faults.too_many_requests(1)), ("HTML", faults.html_page()),
        ("truncated", faults.truncated(rng.random())), ("null", faults.null_results()),
        ("null blocks", faults.null_results("eth_getBlockByNumber")),
        ("range", faults.rpc_error(-32005, "query returned more than 10000 results", "eth_getLogs")),
        ("wrong chain", faults.wrong_chain(900 + number)), ("lagging", faults.lagging(rng.randrange(1, 40))),
    ])  # fmt: skip
