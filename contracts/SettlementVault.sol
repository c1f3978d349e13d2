// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ISettlementCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Section} from "./libraries/EpochHeader.sol";
import {SettlementCustodian} from "./SettlementCustodian.sol";

/// @title SettlementVault
/// @notice Holds every token that is not locked, staked or reserved (sections balances and payouts), and gives the
/// other custodians what their sections lack.
/// @dev Invariant V1: its tokens go to escrow, staking and reserve and nowhere else.
contract SettlementVault is SettlementCustodian, ISettlementVault {
    using SafeERC20 for IERC20;

    /// @inheritdoc ISettlementVault
    address public immutable escrow;
    /// @inheritdoc ISettlementVault
    address public immutable staking;
    /// @inheritdoc ISettlementVault
    address public immutable reserve;

    /// @param registry_ The book's registry, whose address is known before it is deployed.
    /// @param token_ The book's token.
    /// @param escrow_ Custodian of locks.
    /// @param staking_ Custodian of stakes.
    /// @param reserve_ Custodian of compute.
    constructor(address registry_, IERC20 token_, address escrow_, address staking_, address reserve_)
        SettlementCustodian(registry_, token_)
    {
        escrow = escrow_;
        staking = staking_;
        reserve = reserve_;
    }

    /// @inheritdoc ISettlementCustodian
    function holds(uint8 section) public pure override(SettlementCustodian, ISettlementCustodian) returns (bool) {
        return section == EpochHeader.BALANCES || section == EpochHeader.PAYOUTS;
    }

    /// @inheritdoc ISettlementVault
    function settle(uint64 epoch, Section calldata balances, Section calldata payouts, uint256[3] calldata shortfalls)
        external
        onlyRegistry
    {
        _record(EpochHeader.BALANCES, epoch, balances);
        _record(EpochHeader.PAYOUTS, epoch, payouts);
        if (shortfalls[0] != 0) token.safeTransfer(escrow, shortfalls[0]);
        if (shortfalls[1] != 0) token.safeTransfer(staking, shortfalls[1]);
        if (shortfalls[2] != 0) token.safeTransfer(reserve, shortfalls[2]);
    }
}
