"""The engine ``ray`` gives the bits of the local one; this starts a small Ray on this host."""

import os

import numpy as np
import pytest

from aggregator.mass import on_ray, run
from aggregator.mass.run import Local
from aggregator.mass.snapshot import reprice, synthetic, synthetic_market


@pytest.mark.slow
def test_ray_gives_the_same_bits_as_this_process(monkeypatch):
    monkeypatch.setattr(run, "SHARD", 500)
    monkeypatch.setattr(on_ray, "SHARD", 500)
    monkeypatch.setitem(os.environ, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    market = synthetic_market(40, 60)
    snapshot, changes = synthetic(2_100, 5, market), reprice(market)
    here = list(Local(2).losses(snapshot, changes))
    there = list(on_ray.OnRay(workers=1).losses(snapshot, changes))
    assert [part.first for part in there] == [part.first for part in here] == [0, 500, 1000, 1500, 2000]
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.most, other.most)
        np.testing.assert_array_equal(one.es, other.es)
