"""``crossmargin fit scan-law`` and ``backtest bridges`` from the command line, on a made-up history."""

import csv
import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from aggregator.bridge_test import keeper
from api.cli.main import app
from risk.scantable import ScanTable
from tests.kit.market_history import made_up


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Two years of hourly bars of three assets as the CSV that users give."""
    path, bars = tmp_path_factory.mktemp("history") / "bars.csv", made_up(730)
    columns = [f"{asset}_{kind}" for asset in bars.assets for kind in ("close", "high", "low")]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time_utc", *columns])
        for i, at in enumerate(bars.time_s):
            values = [f"{x[i, a]:.8g}" for a in range(len(bars.assets)) for x in (bars.close, bars.high, bars.low)]
            rows.writerow([datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%d %H:%M:%S"), *values])
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_fitted_law_names_its_source_and_is_read_back(history, tmp_path):
    out = tmp_path / "law.json"
    done = run("fit", "scan-law", history, "--out", out, "--source", "made up")
    assert done.exit_code == 0, done.output
    table = ScanTable.from_json(out.read_text())
    assert (table.source, table.assets) == ("made up", ("AAA", "BBB", "CCC"))
    assert table.dates.startswith("2023-01-01")
    again = tmp_path / "again.json"
    assert run("fit", "scan-law", history, "--out", again, "--source", "made up").exit_code == 0
    assert again.read_text() == out.read_text()


@pytest.fixture
def few(monkeypatch):
    """Two cells instead of all, in this process: a diffusion over long lags, and a control."""

    def chosen(every):
        names = ("diffusion, corr 0.5, lag 4 h", "pi-weighted collateral")
        return [cell for cell in every if cell.name in names]

    monkeypatch.setattr(keeper, "reduced", chosen)
    monkeypatch.setattr(keeper.os, "cpu_count", lambda: 1)


def test_the_acceptance_test_is_seeded_and_shows_every_asset_year_and_lag(history, tmp_path, few):
    page = tmp_path / "page.html"
    short = ("backtest", "bridges", "--short", "--paths", 1000, "--json")
    first = run(*short, history, "--out", page)
    body = json.loads(first.stdout)
    passed = [cell["passed"] for cell in body["cells"]]
    assert first.exit_code == (0 if all(passed) and body["history"]["passed"] else 1)
    (control,) = [cell for cell in body["cells"] if cell["bound"] == "control"]
    assert control["rate"] > 0.02
    rows = {(r["asset"], r["year"], r["lag_s"]) for r in body["history"]["rows"]}
    assert rows == {(a, 2024, lag) for a in ("AAA", "BBB", "CCC") for lag in (3600.0, 14_400.0, 86_400.0)}
    text = page.read_text()
    assert all(f"<td>{asset}</td>" in text for asset, _, _ in rows)
    assert text.count("<svg") >= 3
    same, other = (json.loads(run(*short, *more).stdout)["cells"] for more in ((), ("--seed", 7)))
    assert same == body["cells"]
    assert other != same
