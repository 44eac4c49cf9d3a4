"""Bad bridges, wherever they come in: a clear error that names the field and says what is expected."""

import pytest
from pydantic import ValidationError

from aggregator.bridge_laws import COLUMNS, read_observations
from aggregator.bridge_live import Estimate, worsened
from aggregator.config import ModelSettings, make_settings
from aggregator.errors import ServiceError
from aggregator.model import load_model
from aggregator.simulate.bridges import rerouted, standing
from aggregator.simulate.model import Changes, RouteChange
from risk.errors import RiskInputError
from risk.latency import LatencyLaw, Lognormal
from risk.mobility import mobility
from risk.routes import Route, load_routes, parse_routes
from risk.scanlaw import Diffusion
from tests.unit.risk.test_route_files import text

ARB, BASE = "eip155:42161", "eip155:8453"
LAW = LatencyLaw(Lognormal(10.0, 0.3))


def data_file(**changes):
    return lambda _: parse_routes(text(**changes))


def observed(line):
    def read(folder):
        path = folder / "own.csv"
        path.write_text(",".join(COLUMNS) + "\n" + line + "\n")
        return read_observations(path)

    return read


def configured(**model):
    return lambda _: load_model(ModelSettings(**model), (ARB, BASE))


def settings(section, **values):
    chains = {ARB: {"rpc_urls": ["http://127.0.0.1:9"]}}
    return lambda _: make_settings({"deployments": "w", "chains": chains, section: values}, "crossmargin.toml")


def asked(**route):
    def ask(_):
        changes = Changes.model_validate({"routes": [{"bridge": "across", **route}]})
        return rerouted(load_model(ModelSettings(bridges=("across",)), (ARB, BASE)), changes.routes)

    return ask


def lane(source, destination):
    return settings(
        "bridges", live={"lanes": [{"source": source, "destination": destination, "query": {"a": "b"}}]}
    )


def said(**figures):
    return lambda _: worsened(load_routes()[0], Estimate(**figures))


def row(*values):
    return '["eth", "arb", ' + ", ".join(map(str, values)) + ', "A"]'


