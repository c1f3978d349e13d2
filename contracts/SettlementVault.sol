// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {CustodianExits} from "./CustodianExits.sol";
import {ISettlementCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Section} from "./libraries/EpochHeader.sol";
import {FinalSection, FinalSections} from "./libraries/FinalSection.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {SettlementCustodian} from "./SettlementCustodian.sol";

/// @title SettlementVault
/// @notice Holds every token that is not locked, staked or reserved (sections balances and payouts, and entries that no
/// final epoch has credited), gives the other custodians what their sections lack, and pays claims.
/// @dev Invariant V1: its tokens go to escrow, staking and reserve, to owners of proven payouts, and after a freeze to
/// owners of proven balances and to depositors of entries; nowhere else.
/// Invariant V2: a key is never paid more than a cumulative payout that was final, and all keys together never more than
/// the cumulative payouts of the last final epoch.
contract SettlementVault is CustodianExits, ISettlementVault {
    using SafeERC20 for IERC20;

    /// @inheritdoc ISettlementVault
    uint64 public constant CLAIM_EPOCHS = 1024;

    /// @inheritdoc ISettlementVault
    address public immutable escrow;
    /// @inheritdoc ISettlementVault
    address public immutable staking;
    /// @inheritdoc ISettlementVault
    address public immutable reserve;

    /// @inheritdoc ISettlementVault
    uint128 public totalPaid;
    /// @inheritdoc ISettlementVault
    /// @dev In one word with what was paid, which every claim and every finalize touches anyway.
    uint128 public finalPayouts;
    /// @inheritdoc ISettlementVault
    mapping(bytes32 key => uint128) public paid;
    /// @dev Payouts of the last final epochs, that of epoch n at n % CLAIM_EPOCHS: a claim then needs no header.
    FinalSection[CLAIM_EPOCHS] private _payouts;

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
    /// @dev Guarded, so that no token can have an epoch made final while a claim's tokens are on their way.
    function settle(
        uint64 epoch,
        Section calldata balances,
        Section calldata payouts,
        uint256[3] calldata shortfalls
    ) external onlyRegistry nonReentrant {
        _record(EpochHeader.BALANCES, balances);
        _payouts[epoch % CLAIM_EPOCHS] = _record(EpochHeader.PAYOUTS, payouts);
        finalPayouts = payouts.sum;
        if (shortfalls[0] != 0) token.safeTransfer(escrow, shortfalls[0]);
        if (shortfalls[1] != 0) token.safeTransfer(staking, shortfalls[1]);
        if (shortfalls[2] != 0) token.safeTransfer(reserve, shortfalls[2]);
    }

    /// @inheritdoc ISettlementVault
    /// @dev What counts is the key, not the owner: after a change of wallet the new one gets only what is left.
    function claim(uint64 epoch, Leaf calldata leaf, Node[] calldata siblings)
        external
        nonReentrant
        returns (uint128 amount)
    {
        if (leaf.owner == address(0)) revert NoOwner(EpochHeader.PAYOUTS, leaf.index);
        _requireProven(epoch, leaf, siblings);
        uint128 before = paid[leaf.key];
        if (leaf.amount <= before) revert NothingToClaim(leaf.key, before);
        amount = leaf.amount - before;
        uint256 total = uint256(totalPaid) + amount;
        if (total > finalPayouts) revert ClaimsExceedPayouts(total, finalPayouts);
        totalPaid = uint128(total);
        paid[leaf.key] = leaf.amount;
        emit Claimed(leaf.key, leaf.owner, amount, leaf.amount);
        token.safeTransfer(leaf.owner, amount);
    }

    /// @inheritdoc ISettlementVault
    function deposit(uint128 amount) external returns (uint64 seq) {
        return _enter(address(this), EpochHeader.BALANCES, amount, 0, 0, "");
    }

    /// @inheritdoc ISettlementVault
    function repayEntry(uint64 seq) external nonReentrant {
        (address depositor, uint128 amount) = _registry().recordRepayment(seq);
        token.safeTransfer(depositor, amount);
    }

    /// @dev In older payouts the key may have had another wallet: that one must want it itself.
    function _requireProven(uint64 epoch, Leaf calldata leaf, Node[] calldata siblings) private view {
        (bool fits, uint224 reached) = FinalSections.reach(_domain(EpochHeader.PAYOUTS), leaf, siblings);
        if (fits && _finalOf(EpochHeader.PAYOUTS).isReached(reached, leaf.index, siblings.length)) return;
        if (!fits || !_payouts[epoch % CLAIM_EPOCHS].isReached(reached, leaf.index, siblings.length)) {
            revert NotProven(EpochHeader.PAYOUTS, leaf.index);
        }
        if (msg.sender != leaf.owner) revert NotOwner(leaf.owner, msg.sender);
    }
}
