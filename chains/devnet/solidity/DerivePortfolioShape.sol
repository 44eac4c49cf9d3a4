// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// A stand-in with the reading ABI of Derive's portfolio manager PM2: manager, parameter library, forward, rate and
/// volatility feed in one contract. It keeps what it is given and computes nothing.
contract DerivePortfolioShape {
    enum VolShockDirection {
        None,
        Up,
        Down,
        Linear,
        Abs
    }

    struct Scenario {
        uint256 spotShock;
        VolShockDirection volShock;
        uint256 dampeningFactor;
    }

    struct VolShockParameters {
        uint256 volRangeUp;
        uint256 volRangeDown;
        int256 shortTermPower;
        int256 longTermPower;
        uint256 dteFloor;
        uint256 minVolUpShock;
    }

    struct MarginParameters {
        uint256 imFactor;
        uint256 mmFactor;
        uint256 shortRateMultScale;
        uint256 longRateMultScale;
        uint256 shortRateAddScale;
        uint256 longRateAddScale;
        uint256 shortBaseStaticDiscount;
        uint256 longBaseStaticDiscount;
    }

    struct BasisContingencyParameters {
        uint256 scenarioSpotUp;
        uint256 scenarioSpotDown;
        uint256 basisContAddFactor;
        uint256 basisContMultFactor;
    }

    struct OtherContingencyParameters {
        uint256 pegLossThreshold;
        uint256 pegLossFactor;
        uint256 confThreshold;
        uint256 confMargin;
        uint256 mmPerpPercent;
        uint256 imPerpPercent;
        uint256 mmOptionPercent;
        uint256 imOptionPercent;
    }

    struct SkewShockParameters {
        uint256 linearBaseCap;
        uint256 absBaseCap;
        int256 linearCBase;
        int256 absCBase;
        int256 minKStar;
        int256 widthScale;
        int256 volParamStatic;
        int256 volParamScale;
    }

    struct CollateralParameters {
        bool isEnabled;
        bool isRiskCancelling;
        uint256 mmHaircut;
        uint256 imHaircut;
    }

    struct Forward {
        uint256 fixedPortion;
        uint256 variablePortion;
        uint256 confidence;
        int256 rate;
        uint256 rateConfidence;
        uint256 volConfidence;
    }

    struct Answer {
        int256 maintenance;
        int256 initial;
        int256 markToMarket;
    }

    address public option;
    address public perp;
    address public spotFeed;
    address public stableFeed;
    mapping(address => address) public collateralSpotFeeds;
    mapping(address => CollateralParameters) private collaterals;
    mapping(uint64 => Forward) private forwards;
    mapping(uint64 => mapping(uint128 => uint256)) private vols;
    mapping(uint256 => Answer) private answers;
    Scenario[] private scenarios;
    MarginParameters private margin;
    VolShockParameters private volShock;
    SkewShockParameters private skewShock;
    BasisContingencyParameters private basis;
    OtherContingencyParameters private other;
    bool private silent;

    constructor(address option_, address perp_, address spotFeed_, address stableFeed_) {
        (option, perp, spotFeed, stableFeed) = (option_, perp_, spotFeed_, stableFeed_);
    }

    function setParameters(
        MarginParameters calldata margin_,
        VolShockParameters calldata volShock_,
        SkewShockParameters calldata skewShock_,
        BasisContingencyParameters calldata basis_,
        OtherContingencyParameters calldata other_,
        Scenario[] calldata scenarios_
    ) external {
        (margin, volShock, skewShock, basis, other) = (margin_, volShock_, skewShock_, basis_, other_);
        delete scenarios;
        for (uint256 i = 0; i < scenarios_.length; i++) scenarios.push(scenarios_[i]);
    }

    function setCollateral(address asset, address feed, CollateralParameters calldata parameters) external {
        collateralSpotFeeds[asset] = feed;
        collaterals[asset] = parameters;
    }

    function setForward(uint64 expiry, Forward calldata forward) external {
        forwards[expiry] = forward;
    }

    function setVols(uint64 expiry, uint128[] calldata strikes, uint256[] calldata values) external {
        for (uint256 i = 0; i < strikes.length; i++) vols[expiry][strikes[i]] = values[i];
    }

    function say(uint256 id, Answer calldata answer) external {
        answers[id] = answer;
    }

    /// Whether the library stops telling its skew parameters, as the one of an older manager does.
    function hush(bool silent_) external {
        silent = silent_;
    }

    function lib() external view returns (address) {
        return address(this);
    }

    function getAccountLib(uint256) external view returns (address) {
        return address(this);
    }

    function forwardFeed() external view returns (address) {
        return address(this);
    }

    function interestRateFeed() external view returns (address) {
        return address(this);
    }

    function volFeed() external view returns (address) {
        return address(this);
    }

    function getScenarios() external view returns (Scenario[] memory) {
        return scenarios;
    }

    function getMarginParams() external view returns (MarginParameters memory) {
        return margin;
    }

    function getVolShockParams() external view returns (VolShockParameters memory) {
        return volShock;
    }

    function getSkewShockParams() external view returns (SkewShockParameters memory) {
        require(!silent, "no skew");
        return skewShock;
    }

    function getBasisContingencyParams() external view returns (BasisContingencyParameters memory) {
        return basis;
    }

    function getOtherContingencyParams() external view returns (OtherContingencyParameters memory) {
        return other;
    }

    function getCollateralParameters(address asset) external view returns (CollateralParameters memory) {
        return collaterals[asset];
    }

    function getForwardPricePortions(uint64 expiry) external view returns (uint256, uint256, uint256) {
        Forward storage forward = forwards[expiry];
        require(forward.variablePortion + forward.fixedPortion > 0, "no forward");
        return (forward.fixedPortion, forward.variablePortion, forward.confidence);
    }

    function getInterestRate(uint64 expiry) external view returns (int256, uint256) {
        return (forwards[expiry].rate, forwards[expiry].rateConfidence);
    }

    function getVol(uint128 strike, uint64 expiry) external view returns (uint256, uint256) {
        require(vols[expiry][strike] > 0, "no volatility");
        return (vols[expiry][strike], forwards[expiry].volConfidence);
    }

    function getMargin(uint256 id, bool isInitial) external view returns (int256) {
        return isInitial ? answers[id].initial : answers[id].maintenance;
    }

    /// One scenario alone: what is left by it says nothing of the worst one, as with the manager itself.
    function getMarginAndMarkToMarket(uint256 id, bool, uint256) external view returns (int256, int256) {
        return (answers[id].markToMarket, answers[id].markToMarket);
    }
}

/// A spot feed of the stand-in.
contract DeriveFeedShape {
    uint256 private price;
    uint256 private confidence;

    constructor(uint256 price_, uint256 confidence_) {
        (price, confidence) = (price_, confidence_);
    }

    function set(uint256 price_, uint256 confidence_) external {
        (price, confidence) = (price_, confidence_);
    }

    function getSpot() external view returns (uint256, uint256) {
        return (price, confidence);
    }
}
