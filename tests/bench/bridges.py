"""Speed of the bridge model: buffers of many portfolios, mobility from nothing, the pre-positioning programme.

CPU time of one thread, least of several runs. The baseline of the buffers is the same sums by array operations.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from risk import unified as module
from risk.coverage import cells, reduced, run_cell
from risk.latency import _reduced
from risk.mobility import mobility
from risk.preposition import Edge, preposition
from risk.routes import load_routes
from risk.scanlaw import Empirical
from risk.scantable import load_scan_table
from risk.unified import expected_shortfall, unified, worst_of
from tests.bench import Row

PORTFOLIOS, BATCH, VENUES, SCENARIOS = 100_000, 1_000, 4, 500
CHAINS = ("eip155:1", "eip155:42161", "eip155:10", "eip155:8453")


def best(work: Callable[[], Any], repeats: int = 5) -> float:
    """Least CPU seconds; the first run warms up."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    losses = rng.normal(size=(BATCH, VENUES, SCENARIOS)) + rng.standard_t(3, (BATCH, 1, SCENARIOS))
    upper = np.triu(rng.uniform(0, 1, (BATCH, VENUES, VENUES)), 1)
    return losses, upper + np.swapaxes(upper, 1, 2)


def buffers() -> list[Row]:
    losses, g = batch()
    rows = []
    for name, rho in (("worst scenario", worst_of), ("ES 97.5 %", expected_shortfall(0.975))):
        compiled = best(lambda rho=rho: unified(losses, g, rho)) / BATCH * 1e6
        plain = best(lambda rho=rho: module._plain(losses, g, rho), 2) / BATCH * 1e6
        label = f"R_uni and floors, 4 venues x 500 scenarios, {name}"
        rows.append(Row(label, compiled, "us per portfolio", "numpy twin", plain / compiled, "15 us"))
    start = time.process_time()
    for _ in range(PORTFOLIOS // BATCH):
        unified(losses, g, expected_shortfall(0.975))
    rows.append(Row("the same for 100,000 portfolios, ES", time.process_time() - start, "s", "", None, "1.5 s"))
    return rows


def rebuilt() -> Row:
    routes, law = load_routes(), Empirical(load_scan_table())

    def work() -> None:
        _reduced.cache_clear()
        mobility(CHAINS, routes, law)

    return Row(f"G and g of all {len(routes)} routes from nothing", best(work, 3), "s", "", None, "1 s")


def programme() -> list[Row]:
    rows = []
    for places, scenarios in ((4, 300), (8, 300), (8, 1_000)):
        rng = np.random.default_rng(1)
        held = rng.uniform(1e5, 3e5, places)
        common = rng.standard_t(3, (scenarios, 1)) * rng.normal(size=(1, places)) * 1e5
        losses = common + rng.normal(size=(scenarios, places)) * 3e4
        pairs = [(u, v) for u in range(places) for v in range(places) if u != v]
        edges = [Edge(u, v, float(rng.uniform(1e-4, 1.4e-3)), 1e6) for u, v in pairs]
        arrives = rng.random((scenarios, len(edges))) < 0.7
        taken = best(lambda h=held, x=losses, e=edges, a=arrives: preposition(h, x, e, a), 3)
        target = "0.3 s" if (places, scenarios) == (8, 300) else ""
        rows.append(Row(f"pre-positioning, {places} chains x {scenarios}", taken, "s", "", None, target))
    return rows


def simulation() -> Row:
    short = reduced(cells(load_routes()))
    start = time.process_time()
    paths = sum(run_cell(cell, np.random.SeedSequence(1), 2_000).paths for cell in short)
    taken = time.process_time() - start
    return Row("keeper simulation, short acceptance run", paths / taken, "days per s", "", None, "")


def run() -> list[Row]:
    return [*buffers(), rebuilt(), *programme(), simulation()]
