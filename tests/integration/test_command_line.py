"""The commands as a user runs them: exit codes, what goes to standard output, what errors say."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from risk.status import Status

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
        (("get", "accounts", "--url", "http://127.0.0.1:1"), 3, "crossmargin serve"),
    ],
)
def test_mistake_is_one_line_and_an_exit_code(arguments, code, says):
    done = crossmargin(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_shell_completes_commands_and_options():
    for words, number, wanted in (
        ("crossmargin ", 1, {"margin", "get", "verify-statement"}),
        ("crossmargin get l", 2, {"liquidation", "livez"}),
        ("crossmargin verify-proof --r", 2, {"--root"}),
    ):
        asked = {"_CROSSMARGIN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        done = CliRunner().invoke(app, [], prog_name="crossmargin", env=asked)
        assert wanted <= set(done.stdout.split()), (words, done.output)


@pytest.mark.devnet
def test_margin_of_a_portfolio_as_json_and_as_text(devnet, monkeypatch):
    state = str(devnet.state_dir)
    done = crossmargin("margin", "hedged-pair", "--devnet", state, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["portfolio"]["name"] == "hedged-pair"
    assert isinstance(report["unified_buffer_usd"], str)
    address = report["portfolio"]["accounts"][0].rpartition(":")[2]
    monkeypatch.setenv("CROSSMARGIN_DATABASE", "postgresql+asyncpg://nobody@127.0.0.1:1/none")
    alone = crossmargin("margin", address, "--devnet", state)  # needs no database
    assert alone.returncode == 0, alone.stderr
    for word in ("unified buffer", "perp-v2", "TTL", address):
        assert word in alone.stdout


@pytest.mark.devnet
def test_margin_of_nobody_names_the_known(devnet):
    done = crossmargin("margin", "nobody", "--devnet", str(devnet.state_dir))
    assert done.returncode == 2
    assert "hedged-pair" in done.stderr


@pytest.mark.devnet
def test_doctor_passes_but_for_the_stale_feed_or_all(devnet):
    done = crossmargin("doctor", "--devnet", str(devnet.state_dir))
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


@pytest.mark.slow
@pytest.mark.devnet
def test_demo_alerts_within_a_minute_plays_the_tape_and_stops_everything(tmp_path):
    out = tmp_path / "demo.txt"
    command = [sys.executable, "-m", "api.cli", "demo", "--port", "0"]
    with out.open("w") as sink:
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 240
        while "/metrics" not in out.read_text():
            assert process.poll() is None, out.read_text()
            assert time.monotonic() < deadline, out.read_text()
            time.sleep(0.2)
        text = out.read_text()
        url = text.split("curl -s ")[1].split("/v1/")[0]
        with urllib.request.urlopen(f"{url}/v1/accounts/hedged-pair/margin", timeout=5) as response:
            assert json.load(response)["portfolio"]["name"] == "hedged-pair"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    finally:
        process.terminate()
        process.wait(30)
    first_alert_s = float(text.split("first alert ")[1].split(" s")[0])
    assert first_alert_s < 60
    for step in ("calm", "crash-3", "recovery", "depeg", "bridge-outage", "all-clear"):
        assert f"tape: {step}" in text
    for status in Status:
        assert status.value in text
    assert "stopping the chains" in out.read_text()
    assert len(children) == 4
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
