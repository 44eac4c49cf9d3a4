"""Advice on the devnet, and what the owner's signer would do with it."""

from aggregator.advice.advise import advise
from aggregator.advice.model import Bands
from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.portfolios import Portfolios
from aggregator.wiring import wire
from chains.devnet.anvil import rpc


async def advice_of(world, name, bands):
    """Advice for one member of the cast, worked out on forks of the devnet."""
    async with wire(devnet_settings(world.state_dir)) as wired:
        portfolio = Portfolios({name: wired.cycle.portfolios.accounts(name)})
        return await advise(wired, portfolio, utc_now(), bands if isinstance(bands, Bands) else Bands(**bands))


async def report_of(world, name):
    """The member's report now."""
    async with wire(devnet_settings(world.state_dir)) as wired:
        (report,) = await wired.cycle.run(utc_now(), Portfolios({name: wired.cycle.portfolios.accounts(name)}))
        return report


async def accounts_of(world, name):
    """The member's venue accounts as read, by the venue and sub-account, and the deployments of the chains."""
    async with wire(devnet_settings(world.state_dir)) as wired:
        portfolio = Portfolios({name: wired.cycle.portfolios.accounts(name)})
        read = await wired.cycle.world(utc_now(), portfolio)
        found = {(a.venue, a.sub_account): a for part in read.reads for a in part.accounts}
        return found, wired.cycle.deployments


def send(world, transaction):
    """Mine an unsigned transaction; anvil holds the keys of its test accounts. Raises AnvilError if it reverts."""
    url = next(info.http_url for info in world.file.nodes if info.chain == transaction.chain)
    data = transaction.data if isinstance(transaction.data, str) else "0x" + transaction.data.hex()
    wanted = {"from": transaction.sender, "to": transaction.to, "data": data,
              "value": hex(int(transaction.value)), "gasPrice": "0x0"}  # fmt: skip
    gas = 2 * int(rpc(url, "eth_estimateGas", wanted), 16)
    receipt = rpc(url, "eth_sendTransactionSync", wanted | {"gas": hex(gas)})
    assert int(receipt["status"], 16) == 1, transaction.about


def carry_out(world, plan):
    """All steps of a plan that does not leave its chains."""
    for step in plan.steps:
        for transaction in step.transactions:
            send(world, transaction)
    world.meet()


def plan_for(advice, name, account=""):
    """The first plan of a name, about an account whose id ends so."""
    found = [p for p in advice.plans if p.name == name and p.account.endswith(account)]
    assert found, (name, account, advice.refused)
    return found[0]
