import gzip

import numpy as np
import pytest

from aggregator.history import HistoryError, read_history_csv

HEADER = "time_utc,BTC_close,BTC_high,BTC_low,USDC_close,USDC_high,USDC_low"
ROWS = [
    "2021-04-04 21:00:00,100,110,90,1,1.01,0.99",
    "2021-04-04 22:00:00,101,111,91,,,",
    "2021-04-05 00:00:00,102,112,92,1,1,1",
]


def write(tmp_path, rows=ROWS, header=HEADER, name="h.csv"):
    path = tmp_path / name
    text = "\n".join([header, *rows]) + "\n"
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["h.csv", "h.csv.gz"])
def test_bars_land_on_a_regular_grid(tmp_path, name):
    found = read_history_csv(write(tmp_path, name=name))
    assert found.assets == ("BTC", "USDC")
    assert found.step_s == 3600
    assert found.time_s[0] == 1617570000
    assert found.close[:, 0].tolist()[:2] == [100, 101]
    assert np.isnan(found.close[2]).all()
    assert np.isnan(found.low[1, 1])
    assert (found.high[3, 0], found.low[3, 0]) == (112, 92)
    assert found.dates == "2021-04-04/2021-04-05"


def test_parts_of_a_history(tmp_path):
    found = read_history_csv(write(tmp_path))
    assert found.without(["USDC"]).close.shape == (4, 1)
    assert found.between("2021-04-05", "2021-04-06").close[:, 0].tolist() == [102]


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        (ROWS, HEADER.replace("BTC_high", "BTC_top"), "missing.*BTC_high"),
        (ROWS[:1], HEADER, "two rows"),
        ([ROWS[1], ROWS[0]], HEADER, "row 3.*increase"),
        ([*ROWS[:2], ROWS[2].replace("00:00:00", "00:00:07")], HEADER, "row 4.*grid"),
        ([ROWS[0], "yesterday" + ROWS[1][19:]], HEADER, "ISO"),
        ([ROWS[0], ROWS[1].replace("101", "abc")], HEADER, "not a number"),
        ([ROWS[0], "2021-04-04 22:00:00,101"], HEADER, "short"),
    ],
)
def test_unusable_files_are_named(tmp_path, rows, header, says):
    with pytest.raises(HistoryError, match=says):
        read_history_csv(write(tmp_path, rows, header))
