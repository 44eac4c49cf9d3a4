"""All cells of the keeper simulation on several processes. The seed of a cell depends on its place only."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from aggregator.mass.on_ray import OnRay
from risk.coverage import Cell, Outcome, cells, reduced, run_cell
from risk.routes import load_routes

SEED = 20_261_120
PATHS = 20_000


def run_cells(
    paths: int = PATHS,
    seed: int = SEED,
    *,
    short: bool = False,
    workers: int | None = None,
    cluster: OnRay | None = None,
) -> tuple[Outcome, ...]:
    """Outcomes in the order of the table; ``short`` keeps the rows of ``risk.coverage.reduced``.

    ``cluster``: draw there and not in processes of this host; a cell's paths are the same wherever it is drawn.
    """
    every = cells(load_routes())
    seeds = dict(zip((cell.name for cell in every), np.random.SeedSequence(seed).spawn(len(every)), strict=True))
    chosen = reduced(every) if short else every
    jobs = [(cell, seeds[cell.name], paths) for cell in chosen]
    if cluster is not None:
        return tuple(cluster.spread(_of_seed, paths, [(cell, seed) for cell, seed, _ in jobs]))
    count = workers or min(2, os.cpu_count() or 1)
    if count == 1:
        return tuple(run_cell(*job) for job in jobs)
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        return tuple(pool.map(_run, jobs))


def _of_seed(paths: int, job: tuple[Cell, np.random.SeedSequence]) -> Outcome:
    return run_cell(*job, paths)


def _run(job: tuple[Cell, np.random.SeedSequence, int]) -> Outcome:
    return run_cell(*job)
