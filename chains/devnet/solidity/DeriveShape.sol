// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// A stand-in with the reading ABI of Derive v2: sub-accounts, matching, managers, feeds and perps in one contract.
/// It keeps what it is given; only the standard margin of cash, perps and base assets is counted here.
contract DeriveShape {
    struct AssetBalance {
        address asset;
        uint256 subId;
        int256 balance;
    }

    struct AssetDetail {
        bool isWhitelisted;
        uint8 assetType;
        uint256 marketId;
    }

    struct Book {
        address owner;
        address manager;
        AssetBalance[] balances;
        int256 result;
    }

    event AccountCreated(address indexed owner, uint256 indexed accountId, address indexed manager);

    mapping(uint256 => Book) private books;
    mapping(address => AssetDetail) private details;
    mapping(uint256 => uint256) public baseAssetMarginFactor;
    mapping(uint256 => uint256) private maintenance;
    uint256 public price;
    address public cash;
    uint256 public lastId;

    constructor(address cash_, uint256 price_) {
        (cash, price) = (cash_, price_);
    }

    function setPrice(uint256 price_) external {
        price = price_;
    }

    function setResult(uint256 id, int256 result) external {
        books[id].result = result;
    }

    function setMarket(uint256 market, uint256 mm, uint256 factor) external {
        (maintenance[market], baseAssetMarginFactor[market]) = (mm, factor);
    }

    function whitelist(address asset, uint8 kind, uint256 market) external {
        details[asset] = AssetDetail(true, kind, market);
    }

    function create(address owner, address manager_, AssetBalance[] calldata balances) external {
        uint256 id = ++lastId;
        (books[id].owner, books[id].manager) = (owner, manager_);
        for (uint256 i = 0; i < balances.length; i++) books[id].balances.push(balances[i]);
        emit AccountCreated(owner, id, manager_);
    }

    function give(uint256 id, address owner) external {
        books[id].owner = owner;
    }

    function ownerOf(uint256 id) external view returns (address) {
        require(books[id].owner != address(0), "ERC721: invalid token ID");
        return books[id].owner;
    }

    function subAccountToOwner(uint256) external pure returns (address) {
        return address(0);
    }

    function manager(uint256 id) external view returns (address) {
        return books[id].manager;
    }

    function getAccountBalances(uint256 id) external view returns (AssetBalance[] memory) {
        return books[id].balances;
    }

    function assetDetails(address asset) external view returns (AssetDetail memory) {
        return details[asset];
    }

    function perpMarginRequirements(uint256 market) external view returns (uint256, uint256) {
        return (maintenance[market], maintenance[market] * 2);
    }

    function getMarketFeeds(uint256) external view returns (address, address, address) {
        return (address(this), address(this), address(this));
    }

    /// Volatility and confidence of a strike: the further from 3000, the higher; nothing beyond 10 times that.
    function getVol(uint128 strike, uint64) external pure returns (uint256, uint256) {
        require(strike < 30000e18, "no surface");
        uint256 away = strike > 3000e18 ? strike - 3000e18 : 3000e18 - strike;
        return (0.6e18 + away / 10000, 0.95e18);
    }

    function getSpot() external view returns (uint256, uint256) {
        return (price, 1e18);
    }

    function getMarginAndMarkToMarket(uint256 id, bool, uint256) external view returns (int256 margin, int256 mtm) {
        Book storage book = books[id];
        for (uint256 i = 0; i < book.balances.length; i++) {
            AssetBalance memory held = book.balances[i];
            if (held.asset == cash) {
                margin += held.balance;
                mtm += held.balance;
                continue;
            }
            AssetDetail memory detail = details[held.asset];
            uint256 size = held.balance < 0 ? uint256(-held.balance) : uint256(held.balance);
            uint256 notional = size * price / 1e18;
            if (detail.assetType == 2) {
                margin += book.result - int256(notional * maintenance[detail.marketId] / 1e18);
                mtm += book.result;
            } else if (detail.assetType == 3) {
                margin += int256(notional * baseAssetMarginFactor[detail.marketId] / 1e18);
                mtm += int256(notional);
            } else {
                margin -= int256(notional / 10);
                mtm -= int256(notional / 20);
            }
        }
    }
}

/// A perpetual of the stand-in.
contract DerivePerpShape {
    uint256 public price;
    mapping(uint256 => int256) public getUnsettledAndUnrealizedCash;

    constructor(uint256 price_) {
        price = price_;
    }

    function set(uint256 price_, uint256 id, int256 result) external {
        price = price_;
        getUnsettledAndUnrealizedCash[id] = result;
    }

    function getPerpPrice() external view returns (uint256, uint256) {
        return (price, 1e18);
    }
}
