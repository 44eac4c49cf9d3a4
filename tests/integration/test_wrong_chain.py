"""Endpoints on another chain: left out and said once, at the start and after a reconnect; all of them: refused."""

import asyncio
import logging

import pytest
from typer.testing import CliRunner

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.start import require_chains
from aggregator.wiring import open_service, wire
from api.cli.main import app
from api.cli.serve import serving
from chains.caip import chain_id
from chains.types import ChainStatus
from tests.kit.fault_proxy import SECRET, fault_proxy

pytestmark = pytest.mark.devnet
ARBITRUM, OPTIMISM = chain_id(42161), chain_id(10)


def settings_of(world, *arbitrum_urls: str, **more):
    """The devnet's settings with other endpoints for one of its chains."""
    plain = devnet_settings(world.state_dir, **more)
    chain = plain.chains[ARBITRUM].model_validate(
        {**plain.chains[ARBITRUM].model_dump(), "rpc_urls": arbitrum_urls, "hedge_after_s": 5}
    )
    return plain.model_copy(update={"chains": {**plain.chains, ARBITRUM: chain}})


def said(caplog, number: int, part: str = "") -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("chains.evm")]
    return [line for line in lines if line.startswith(f"{ARBITRUM} endpoint {number}") and part in line]


async def test_the_service_goes_on_beside_endpoints_of_another_chain(devnet, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    right, wrong = devnet.rpc_urls[ARBITRUM], devnet.rpc_urls[OPTIMISM]
    async with fault_proxy(right) as first, fault_proxy(wrong) as spare:
        database = f"sqlite+aiosqlite:///{tmp_path / 's.db'}"
        settings = settings_of(
            devnet, first.url, spare.url, database=database, service={"scan_interval_s": 3600, "port": 0}
        )
        async with wire(settings) as wired:
            await require_chains(wired.transports)
            async with open_service(wired) as opened, serving(wired, *opened):
                before = await look(wired, opened[1])
                assert len(said(caplog, 2, "configured as eip155:42161 but serves eip155:10")) == 1
                # The spare is corrected; later the first one comes back as another chain.
                spare.upstream = right
                await until(lambda: said(caplog, 2, "works again"))
                await first.die()
                first.upstream = wrong
                await look(wired, opened[1])
                await first.revive()
                asked = first.seen["eth_chainId"]
                await until(lambda: first.seen["eth_chainId"] > asked)  # it answers, for the other chain
                after = await look(wired, opened[1])
                # And the first one is itself again.
                first.upstream = right
                await until(lambda: said(caplog, 1, "works again"))
    assert before == after
    assert (len(said(caplog, 1)), len(said(caplog, 2))) == (2, 2)
    assert SECRET not in caplog.text


async def look(wired, store) -> dict[str, object]:
    """Figures of a portfolio on the chain by a new cycle, which must be complete and of the right chain."""
    reports = {report.portfolio.name: report for report in await wired.cycle.run(utc_now())}
    report = reports["steady-lender"]
    assert report.as_of.chains[ARBITRUM].status == ChainStatus.OK
    assert report.data_quality.complete, report.data_quality.degraded
    async with asyncio.timeout(30):
        while await store.latest("steady-lender") is None:
            await asyncio.sleep(0.05)
    return {line.label: line.size for line in report.positions}


async def until(condition) -> None:
    async with asyncio.timeout(40):
        while not condition():
            await asyncio.sleep(0.05)


def test_serve_refuses_a_chain_whose_endpoints_all_serve_another(devnet, tmp_path, monkeypatch):
    wrong = devnet.rpc_urls[OPTIMISM]
    settings = settings_of(devnet, wrong, wrong)
    monkeypatch.setattr("api.cli.serve.settings_from", lambda *_: settings)
    done = CliRunner().invoke(app, ["serve"])
    assert done.exit_code != 0
    error = f"{done.exception} {done.output}"
    assert "chains.eip155:42161.rpc_urls: all of its 2 endpoints serve another chain" in error
    assert "configured as eip155:42161 but serves eip155:10" in error
    assert "http" not in error
