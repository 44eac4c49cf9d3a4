// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

interface IFeed {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

interface IToken {
    function balanceOf(address) external view returns (uint256);
}

/// A stand-in with the reading ABI of Compound v3. State is set from outside; rates are constant.
contract CometShape {
    struct AssetInfo {
        uint8 offset;
        address asset;
        address priceFeed;
        uint64 scale;
        uint64 borrowCollateralFactor;
        uint64 liquidateCollateralFactor;
        uint64 liquidationFactor;
        uint128 supplyCap;
    }

    struct TotalsBasic {
        uint64 baseSupplyIndex;
        uint64 baseBorrowIndex;
        uint64 trackingSupplyIndex;
        uint64 trackingBorrowIndex;
        uint104 totalSupplyBase;
        uint104 totalBorrowBase;
        uint40 lastAccrualTime;
        uint8 pauseFlags;
    }

    struct UserBasic {
        int104 principal;
        uint64 baseTrackingIndex;
        uint64 baseTrackingAccrued;
        uint16 assetsIn;
        uint8 _reserved;
    }

    address public baseToken;
    address public baseTokenPriceFeed;
    uint256 public baseScale;
    uint64 public supplyRate;
    uint64 public borrowRate;
    uint8 public numAssets;
    TotalsBasic private totals;
    mapping(uint8 => AssetInfo) private infos;
    mapping(address => UserBasic) public userBasic;
    mapping(address => mapping(address => uint128)) public collateralBalanceOf;
    bool public broken;

    constructor(address token, address feed, uint256 scale, uint64 supply_, uint64 borrow_) {
        (baseToken, baseTokenPriceFeed, baseScale, supplyRate, borrowRate) = (token, feed, scale, supply_, borrow_);
        totals = TotalsBasic(1e15, 1e15, 0, 0, 0, 0, uint40(block.timestamp), 0);
    }

    function list(AssetInfo calldata info) external {
        infos[numAssets++] = info;
    }

    function put(address account, int104 principal, address[] calldata assets, uint128[] calldata amounts) external {
        userBasic[account] = UserBasic(principal, 7, 11, 0, 0);
        for (uint256 i = 0; i < assets.length; i++) collateralBalanceOf[account][assets[i]] = amounts[i];
    }

    function setIndices(uint64 supplyIndex, uint64 borrowIndex) external {
        (totals.baseSupplyIndex, totals.baseBorrowIndex) = (supplyIndex, borrowIndex);
        totals.lastAccrualTime = uint40(block.timestamp);
    }

    function setPause(uint8 flags) external {
        totals.pauseFlags = flags;
    }

    function setBroken(bool value) external {
        broken = value;
    }

    function totalsBasic() external view returns (TotalsBasic memory) {
        return totals;
    }

    function getAssetInfo(uint8 i) external view returns (AssetInfo memory) {
        return infos[i];
    }

    function getUtilization() external pure returns (uint256) {
        return 7e17;
    }

    function getSupplyRate(uint256) external view returns (uint64) {
        return supplyRate;
    }

    function getBorrowRate(uint256) external view returns (uint64) {
        return borrowRate;
    }

    function getPrice(address feed) public view returns (uint256) {
        (, int256 price,,,) = IFeed(feed).latestRoundData();
        require(price > 0, "price");
        return uint256(price);
    }

    function accrueAccount(address) external {
        (totals.baseSupplyIndex, totals.baseBorrowIndex) = _indices();
        totals.lastAccrualTime = uint40(block.timestamp);
    }

    function balanceOf(address account) external view returns (uint256) {
        int104 principal = userBasic[account].principal;
        (uint64 index,) = _indices();
        return principal > 0 ? uint256(uint104(principal)) * index / 1e15 : 0;
    }

    function borrowBalanceOf(address account) public view returns (uint256) {
        int104 principal = userBasic[account].principal;
        (, uint64 index) = _indices();
        return principal < 0 ? uint256(uint104(-principal)) * index / 1e15 : 0;
    }

    function isLiquidatable(address account) external view returns (bool) {
        require(!broken, "broken");
        if (userBasic[account].principal >= 0) return false;
        uint256 debt = uint256(uint104(-userBasic[account].principal)) * totals.baseBorrowIndex / 1e15;
        debt = debt * getPrice(baseTokenPriceFeed) / baseScale;
        uint256 backing = 0;
        for (uint8 i = 0; i < numAssets; i++) {
            AssetInfo memory info = infos[i];
            uint256 value = collateralBalanceOf[account][info.asset] * getPrice(info.priceFeed) / info.scale;
            backing += value * info.liquidateCollateralFactor / 1e18;
        }
        return debt > backing;
    }

    function _indices() private view returns (uint64 supply_, uint64 borrow_) {
        uint256 elapsed = block.timestamp - totals.lastAccrualTime;
        supply_ = totals.baseSupplyIndex + uint64(uint256(totals.baseSupplyIndex) * (supplyRate * elapsed) / 1e18);
        borrow_ = totals.baseBorrowIndex + uint64(uint256(totals.baseBorrowIndex) * (borrowRate * elapsed) / 1e18);
    }
}