MISTAKES = {
    "negative quantiles": [
        (data_file(row=row(-1, 2, 3)), "q1 <= median <= q3"),
        (data_file(slow_median_s=-5), "median must be positive"),
        (observed(f"2026-01-01,across,{ARB},{BASE},-3"), "latency_s must be a positive number"),
        (asked(delay_s=-1), "routes.0.delay_s"),
        (said(median_s=-2.0), "median_s: must be positive"),
    ],
    "non-monotone quantiles": [
        (data_file(row=row(3, 2, 1)), "q1 <= median <= q3"),
        (data_file(row=row(1, 9, 4)), "q1 <= median <= q3"),
    ],
    "probabilities that do not sum to 1": [
        (data_file(slow_weight=1.2), "sum to"),
        (data_file(slow_weight=-0.2), "slow_weight: must be finite and >= 0"),
        (settings("model", confidence=1.2), "model.confidence"),
    ],
    "a route to itself": [
        (data_file(row='["eth", "eth", 1, 2, 3, "A"]'), "source and destination are both eip155:1"),
        (observed(f"2026-01-01,across,{ARB},{ARB},3"), f"source and destination are both {ARB}"),
        (asked(source=ARB, destination=ARB), f"source and destination are both '{ARB}'"),
        (lane(ARB, ARB), f"source and destination are both {ARB}"),
        (lambda _: Route(ARB, ARB, "x", LAW, 0.0, 1.0), "source and destination are both"),
    ],
    "an unknown chain": [
        (data_file(row='["eth", "mars", 1, 2, 3, "A"]'), "'mars' is not in [chains], which has eth, arb: add it"),
        (observed(f"2026-01-01,across,mars,{BASE},3"), "row 2"),
        (observed(f"2026-01-01,across,eip155:999,{BASE},3"), "has no latency law from eip155:999"),
        (asked(source="eip155:999"), "'across' has no route from eip155:999 to any chain"),
        (lane("mars", BASE), "bridges.live.lanes.0.source"),
        (configured(paused_bridges=("eip155:999",)), "model.paused_bridges: no bridge or chain 'eip155:999'"),
    ],
    "an unknown bridge": [
        (observed(f"2026-01-01,teleport,{ARB},{BASE},3"), "no bridge 'teleport'; there are across"),
        (configured(bridges=("teleport",)), "model.bridges: no latency law for 'teleport'"),
        (configured(paused_bridges=("acros",)), "model.paused_bridges: no bridge or chain 'acros'"),
        (asked(bridge="teleport"), "changes.routes: 'teleport' has no route"),
        (lambda _: standing(("acros",), load_model(ModelSettings(), (ARB, BASE))), "changes.paused_bridges: no "),
        (settings("bridges", live={"transfers": {"teleport": []}}), "bridges.live.transfers"),
    ],
    "zero capacity": [
        (data_file(capacity_usd=0.0), "capacity_usd: must be above 0, was 0.0; leave the bridge out"),
        (data_file(capacity_usd="nan"), "capacity_usd"),
        (asked(capacity_usd=0), "routes.0.capacity_usd"),
    ],
    "fees above 100 %": [
        (data_file(fee_bps=10_001.0), "fee_bps: must be in [0, 10000), was 10001.0"),
        (data_file(fee_bps=-1.0), "fee_bps: must be in [0, 10000), was -1.0"),
        (asked(fee_bps=10_000), "routes.0.fee_bps"),
        (said(fee_bps=20_000.0), "fee_bps: must be in [0, 10000)"),
    ],
    "a law with no finite quantile": [
        (data_file(pauses=120.0), "no finite quantile: more than half of all transfers would never arrive"),
        (data_file(row=row(1, 2, "inf")), "median must be positive and log_sd"),
        (observed(f"2026-01-01,across,{ARB},{BASE},inf"), "latency_s must be a positive number"),
        (asked(delay_s=float("inf")), "routes.0.delay_s"),
    ],
    "a file that is none": [
        (lambda _: parse_routes("[["), "not TOML"),
        (lambda _: parse_routes("[chains]\n"), "bridges: no such table"),
        (lambda _: parse_routes("[chains]\n[bridges.x]\nfee_bps = 1\n"), "bridges.x.routes: give a list"),
        (data_file(capacity_usd='"many"'), "capacity_usd: must be a number"),
        (data_file(row='["eth", "arb", 1, 2, 3, "Z"]'), "marks M, m, D, A"),
    ],
}  # fmt: skip
CASES = [
    pytest.param(make, words, id=f"{mistake} {i}")
    for mistake, cases in MISTAKES.items()
    for i, (make, words) in enumerate(cases)
]


@pytest.mark.parametrize(("make", "words"), CASES)
def test_a_bad_bridge_is_refused_with_its_field_and_what_is_expected(make, words, tmp_path):
    with pytest.raises((ServiceError, RiskInputError, ValidationError)) as caught:
        make(tmp_path)
    assert words in str(caught.value)


def test_a_file_of_observations_is_named_by_file_and_row(tmp_path):
    with pytest.raises(ServiceError, match=r"own\.csv: row 3: "):
        observed(f"2026-01-01,across,{ARB},{BASE},3\n2026-01-01,across,{ARB},{BASE},-3")(tmp_path)


def test_a_second_wrong_route_of_a_question_is_found_too():
    model = load_model(ModelSettings(bridges=("across",)), (ARB, BASE))
    good, bad = RouteChange(bridge="across", delay_s=5), RouteChange(bridge="hop", delay_s=5)
    with pytest.raises(ServiceError, match="'hop' has no route"):
        rerouted(model, (good, bad))


def test_no_route_at_all_is_g_of_one():
    alone = mobility((ARB, BASE), (), Diffusion())
    assert alone.g.tolist() == [[0, 1], [1, 0]]
