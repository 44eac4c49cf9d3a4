// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// A stand-in with the reading ABI of Derive v2: sub-accounts, matching, managers, feeds and perps in one contract.
/// It keeps what it is given; only the standard margin of cash, perps and base assets is counted here. What it shall
/// say of a sub-account with options is told by ``say``.
contract DeriveShape {
    struct OptionMarginParams {
        uint256 maxSpotReq;
        uint256 minSpotReq;
        uint256 mmCallSpotReq;
        uint256 mmPutSpotReq;
        uint256 mmPutMtMReq;
        uint256 unpairedIMScale;
        uint256 unpairedMMScale;
        uint256 mmOffsetScale;
    }

    struct Answer {
        int256 maintenance;
        int256 initial;
        int256 markToMarket;
        bool told;
    }

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

    struct HeldAsset {
        address asset;
        uint96 subId;
    }

    event BalanceAdjusted(
        uint256 indexed accountId,
        address indexed manager,
        HeldAsset indexed assetAndSubId,
        int256 amount,
        int256 preBalance,
        int256 postBalance
    );
    event AccountManagerChanged(uint256 indexed accountId, address indexed oldManager, address indexed newManager);
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event AccountCreated(address indexed owner, uint256 indexed accountId, address indexed manager);

    mapping(uint256 => Book) private books;
    mapping(address => AssetDetail) private details;
    mapping(uint256 => uint256) public baseAssetMarginFactor;
    mapping(uint256 => uint256) private maintenance;
    uint256 public price;
    address public cash;
    address private stable;
    uint256 public lastId;
    mapping(uint256 => Answer) private answers;
    mapping(uint256 => OptionMarginParams) public optionMarginParams;

    constructor(address cash_, uint256 price_, address stable_) {
        (cash, price, stable) = (cash_, price_, stable_);
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
        emit Transfer(books[id].owner, owner, id);
        books[id].owner = owner;
    }

    /// Change the balance at a place of the book, as a trade does: the event names the sub-account only.
    function adjust(uint256 id, uint256 place, int256 amount) external {
        AssetBalance storage held = books[id].balances[place];
        int256 before = held.balance;
        held.balance += amount;
        HeldAsset memory what = HeldAsset(held.asset, uint96(held.subId));
        emit BalanceAdjusted(id, books[id].manager, what, amount, before, held.balance);
    }

    function changeManager(uint256 id, address manager_) external {
        emit AccountManagerChanged(id, books[id].manager, manager_);
        books[id].manager = manager_;
    }

    function say(uint256 id, int256 maintenance_, int256 initial, int256 markToMarket) external {
        answers[id] = Answer(maintenance_, initial, markToMarket, true);
    }

    function setOptions(uint256 market, OptionMarginParams calldata parameters) external {
        optionMarginParams[market] = parameters;
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

    function baseMarginParams(uint256 market) external view returns (uint256, uint256) {
        return (baseAssetMarginFactor[market], 0.9e18);
    }

    function oracleContingencyParams(uint256) external pure returns (uint256, uint256, uint256, uint256) {
        return (0.55e18, 0.55e18, 0.55e18, 1e18);
    }

    function depegParams() external pure returns (uint256, uint256) {
        return (0.99e18, 2e18);
    }

    function stableFeed() external view returns (address) {
        return address(stable);
    }

    function getForwardPrice(uint64 expiry) external view returns (uint256, uint256) {
        require(expiry != 0, "no forward");
        return (price + price / 100, 1e18);
    }

    function getExpiryMinConfidence(uint64) external pure returns (uint256) {
        return 0.5e18;
    }

    function getMargin(uint256 id, bool isInitial) external view returns (int256 margin) {
        if (answers[id].told) return isInitial ? answers[id].initial : answers[id].maintenance;
        (margin,) = getMarginAndMarkToMarket(id, isInitial, 0);
    }

    function getMarginAndMarkToMarket(uint256 id, bool isInitial, uint256)
        public
        view
        returns (int256 margin, int256 mtm)
    {
        if (answers[id].told) {
            return (isInitial ? answers[id].initial : answers[id].maintenance, answers[id].markToMarket);
        }
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
    uint256 public confidence = 1e18;
    mapping(uint256 => int256) public getUnsettledAndUnrealizedCash;

    constructor(uint256 price_) {
        price = price_;
    }

    function set(uint256 price_, uint256 id, int256 result) external {
        price = price_;
        getUnsettledAndUnrealizedCash[id] = result;
    }

    function getPerpPrice() external view returns (uint256, uint256) {
        return (price, confidence);
    }

    function setConfidence(uint256 confidence_) external {
        confidence = confidence_;
    }
}

/// The exchange of the stand-in: keeps sub-accounts for their owners.
contract DeriveMatchingShape {
    mapping(uint256 => address) public subAccountToOwner;

    event DepositedSubAccount(uint256 indexed accountId, address indexed owner);

    function deposit(DeriveShape accounts, uint256 id, address owner) external {
        accounts.give(id, address(this));
        subAccountToOwner[id] = owner;
        emit DepositedSubAccount(id, owner);
    }
}
