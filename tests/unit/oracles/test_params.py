from fractions import Fraction
from importlib.resources import files

import pytest

from oracles.params import ParamsError, load_params, parse_params

TEXT = (files("oracles") / "params_v1.toml").read_text()
CAP = """[caps.WSTETH]
base = "ETH"
snapshot_ratio = "1.19"
snapshot_at = 1700000000
growth_bps_per_year = 968

"""


def test_the_shipped_parameters_load() -> None:
    params = load_params()
    assert params.version == "params_v1"
    assert params.agreement == Fraction(2, 3)
    assert params.class_of("ETH") is params.classes["major"]
    assert params.class_of("SUSD") is params.classes["stable"]
    assert params.class_of("PEPE") is params.classes["other"]
    assert all(kind.quorum == 3 for kind in params.classes.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("quorum = 3", "quorum = 1", "classes.major.quorum: expected at least 2 independent groups, was 1"),
        ("band_bps = 100", "band_pbs = 100", "classes.major.band_"),
        ("band_bps = 100", "band_bps = 0", "classes.major.band_bps: expected 1 to 9999, was 0"),
        ("band_bps = 100", 'band_bps = "1"', "classes.major.band_bps: expected a whole number"),
        ("max_width_bps = 500", "max_width_bps = 5", "classes.major.max_width_bps: expected above floor_bps 5"),
        ('agreement = "2/3"', 'agreement = "1/2"', "agreement: expected a share"),
        ('agreement = "2/3"', 'agreement = "x"', "agreement: expected a share"),
        ('default_class = "other"', 'default_class = "none"', "default_class: expected one of"),
        ('price_keys = ["LINK"]', 'price_keys = ["ETH"]', "price_keys: ETH is already in classes.major"),
        ("pyth_max_age_s = 900", "pyth_max_age_s = -1", "sources.pyth_max_age_s: expected a"),
        ("[sources]", "[source]", "sources: expected a table"),
        ("max_ahead_s = 60", "max_ahead_s = ", "not TOML"),
        ("readmit_pct = 50", "readmit_pct = 0", "gate.readmit_pct: expected 1 to 100, was 0"),
        ("untimed_weight_pct = 50", "untimed_weight_pct = 10", "gate.untimed_weight_pct: expected 50 to 100"),
        ("leap_factor = 8", "leap_factor = 1", "gate.leap_factor: expected 2 to 1000"),
        ("[gate]", "[gates]", "gate: expected a table"),
        ("strikes = 4", "strokes = 4", "gate.strike|gate.stroke"),
        ("[sources]", CAP.replace("1.19", "0") + "[sources]", "caps.WSTETH.snapshot_ratio: expected a"),
        ("[sources]", CAP.replace("1.19", "many") + "[sources]", "caps.WSTETH.snapshot_ratio: expected a"),
        ("[sources]", CAP.replace("base", "bass") + "[sources]", "caps.WSTETH.bas"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        parse_params(TEXT.replace(old, new, 1))


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(ParamsError, match=r"prices\.parameters: no parameters 'params_v9'"):
        load_params("params_v9")


def test_a_cap_is_read_with_its_growth() -> None:
    cap = parse_params(TEXT.replace("[sources]", CAP + "[sources]")).caps["WSTETH"]
    assert (cap.base, str(cap.snapshot_ratio), cap.growth_bps_per_year) == ("ETH", "1.19", 968)
    assert cap.ratio(0) == cap.snapshot_ratio
