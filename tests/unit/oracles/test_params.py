from fractions import Fraction
from importlib.resources import files

import pytest

from oracles.params import ParamsError, load_params, parse_params

TEXT = (files("oracles") / "params_v1.toml").read_text()


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
        ("sequencer_grace_s = 3600", "sequencer_grace_s = -1", "sources.sequencer_grace_s: expected a"),
        ("[sources]", "[source]", "sources: expected a table"),
        ("max_ahead_s = 60", "max_ahead_s = ", "not TOML"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        parse_params(TEXT.replace(old, new, 1))


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(ParamsError, match=r"prices\.parameters: no parameters 'params_v9'"):
        load_params("params_v9")
