"""A venue's contract that fails for one account: that account is unknown, everybody else's numbers stand.

The contract eats all gas for it, so that a whole Multicall3 round with other accounts in it fails first.
"""

import pytest

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import wire
from chains.caip import account_address, chain_id
from chains.evm.abi import Function
from chains.types import Finality
from chains.venues.synthetix.reader import _POSITION
from risk.status import Status

pytestmark = pytest.mark.devnet
OP = chain_id(10)
VENUE = "synthetix-perps-v2"
NEVER_REACHED = 2**60
MARKETS = Function("allMarkets(bool)", "(address[])")


async def reports_of(world):
    async with wire(devnet_settings(world.state_dir)) as wired:
        return {report.portfolio.name: report for report in await wired.cycle.run(utc_now())}


async def spoil(world, account: str) -> None:
    """Point the account's position at an entry of the funding sequence that does not exist.

    Position: id (64 bits), index of the funding sequence (64), margin (128), … in one packed word of storage.
    """
    async with wire(devnet_settings(world.state_dir)) as wired:
        client, names = wired.clients[OP], wired.cycle.deployments[OP].venues[VENUE]
        at = await client.head(Finality.LATEST)
        listed = await client.call([MARKETS.call(names["futures_market_manager"], True)], at)
        (markets,) = MARKETS.decode(listed[0])
        calls = [_POSITION.call(market, account_address(account)) for market in markets]
        positions = [_POSITION.decode(answer)[0] for answer in await client.call(calls, at)]
    (place,) = [i for i, position in enumerate(positions) if position[4]]
    rpc, call = world.chains[10].ctx.deployer.rpc, calls[place]
    read = rpc("eth_createAccessList", {"to": call.to, "data": "0x" + call.data.hex()}, "latest")["accessList"]
    number, _, margin = positions[place][:3]
    packed = number | positions[place][1] << 64 | margin << 128
    for item in read:
        for slot in item["storageKeys"]:
            if int(rpc("eth_getStorageAt", item["address"], slot, "latest"), 16) == packed:
                spoiled = number | NEVER_REACHED << 64 | margin << 128
                rpc("anvil_setStorageAt", item["address"], slot, f"0x{spoiled:064x}")
                rpc("anvil_mine", "0x1")
                return
    raise AssertionError("the position's word of storage was not found")


async def test_one_account_that_its_venue_cannot_value_is_unknown_and_alone(devnet_snapshot):
    before = await reports_of(devnet_snapshot)
    name, account = next(
        (report.portfolio.name, line.account)
        for report in before.values()
        for line in report.venues
        if line.venue == VENUE and report.data_quality.complete
    )
    await spoil(devnet_snapshot, account)
    after = await reports_of(devnet_snapshot)
    hit = after[name]
    assert (hit.status, hit.mm_requirement_usd, hit.equity_usd) == (Status.UNKNOWN, None, None)
    (said,) = [line for line in hit.data_quality.degraded if line.what == f"{account} {VENUE}"]
    assert "reverted" in said.reason
    assert not [line for line in hit.venues if line.venue == VENUE and line.account == account]
    same = [p for p, report in before.items() if account not in report.portfolio.accounts]
    assert len(same) > 5
    for other in same:
        assert after[other].data_quality.complete == before[other].data_quality.complete, other
        assert (after[other].status, len(after[other].venues)) == (before[other].status, len(before[other].venues))
    kept = {line.venue for line in hit.venues}
    assert kept >= {line.venue for line in before[name].venues} - {VENUE}
