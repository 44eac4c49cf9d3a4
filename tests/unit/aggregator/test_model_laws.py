"""Own observations reach the model: settings to g."""

import numpy as np

from aggregator.bridge_laws import COLUMNS
from aggregator.clock import utc_now
from aggregator.config import ModelSettings
from aggregator.model import load_model

ARB, OP = "eip155:42161", "eip155:10"


def test_slow_transfers_of_ones_own_raise_g(tmp_path):
    path = tmp_path / "own.csv"
    now = utc_now().isoformat()
    rows = [
        f"{now},across,{a},{b},{lag}" for a, b in ((ARB, OP), (OP, ARB)) for lag in np.geomspace(600, 6_000, 60)
    ]
    path.write_text("\n".join([",".join(COLUMNS), *rows]))
    plain = load_model(ModelSettings(bridges=("across",)), (ARB, OP))
    own = load_model(ModelSettings(bridges=("across",), bridge_observations=path), (ARB, OP))
    nothing = frozenset[str]()
    assert own.mobility(nothing).g[0, 1] > plain.mobility(nothing).g[0, 1] + 0.1
    assert own.params_hash != plain.params_hash
    assert {law.posterior is not None for law in own.bridge_laws if law.route.source == ARB} >= {True}
