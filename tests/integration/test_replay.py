"""Replay on the devnet: every stored report of the cast is made again to the last digit, from the store alone."""

import zlib

import msgspec
import pytest
from typer.testing import CliRunner

from aggregator.devnet_settings import devnet_settings
from aggregator.errors import StoreError
from aggregator.replay.freeze import FORMAT, unpacked
from aggregator.replay.run import replay
from aggregator.store.inputs import InputLog
from aggregator.store.scans import ScanLog
from aggregator.wiring import open_service, wire
from api.cli.main import app
from tests.integration.test_command_line import crossmargin

pytestmark = pytest.mark.devnet


@pytest.fixture
async def stored(devnet, tmp_path):
    """Reports as the store has them, each with its inputs, after two scans."""
    settings = devnet_settings(devnet.state_dir, database=f"sqlite+aiosqlite:///{tmp_path / 'r.db'}")
    async with wire(settings) as wired, open_service(wired) as (service, store, _):
        await service.scan()
        done = await service.scan()
        log = InputLog(store)
        found = [(await store.report(report.id), await log.of(report.id)) for report in done.reports]
        yield found, [record for _, record in await ScanLog(store).page()]


async def test_every_report_of_the_cast_is_made_again_to_the_last_digit(stored):
    found, _ = stored
    assert len(found) >= 12
    for report, inputs in found:
        done = replay(report, *inputs)
        assert done.same, (report.portfolio.name, done.differences[:5])
        assert (done.code, done.parameters) == ((), None)
        assert done.report.inputs_hash == report.inputs_hash


async def test_a_changed_price_is_found_in_whoever_holds_it(stored):
    found, _ = stored
    report, (world, setting) = next(pair for pair in found if pair[0].portfolio.name == "hedged-pair")
    content = unpacked(world)
    price = content["prices"]["ETH"]
    price["mid"] = str(float(price["mid"]) * 1.0000001)
    changed = FORMAT + zlib.compress(msgspec.json.encode(content))
    done = replay(report, changed, setting)
    assert not done.same
    assert "inputs_hash" in {item.path for item in done.differences}


async def test_scans_are_recorded_one_against_the_other(stored):
    _, (second, first) = stored
    assert (first.changes, first.largest_moves) == ((), ())
    assert first.portfolios == second.portfolios == sum(second.statuses.values())
    assert second.worst[0].status == "LIQUIDATABLE"
    assert second.skipped == 0
    assert set(second.blocks) == {"eip155:1", "eip155:10", "eip155:42161", "eip155:8453"}


def test_replay_and_export_of_what_the_scan_command_stored(devnet, tmp_path, monkeypatch):
    state = ("--devnet", str(devnet.state_dir))
    monkeypatch.setenv("CROSSMARGIN_DATABASE", f"sqlite+aiosqlite:///{tmp_path / 'cli.db'}")
    scanned = crossmargin("scan", *state, "--json")
    assert scanned.returncode == 0, scanned.stderr
    report_id = msgspec.json.decode(scanned.stdout)[0]["id"]
    replayed = CliRunner().invoke(app, ["replay", report_id, *state, "--json"])
    assert replayed.exit_code == 0, replayed.stdout
    assert msgspec.json.decode(replayed.stdout)["same"] is True
    assert isinstance(CliRunner().invoke(app, ["replay", "rep_none", *state]).exception, StoreError)
    exported = CliRunner().invoke(app, ["export", "--to", str(tmp_path / "out"), *state])
    assert exported.exit_code == 0, exported.stdout
    assert (tmp_path / "out" / "positions.parquet").exists()
    copied = CliRunner().invoke(app, ["store", "backup", str(tmp_path / "b.gz"), *state])
    assert copied.exit_code == 0, copied.stdout
    assert "report_inputs" in copied.stdout
    thinned = CliRunner().invoke(app, ["store", "compact", "--vacuum", *state])
    assert (thinned.exit_code, thinned.stdout) == (0, "removed: nothing\n")
