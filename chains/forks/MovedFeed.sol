// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// Stands at the address of a price source on a local fork and answers with the price of a scenario.
/// Round, times and decimals stay those of the source, so that it looks as fresh and as scaled as before.
/// It answers what Chainlink aggregators, Perp v2 price feeds and Morpho oracles are asked; anything else reverts.
contract MovedFeed {
    int256 private immutable answer;
    uint80 private immutable round;
    uint256 private immutable begun;
    uint256 private immutable updated;
    uint8 public immutable decimals;

    string public constant description = "moved by a scenario";
    uint256 public constant version = 1;

    constructor(int256 answer_, uint80 round_, uint256 begun_, uint256 updated_, uint8 decimals_) {
        answer = answer_;
        round = round_;
        begun = begun_;
        updated = updated_;
        decimals = decimals_;
    }

    // Chainlink: AggregatorInterface and AggregatorV3Interface. Earlier rounds had the same answer.

    function latestAnswer() external view returns (int256) { return answer; }

    function latestTimestamp() external view returns (uint256) { return updated; }

    function latestRound() external view returns (uint256) { return round; }

    function getAnswer(uint256) external view returns (int256) { return answer; }

    function getTimestamp(uint256) external view returns (uint256) { return updated; }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (round, answer, begun, updated, round);
    }

    function getRoundData(uint80 asked) external view returns (uint80, int256, uint256, uint256, uint80) {
        return (asked, answer, begun, updated, asked);
    }

    // Perp v2: IPriceFeed, IPriceFeedDispatcher. The mean over any interval is the price: it has settled.

    function getPrice(uint256) external view returns (uint256) { return uint256(answer); }

    function getDispatchedPrice(uint256) external view returns (uint256) { return uint256(answer); }

    // Morpho Blue: IOracle.

    function price() external view returns (uint256) { return uint256(answer); }
}
