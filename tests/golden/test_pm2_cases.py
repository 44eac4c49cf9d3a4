"""The published PM2 cases, one by one; they stay outside the project: CROSSMARGIN_VECTORS names their folder."""

from pathlib import Path
from typing import Any

import pytest

from risk.models.pm2 import PortfolioMargin
from tests.kit.pm2_cases import case_files, read_case

REL = 1e-9
WRONG_SKEW_ROW = "test_67_"
"""Upstream leaves this case out: its skew row moves the spot, which the rule does not know."""
SHIFTS = {1: "up", 0: "none", -1: "down"}


def close(got: float, wanted: float) -> bool:
    return abs(got - wanted) <= REL * max(abs(wanted), 1.0)


def published_rows(result: dict[str, Any]) -> dict[tuple[float, str], float]:
    moved = result["reg_losses"] + result["tail_losses"]
    rows = {(round(1.0 + float(spot), 9), SHIFTS[shift]): float(pnl) for spot, shift, pnl in moved}
    return rows | {(1.0, name.lower()): float(pnl) for name, pnl in result["skew_losses"]}


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
def test_published_case(path: Path) -> None:
    book, params, wanted = read_case(path)
    got = PortfolioMargin(params).margin(book)
    assert close(got.mm_excess_usd, wanted["MM"])
    assert close(got.im_excess_usd, wanted["IM"])
    assert close(got.mark_usd, wanted["PortfolioMTM"])
    assert close(-got.lines["basis_contingency_usd"], wanted["ForwardContingency"])
    assert close(got.lines["im_factor"], wanted["im_loss_factor"])
    assert close(-got.lines["confidence_contingency_usd"], wanted["OracleCont"])
    rows = published_rows(wanted)
    for row, pnl in zip(params.rows, got.scenario_pnl, strict=True):
        if path.stem.startswith(WRONG_SKEW_ROW) and row.vol == "linear":
            continue
        assert close(pnl, rows[round(row.spot, 9), row.vol]), row


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
def test_contributions_sum_to_the_published_requirements(path: Path) -> None:
    book, params, wanted = read_case(path)
    got = PortfolioMargin(params).margin(book)
    assert close(got.mark_usd - sum(got.maintenance_by_position.values()), wanted["MM"])
    assert close(got.mark_usd - sum(got.initial_by_position.values()), wanted["IM"])
