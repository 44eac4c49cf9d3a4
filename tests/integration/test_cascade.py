"""``crossmargin cascade`` on the cast."""

import json

import pytest

from tests.integration.test_command_line import crossmargin


@pytest.mark.devnet
def test_a_crash_liquidates_the_weak_and_names_the_rounds(devnet):
    state = str(devnet.state_dir)
    done = crossmargin("cascade", "--shock", "ETH=-20%", "--volume", "ETH=2e5", "--devnet", state, "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["settled"] is True
    assert len(body["rounds"]) > 1  # so thin a market takes others along
    assert body["moves"]["ETH"] < -0.2
    assert {"aave-v3", "perp-v2"} <= {name.split()[0] for name in body["venues"]}
    for figure in ("penalty_usd", "bad_debt_usd"):
        by_asset, by_venue = (sum(line[figure] for line in body[of].values()) for of in ("assets", "venues"))
        assert by_asset == pytest.approx(by_venue, rel=1e-9)
    assert body["assets"]["ETH"]["penalty_usd"] > 0
    assert any("LINK" in gap["what"] for gap in body["left_out"])


@pytest.mark.devnet
def test_a_shock_that_cannot_be_read_is_one_line(devnet):
    for wrong in ("ETH", "SOL=-10%"):
        done = crossmargin("cascade", "--shock", wrong, "--devnet", str(devnet.state_dir))
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
