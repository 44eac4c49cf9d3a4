"""Make the scan table that ships: fit on a price history, try it out of sample, write the JSON.

python -m tests.kit.scan_table HISTORY.csv.gz --source "Binance spot, hourly" --out risk/data/scan_law_v1.json

The history itself is no part of the project; the table holds quantiles of standardised moves only.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from aggregator.history import PriceHistory, read_history_csv
from risk.latency import Knots
from risk.mobility import KAPPA, G
from risk.scanfit import bars_of, daily_volatility, fit_scan_law, scan_maxima, usable_starts
from risk.scanlaw import DAY_S, Diffusion, Empirical, ScanLaw

LAGS_H = (1, 4, 24)


def buffer(law: ScanLaw, tau_s: float) -> float:
    """Buffer of a certain lag at 99 %, daily volatilities."""
    return G(law, [Knots(np.array([tau_s]), np.ones(1))], [1.0], [1.0])


def exceedances(law: ScanLaw, history: PriceHistory, first: str, last: str, **unit: float) -> dict[str, Any]:
    """Share of days (00:00 UTC starts) in [first, last) whose worst move exceeds the law's 99 % buffer."""
    bars = bars_of(history.close, history.high, history.low, history.step_s)
    volatility = daily_volatility(bars, **unit)
    starts = usable_starts(bars, DAY_S)
    stamps = history.time_s[starts]
    edges = [np.datetime64(day, "s").astype(np.int64) for day in (first, last)]
    starts = starts[(stamps >= edges[0]) & (stamps < edges[1]) & (stamps % int(DAY_S) == 0)]
    found: dict[str, Any] = {"days": len(starts)}
    for hours in LAGS_H:
        moves = scan_maxima(bars, hours * 3600.0, DAY_S, starts)
        bound = buffer(law, hours * 3600.0)
        rates = [(move / volatility[starts] > bound).mean(axis=0) for move in moves]
        found[f"{hours}h"] = {
            direction: {"mean": round(float(rate.mean()), 5), "worst_asset": round(float(rate.max()), 5)}
            for direction, rate in zip(("up", "down"), rates, strict=True)
        }
    return found


class Widened:
    """A law whose buffers are kappa times larger: P(M > b / kappa)."""

    def __init__(self, law: ScanLaw) -> None:
        self.law = law

    def at(self, tau_s: Any, horizon_s: float) -> Any:
        inner = self.law.at(tau_s, horizon_s)
        return lambda b, ratio: inner(np.asarray(b) / KAPPA, ratio)


def out_of_sample(history: PriceHistory) -> dict[str, Any]:
    """Fit on 2021, test on 2022; the diffusion control has kappa and the plain EWMA volatility."""
    past = history.between("2021-01-01", "2022-01-01")
    fitted = fit_scan_law(
        past.close, past.high, past.low, past.step_s, assets=past.assets, source="", dates=past.dates
    )
    control: Any = Widened(Diffusion())
    return {
        "fit": past.dates,
        "empirical_2022": exceedances(Empirical(fitted), history, "2022-01-01", "2023-01-01"),
        "diffusion_kappa_1.10_2021": exceedances(
            control, history, "2021-01-01", "2022-01-01", stressed_weight=0.0
        ),
        "diffusion_kappa_1.10_2022": exceedances(
            control, history, "2022-01-01", "2023-01-01", stressed_weight=0.0
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    parser.add_argument("--source", required=True)
    parser.add_argument("--leave-out", nargs="*", default=["USDC"])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    history = read_history_csv(options.history).without(options.leave_out)
    table = fit_scan_law(
        history.close,
        history.high,
        history.low,
        history.step_s,
        assets=history.assets,
        source=options.source,
        dates=history.dates,
        figures={"out_of_sample": out_of_sample(history)},
    )
    options.out.write_text(table.to_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
