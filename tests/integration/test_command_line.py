"""The commands as a user runs them: exit codes, what goes to standard output, what errors say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def crossmargin(*arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("margin", "0x12"), 2, "crossmargin: "),
        (("devnet", "status", "--state", "/nowhere/at/all"), 2, "devnet up"),
        (("margin", "x", "--config", "/nowhere/crossmargin.toml"), 2, "no such settings file"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_mistake_is_one_line_and_an_exit_code(arguments, code, says):
    done = crossmargin(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.devnet
def test_margin_of_a_portfolio_as_json_and_as_text(devnet):
    state = str(devnet.state_dir)
    done = crossmargin("margin", "hedged-pair", "--devnet", state, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["portfolio"]["name"] == "hedged-pair"
    assert isinstance(report["unified_buffer_usd"], str)
    address = report["portfolio"]["accounts"][0].rpartition(":")[2]
    alone = crossmargin("margin", address, "--devnet", state)
    assert alone.returncode == 0, alone.stderr
    for word in ("unified buffer", "perp-v2", "TTL", address):
        assert word in alone.stdout


@pytest.mark.devnet
def test_margin_of_nobody_names_the_known(devnet):
    done = crossmargin("margin", "nobody", "--devnet", str(devnet.state_dir))
    assert done.returncode == 2
    assert "hedged-pair" in done.stderr


@pytest.mark.devnet
def test_check_passes_but_for_the_stale_feed_or_all(devnet):
    done = crossmargin("check", "--devnet", str(devnet.state_dir))
    assert "chains.eip155:1: endpoint, chain id, multicall3" in done.stdout
    assert "127.0.0.1" not in done.stdout
    assert (done.returncode == 1) == ("FAIL" in done.stdout)


@pytest.mark.devnet
def test_scan_stores_reports(devnet):
    done = crossmargin("scan", "--devnet", str(devnet.state_dir), "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) >= 12
    assert (devnet.state_dir / "crossmargin.db").exists()


@pytest.mark.slow
@pytest.mark.devnet
def test_demo_once_prints_json_only_and_leaves_nothing_running():
    done = crossmargin("demo", "--once", "--json", timeout_s=180)
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)
    assert {"SAFE", "LIQUIDATABLE", "UNKNOWN"} <= {report["status"] for report in reports}
    assert all(set(report) >= {"as_of", "data_quality", "model", "venues", "positions"} for report in reports)
