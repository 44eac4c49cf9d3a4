// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

import {ERC20, ERC4626, IERC20} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// OpenZeppelin's vault, given a name: shares of staked ether whose rate grows by what is paid in as reward.
contract StakedEther is ERC4626 {
    constructor(IERC20 ether_) ERC20("Staked Ether", "stakedETH") ERC4626(ether_) {}
}
