"""The bridges of the issue, observations from files, and what people see of a law."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.bridge_laws import (
    COLUMNS,
    KEPT,
    Observation,
    ObservationError,
    defaults,
    known_bridges,
    laws,
    read_observations,
)
from aggregator.bridge_view import no_route, row
from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.model import load_model

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ARB, BASE = "eip155:42161", "eip155:8453"
CHAINS = ("eip155:1", ARB, "eip155:10", BASE)


def seen(count, latency=3.0, age=timedelta(days=1), bridge="across"):
    return [Observation(NOW - age, bridge, ARB, BASE, latency)] * count


def law_of(observations):
    (found,) = [
        law for law in laws(defaults(), observations, NOW)
        if (law.route.bridge, law.route.source, law.route.destination) == ("across", ARB, BASE)
    ]  # fmt: skip
    return found


def test_every_bridge_of_the_issue_has_a_law_with_finite_quantiles_or_a_challenge():
    wanted = {
        "across", "cctp_v1", "cctp_v2_fast", "cctp_v2_standard", "stargate_taxi", "stargate_bus", "ccip",
        "layerzero", "wormhole", "axelar", "hyperlane", "hop", "canonical", "canonical_linea", "canonical_zksync",
    }  # fmt: skip
    assert wanted <= set(known_bridges())
    for route in defaults(known_bridges()):
        assert 0 < route.law.quantile(0.5) < 8 * 86_400
        assert route.mark in {"M", "m", "D", "A"}


def test_messages_between_four_chains_have_all_twelve_pairs():
    for bridge in ("cctp_v1", "stargate_bus", "layerzero", "wormhole", "axelar", "hyperlane", "hop"):
        pairs = {(r.source, r.destination) for r in defaults((bridge,))}
        assert len(pairs) == 12, bridge


def test_further_bridges_are_used_only_when_named():
    assert {r.bridge for r in load_model(ModelSettings(), CHAINS).routes} == {r.bridge for r in defaults()}
    named = load_model(ModelSettings(bridges=("hop", "across")), CHAINS)
    assert {r.bridge for r in named.routes} == {"hop", "across"}
    with pytest.raises(ConfigError, match="no latency law for 'teleport'"):
        load_model(ModelSettings(bridges=("teleport",)), CHAINS)


def test_observations_reach_their_route_and_no_other():
    updated = laws(defaults(), seen(200, 60.0), NOW)
    changed = [law for law in updated if law.route != law.default]
    assert [(law.route.bridge, law.route.source) for law in changed] == [("across", ARB)]
    assert changed[0].posterior.observations == 200


def test_old_and_future_observations_do_not_count():
    assert law_of(seen(50, 60.0, KEPT + timedelta(days=1))).posterior is None
    assert law_of(seen(50, 60.0, timedelta(days=-1))).posterior is None


def test_sample_size_and_age_are_visible():
    shown = row(law_of(seen(20, 60.0)), NOW)
    assert (shown["observations"], shown["age_s"], shown["tail_trusted"]) == (20, 86_400, False)
    assert shown["median_s"] > shown["default"]["median_s"]
    assert row(law_of([]), NOW)["age_s"] is None


def test_never_is_no_number():
    canonical = next(law for law in laws(defaults(("canonical",)), (), NOW) if law.route.source == "eip155:10")
    assert row(canonical, NOW)["median_s"] > 604_800
    assert row(law_of([]), NOW)["p99_stress_s"] is not None


HEADER = ",".join(COLUMNS)


def written(tmp_path, *lines, header=HEADER):
    path = tmp_path / "seen.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_file_of_observations(tmp_path):
    path = written(
        tmp_path, f"2026-01-01T00:00:00Z,across,{ARB},{BASE},2.5", f"2026-01-01T01:00:00,across,{ARB},{BASE},"
    )
    done, waiting = read_observations(path)
    assert done == Observation(datetime(2026, 1, 1, tzinfo=UTC), "across", ARB, BASE, 2.5)
    assert waiting.latency_s is None
    assert waiting.observed_at.tzinfo is not None


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (f"2026-01-01,across,{ARB},{BASE},-1", "latency_s must be a positive number"),
        (f"2026-01-01,across,{ARB},{BASE},nan", "latency_s must be a positive number"),
        (f"2026-01-01,across,{ARB},{BASE},soon", "row 2"),
        (f"2026-01-01,across,{ARB},{ARB},1", "source and destination are both"),
        (f"2026-01-01,across,mars,{BASE},1", "row 2"),
        (f"2026-01-01,teleport,{ARB},{BASE},1", "no bridge 'teleport'"),
        (f"yesterday,across,{ARB},{BASE},1", "row 2"),
    ],
)
def test_bad_rows_are_named(tmp_path, line, named):
    with pytest.raises(ObservationError, match=named):
        read_observations(written(tmp_path, line))


def test_wrong_columns_and_missing_files_are_named(tmp_path):
    with pytest.raises(ObservationError, match="columns must be"):
        read_observations(written(tmp_path, header="a,b"))
    with pytest.raises(ObservationError, match="cannot be read"):
        read_observations(tmp_path / "none.csv")


def test_chains_that_no_open_route_joins_are_named():
    model = load_model(ModelSettings(bridges=("across",)), (*CHAINS, "eip155:59144"))
    assert no_route(model.mobility(frozenset()), CHAINS) == ()
    gone = no_route(model.mobility(frozenset({"across"})), (ARB, BASE))
    assert gone == (f"{ARB} to {BASE}", f"{BASE} to {ARB}")
    assert model.mobility(frozenset({"across"})).g[1, 3] == 1.0
    assert f"{ARB} to eip155:59144" in no_route(model.mobility(frozenset()), (ARB, "eip155:59144"))
