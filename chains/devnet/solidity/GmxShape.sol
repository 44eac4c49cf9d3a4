// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// A stand-in with the reading ABI of GMX v2 release 2.2: reader and data store in one contract.
/// Costs and impact are what a test puts in; the result and the verdict are counted from the documented rule.
contract GmxShape {
    struct Addresses {
        address account;
        address market;
        address collateralToken;
    }

    struct Numbers {
        uint256 sizeInUsd;
        uint256 sizeInTokens;
        uint256 collateralAmount;
        int256 pendingImpactAmount;
        uint256 borrowingFactor;
        uint256 fundingFeeAmountPerSize;
        uint256 longTokenClaimableFundingAmountPerSize;
        uint256 shortTokenClaimableFundingAmountPerSize;
        uint256 increasedAtTime;
        uint256 decreasedAtTime;
    }

    struct Flags {
        bool isLong;
    }

    struct Props {
        Addresses addresses;
        Numbers numbers;
        Flags flags;
    }

    struct Market {
        address marketToken;
        address indexToken;
        address longToken;
        address shortToken;
    }

    struct Price {
        uint256 min;
        uint256 max;
    }

    struct MarketPrices {
        Price indexTokenPrice;
        Price longTokenPrice;
        Price shortTokenPrice;
    }

    struct Referral {
        bytes32 referralCode;
        address affiliate;
        address trader;
        uint256[7] factors;
    }

    struct Ui {
        address receiver;
        uint256 factor;
        uint256 amount;
    }

    struct Fees {
        Referral referral;
        uint256[3] pro;
        uint256[6] funding;
        uint256[4] borrowing;
        Ui ui;
        uint256[4] liquidation;
        Price collateralTokenPrice;
        uint256[8] amounts;
        uint256 totalCostAmount;
        uint256 totalDiscountAmount;
    }

    struct Execution {
        int256 priceImpactUsd;
        uint256 executionPrice;
        bool balanceWasImproved;
        int256 proportionalPendingImpactUsd;
        int256 totalImpactUsd;
        uint256 priceImpactDiffUsd;
    }

    struct Info {
        bytes32 positionKey;
        Props position;
        Fees fees;
        Execution execution;
        int256 basePnlUsd;
        int256 uncappedBasePnlUsd;
        int256 pnlAfterPriceImpactUsd;
    }

    struct Verdict {
        int256 remainingCollateralUsd;
        int256 minCollateralUsd;
        int256 minCollateralUsdForLeverage;
    }

    // EventUtils.EventLogData, item by item: the emitter's one event carries them all.
    struct NamedAddress {
        string key;
        address value;
    }

    struct NamedAddresses {
        string key;
        address[] value;
    }

    struct AddressItems {
        NamedAddress[] items;
        NamedAddresses[] arrayItems;
    }

    struct NamedUint {
        string key;
        uint256 value;
    }

    struct NamedUints {
        string key;
        uint256[] value;
    }

    struct UintItems {
        NamedUint[] items;
        NamedUints[] arrayItems;
    }

    struct NamedInt {
        string key;
        int256 value;
    }

    struct NamedInts {
        string key;
        int256[] value;
    }

    struct IntItems {
        NamedInt[] items;
        NamedInts[] arrayItems;
    }

    struct NamedBool {
        string key;
        bool value;
    }

    struct NamedBools {
        string key;
        bool[] value;
    }

    struct BoolItems {
        NamedBool[] items;
        NamedBools[] arrayItems;
    }

    struct NamedWord {
        string key;
        bytes32 value;
    }

    struct NamedWords {
        string key;
        bytes32[] value;
    }

    struct WordItems {
        NamedWord[] items;
        NamedWords[] arrayItems;
    }

    struct NamedBytes {
        string key;
        bytes value;
    }

    struct NamedBytesList {
        string key;
        bytes[] value;
    }

    struct BytesItems {
        NamedBytes[] items;
        NamedBytesList[] arrayItems;
    }

    struct NamedText {
        string key;
        string value;
    }

    struct NamedTexts {
        string key;
        string[] value;
    }

    struct TextItems {
        NamedText[] items;
        NamedTexts[] arrayItems;
    }

    struct EventLogData {
        AddressItems addressItems;
        UintItems uintItems;
        IntItems intItems;
        BoolItems boolItems;
        WordItems bytes32Items;
        BytesItems bytesItems;
        TextItems stringItems;
    }

    event EventLog1(
        address msgSender, string eventName, string indexed eventNameHash, bytes32 indexed topic1, EventLogData eventData
    );

    mapping(bytes32 => uint256) public getUint;
    mapping(bytes32 => address) public getAddress;
    mapping(address => Market) private markets;
    mapping(address => bytes32[]) private keys;
    mapping(bytes32 => Props) private positions;
    mapping(bytes32 => uint256) private costs;
    mapping(bytes32 => int256) private impacts;
    int256 public cap = type(int256).max;

    function setUint(bytes32 key, uint256 value) external {
        getUint[key] = value;
    }

    function setAddress(bytes32 key, address value) external {
        getAddress[key] = value;
    }

    function setMarket(Market calldata market) external {
        markets[market.marketToken] = market;
    }

    function setCap(int256 value) external {
        cap = value;
    }

    /// An event of the emitter about somebody or something.
    function emitAbout(string memory name, address subject) public {
        EventLogData memory data;
        emit EventLog1(msg.sender, name, name, bytes32(uint256(uint160(subject))), data);
    }

    function put(Props calldata props, uint256 cost, int256 impact) external {
        Addresses calldata who = props.addresses;
        bytes32 key = keccak256(abi.encode(who.account, who.market, who.collateralToken, props.flags.isLong));
        if (positions[key].numbers.sizeInUsd == 0) keys[who.account].push(key);
        positions[key] = props;
        (costs[key], impacts[key]) = (cost, impact);
        emitAbout("PositionIncrease", who.account);
    }

    function getAccountPositions(address, address account, uint256, uint256) external view returns (Props[] memory all) {
        all = new Props[](keys[account].length);
        for (uint256 i = 0; i < all.length; i++) all[i] = positions[keys[account][i]];
    }

    function getMarket(address, address market) external view returns (Market memory) {
        return markets[market];
    }

    function getPositionInfo(address, address, bytes32 key, MarketPrices memory prices, uint256, address, bool)
        external
        view
        returns (Info memory info)
    {
        info.positionKey = key;
        info.position = positions[key];
        info.uncappedBasePnlUsd = _result(key, prices);
        info.basePnlUsd = info.uncappedBasePnlUsd > cap ? cap : info.uncappedBasePnlUsd;
        info.fees.totalCostAmount = costs[key];
        info.fees.totalDiscountAmount = 12345;
        info.fees.referral.trader = info.position.addresses.account;
        info.execution.priceImpactUsd = impacts[key] / 2;
        info.execution.proportionalPendingImpactUsd = impacts[key] - impacts[key] / 2;
        info.execution.totalImpactUsd = 77;
        info.execution.executionPrice = prices.indexTokenPrice.min;
    }

    function isPositionLiquidatable(
        address,
        address,
        bytes32 key,
        Market memory market,
        MarketPrices memory prices,
        bool,
        bool
    ) external view returns (bool, string memory, Verdict memory verdict) {
        bool isLongToken = positions[key].addresses.collateralToken == market.longToken;
        verdict = _verdict(key, isLongToken ? prices.longTokenPrice.min : prices.shortTokenPrice.min, _result(key, prices));
        int256 remaining = verdict.remainingCollateralUsd;
        if (remaining < verdict.minCollateralUsd) return (true, "min collateral", verdict);
        if (remaining < verdict.minCollateralUsdForLeverage) return (true, "min collateral for leverage", verdict);
        return (false, "", verdict);
    }

    function _verdict(bytes32 key, uint256 price, int256 result) private view returns (Verdict memory verdict) {
        Numbers memory numbers = positions[key].numbers;
        address market = positions[key].addresses.market;
        uint256 bound = getUint[_key("MAX_POSITION_IMPACT_FACTOR_FOR_LIQUIDATIONS", market)];
        int256 impact = impacts[key] < 0 ? impacts[key] : int256(0);
        int256 most = -int256(numbers.sizeInUsd * bound / 1e30);
        int256 held = int256(numbers.collateralAmount) - int256(costs[key]);
        verdict.remainingCollateralUsd =
            held * int256(price) + (result > cap ? cap : result) + (impact < most ? most : impact);
        verdict.minCollateralUsd = int256(getUint[keccak256(abi.encode("MIN_COLLATERAL_USD"))]);
        uint256 factor = getUint[_key("MIN_COLLATERAL_FACTOR_FOR_LIQUIDATION", market)];
        verdict.minCollateralUsdForLeverage = int256(numbers.sizeInUsd * factor / 1e30);
    }

    function _result(bytes32 key, MarketPrices memory prices) private view returns (int256) {
        Numbers memory numbers = positions[key].numbers;
        int256 gain = int256(numbers.sizeInTokens * prices.indexTokenPrice.min) - int256(numbers.sizeInUsd);
        return positions[key].flags.isLong ? gain : -gain;
    }

    function _key(string memory name, address market) private pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(abi.encode(name)), market));
    }
}
