"""A deployments file is read as written or refused with the field that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from chains.accounts import VenueId
from chains.caip import Address, ChainId, erc20
from chains.deployments import AssetInfo, ChainDeployment, ChainlinkFeed, Feeds, PythFeeds, TwapPool
from chains.deployments_file import BadDeployments, load_deployments, parse_deployments, plain

CHAIN = ChainId("eip155:10")
A = Address("0xcA11bde05977b3631167028862bE2a173976CA11")


def deployment() -> ChainDeployment:
    feeds = Feeds(
        (ChainlinkFeed("ETH", A, 3600, 50),),
        PythFeeds(A, {"ETH": "0x" + "ab" * 32}),
        (TwapPool("ETH", "USDC", A, True, 18, 6, 60),),
        A,
    )
    asset = AssetInfo(erc20(CHAIN, A), "WETH", 18, "ETH", "ETH")
    return ChainDeployment(CHAIN, "optimism", A, (asset,), {VenueId("aave-v3"): {"pool": A}}, feeds)


def content() -> Any:
    return json.loads(json.dumps(plain([deployment()])))


def test_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deployments.json"
    path.write_text(json.dumps({"deployments": content(), "anything": "else"}))
    assert load_deployments(path) == {CHAIN: deployment()}


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("multicall3",), A.lower(), "deployments[0].multicall3: expected the EIP-55 form"),
        (("multicall3",), "0x12", "deployments[0].multicall3: expected 0x and 40 hex digits"),
        (("venues", "aave-v3", "pool"), A[:-1] + "2", "deployments[0].venues.aave-v3.pool: expected 0x"),
        (("feeds", "chainlink", 0, "proxy"), "", "deployments[0].feeds.chainlink[0].proxy"),
        (("feeds", "chainlink", 0, "heartbeat"), 5, "deployments[0].feeds.chainlink[0].heartbeat: not a field"),
        (("feeds", "chainlink", 0, "heartbeat_s"), "1h", "heartbeat_s"),
        (("feeds", "twap", 0, "pool"), "0x", "deployments[0].feeds.twap[0].pool"),
        (("feeds", "pyth", "contract"), "0x", "deployments[0].feeds.pyth.contract"),
        (("feeds", "sequencer_uptime"), "0x", "deployments[0].feeds.sequencer_uptime"),
        (("chain",), "10", "deployments[0].chain: expected CAIP-2"),
        (("chain",), "solana:5", "deployments[0].chain: expected CAIP-2"),
    ],
)
def test_a_mistake_names_its_field(where: tuple[str | int, ...], value: object, message: str) -> None:
    given = content()
    target = given[0]
    for part in where[:-1]:
        target = target[part]
    target[where[-1]] = value
    with pytest.raises(BadDeployments) as caught:
        parse_deployments(given, "file.json")
    assert str(caught.value).startswith("file.json: ")
    assert message in str(caught.value)


def test_a_missing_field_is_named() -> None:
    given = content()
    del given[0]["name"]
    with pytest.raises(BadDeployments, match="name"):
        parse_deployments(given, "file.json")


def test_a_chain_twice_is_refused() -> None:
    with pytest.raises(BadDeployments, match="listed twice"):
        parse_deployments(content() * 2, "file.json")


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not JSON"), ("[]", "key `deployments`"), ("{}", "key `deployments`")]
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "deployments.json"
    path.write_text(text)
    with pytest.raises(BadDeployments, match=message):
        load_deployments(path)


def test_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadDeployments, match="no such deployments file"):
        load_deployments(tmp_path / "deployments.json")
