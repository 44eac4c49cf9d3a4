"""Cells of the acceptance test: margins that stand where they must, bounds that bite, a short run of the whole."""

from dataclasses import replace

import numpy as np
import pytest

from risk.coverage import (
    Bound,
    Cell,
    cells,
    pair_book,
    pair_losses,
    placement,
    reduced,
    run_cell,
    share,
    wilson,
)
from risk.routes import load_routes
from risk.scanlaw import Diffusion
from risk.unified import unified

SEED = np.random.SeedSequence(7)


@pytest.fixture(scope="module")
def every():
    return cells(load_routes())


def test_names_are_distinct_and_every_kind_is_there(every):
    names = [cell.name for cell in every]
    assert len(set(names)) == len(names)
    for kind in ("diffusion", "gaps", "cascades", "three venues", "wrong-way", "plain netted", "median", "pi-"):
        assert any(name.startswith(kind) for name in names), kind
    assert {cell.bound for cell in every} == set(Bound)


def test_placement_sums_to_the_unified_buffer_and_holds_every_floor():
    rng = np.random.default_rng(4)
    for _ in range(200):
        venues = int(rng.integers(2, 6))
        losses = rng.normal(size=(venues, 12)) * 10 ** rng.uniform(0, 4, (venues, 1))
        upper = np.triu(rng.uniform(0, 1, (venues, venues)).round(1), 1)
        g = upper + upper.T
        found, placed = unified(losses, g), placement(losses, g)
        assert placed.sum() == pytest.approx(float(found.uni))
        assert (placed >= found.local_floor - 1e-9 * found.iso).all()


def test_worked_example_is_what_the_pair_holds():
    # RISK section 9: 20 minutes, kappa 1, perfect hedge: g = 0.1986 of two isolated legs.
    assert share(Diffusion(), 1200.0, kappa=1.0) == pytest.approx(0.1986, abs=1e-4)
    book = pair_book(1.0, 1.0, 1200.0, Diffusion())
    assert book.placed.sum() == pytest.approx(2 * 1.1 * 0.1986 * 0.6 / np.sqrt(365.25) * 2.5758, rel=1e-3)
    assert book.placed[0] == pytest.approx(book.placed[1])


def test_unequal_legs_hold_unequal_margin():
    placed = placement(pair_losses(np.array([2.0, 1.0]), 1.0), np.array([[0.0, 0.5], [0.5, 0.0]]))
    assert placed == pytest.approx([2 * 0.5 + 0.5 * 2 / 3, 0.5 + 0.5 / 3])


def test_wilson_interval_against_known_values():
    # 10 of 1000 at z = 1.96: 0.0054 to 0.0183 (Newcombe 1998, method 3)
    assert wilson(10, 1000, 1.96) == pytest.approx((0.00544, 0.01831), abs=2e-5)
    assert wilson(0, 100)[0] == 0.0


def test_short_acceptance_run_passes_and_controls_fail(every):
    chosen = reduced(every)
    outcomes = [run_cell(cell, seed, 3000) for cell, seed in zip(chosen, SEED.spawn(len(chosen)), strict=True)]
    assert len(outcomes) >= 10
    bad = [outcome for outcome in outcomes if not outcome.passed]
    assert not bad
    assert all(outcome.rate > 0.02 for outcome in outcomes if outcome.bound is Bound.CONTROL)


def test_a_margin_too_small_and_one_too_large_do_not_pass(every):
    cell = next(c for c in every if c.name == "diffusion, corr 1.0, lag 1 h")
    for factor, count in ((0.8, 4000), (10.0, 4000)):
        book = replace(cell.book, placed=cell.book.placed * factor)
        assert not run_cell(Cell(cell.name, Bound.HEDGED, book, cell.step_s), SEED, count).passed


def test_margin_in_the_wrong_place_does_not_pass(every):
    cell = next(c for c in every if c.name == "three venues, lags 10 min and 4 h")
    total = cell.book.placed.sum()
    book = replace(cell.book, placed=np.array([0.5, 0.3, 0.2]) * total)  # pro rata by size
    assert not run_cell(replace(cell, book=book), SEED, 4000).passed


def test_missing_route_is_named(every):
    with pytest.raises(Exception, match="across"):
        cells(tuple(r for r in load_routes() if r.bridge != "across"))
