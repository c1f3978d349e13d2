// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {Leaf, Node, SumTree} from "./libraries/SumTree.sol";
import {SettlementCustodian} from "./SettlementCustodian.sol";

/// @title The way out of an operator's hands
/// @notice A position of the ledger may have moved on since its last final epoch, so while the operator works it is not
/// paid from its proof, but demanded; the operator serves a demand by moving it into the owner's payouts. An operator
/// who does not is left behind: the book freezes, and every last final position is paid from its proof, once.
/// @dev The states of a position's demand:
///
///   from        by                                     to          when
///   none        demandExit, its owner                  open        in the newest final epoch, at least the minimum
///   open        serve, anyone                          none        at 0 in a final epoch committed later
///   open        requestFreeze, anyone                  requested   7 days after due
///   requested   serve, anyone                          none        as above
///   requested   freeze, anyone                         (frozen)    24 hours after the request
///
/// and of a position in a frozen book: unpaid, by escape (anyone, from min(validUntil, freeze + 366 days) on), paid.
/// None of it asks whether the book is paused.
///
/// Invariants: E1 a position is escaped with at most once, only in a frozen book, and only to its owner.
/// E2 a demand's due time never changes, and is at most 366 days after it was made.
/// E3 a book freezes for a demand only 8 days after it was due, and only while it is unserved.
abstract contract CustodianExits is SettlementCustodian {
    using EpochHeader for Header;
    using SafeERC20 for IERC20;

    struct Demand {
        bytes32 key;
        uint64 demandedAt;
        uint64 due;
        uint64 freezableAt;
    }

    /// @notice The longest that a position's `validUntil` can delay a demand or an escape.
    uint64 public constant LONGEST_WAIT = 366 days;
    /// @notice Seconds after a demand is due in which the operator can serve it before anyone may request the freeze.
    uint64 public constant SERVE_WITHIN = 7 days;
    /// @notice Seconds between the request of a freeze and the freeze.
    uint64 public constant FREEZE_NOTICE = 24 hours;

    mapping(uint8 section => mapping(uint64 index => Demand)) private _demands;
    /// @inheritdoc ISettlementCustodian
    mapping(uint8 section => mapping(uint64 index => bool)) public escaped;

    /// @inheritdoc ISettlementCustodian
    function demandExit(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external returns (uint64 due) {
        _requireWorking();
        _requireOwnedAndFinal(section, leaf, siblings);
        if (msg.sender != leaf.owner) revert NotOwner(leaf.owner, msg.sender);
        uint128 minimum = _registry().minimumExit();
        if (leaf.amount < minimum) revert BelowMinimum(leaf.amount, minimum);
        Demand storage demand = _demands[section][leaf.index];
        if (demand.demandedAt != 0) revert AlreadyDemanded(section, leaf.index, demand.due);

        uint64 time = uint64(block.timestamp);
        due = _within(time, leaf.validUntil);
        _demands[section][leaf.index] = Demand({key: leaf.key, demandedAt: time, due: due, freezableAt: 0});
        emit ExitDemanded(section, leaf.index, leaf.key, leaf.owner, leaf.amount, due);
    }

    /// @inheritdoc ISettlementCustodian
    function serve(uint8 section, Header calldata header, Leaf calldata leaf, Node[] calldata siblings) external {
        _requireWorking();
        Demand memory demand = _openDemand(section, leaf.index);
        if (leaf.amount != 0 || leaf.key != demand.key) revert NotEmptied(leaf.key, leaf.amount);
        uint64 committedAt = _registry().requireFinal(header.epoch, header.hash());
        // What stands at 0 in an epoch from before the demand may have been emptied for another reason, and refilled.
        if (committedAt <= demand.demandedAt) revert CommittedBeforeDemand(committedAt, demand.demandedAt);
        if (!SumTree.contains(header.sections[section], _domain(section), leaf, siblings)) {
            revert NotProven(section, leaf.index);
        }
        delete _demands[section][leaf.index];
        emit DemandServed(section, leaf.index, leaf.key, header.epoch);
    }

    /// @inheritdoc ISettlementCustodian
    function requestFreeze(uint8 section, uint64 index) external returns (uint64 freezableAt) {
        _requireWorking();
        Demand memory demand = _openDemand(section, index);
        if (demand.freezableAt != 0) revert AlreadyRequested(demand.freezableAt);
        _requireReached(demand.due + SERVE_WITHIN);
        freezableAt = uint64(block.timestamp) + FREEZE_NOTICE;
        _demands[section][index].freezableAt = freezableAt;
        emit FreezeRequested(section, index, freezableAt);
    }

    /// @inheritdoc ISettlementCustodian
    function freeze(uint8 section, uint64 index) external {
        Demand memory demand = _openDemand(section, index);
        if (demand.freezableAt == 0) revert FreezeNotRequested(section, index);
        _requireReached(demand.freezableAt);
        _registry().freeze();
    }

    /// @inheritdoc ISettlementCustodian
    function escape(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external nonReentrant {
        uint64 frozenAt = _registry().frozenAt();
        if (frozenAt == 0) revert NotFrozen();
        _requireOwnedAndFinal(section, leaf, siblings);
        if (escaped[section][leaf.index]) revert AlreadyEscaped(section, leaf.index);
        _requireReached(_within(frozenAt, leaf.validUntil));

        escaped[section][leaf.index] = true;
        emit Escaped(section, leaf.index, leaf.key, leaf.owner, leaf.amount);
        token.safeTransfer(leaf.owner, leaf.amount);
    }

    /// @inheritdoc ISettlementCustodian
    function demandOf(uint8 section, uint64 index)
        external
        view
        returns (bytes32 key, uint64 demandedAt, uint64 due, uint64 freezableAt)
    {
        Demand memory demand = _demands[section][index];
        return (demand.key, demand.demandedAt, demand.due, demand.freezableAt);
    }

    function _openDemand(uint8 section, uint64 index) private view returns (Demand memory demand) {
        demand = _demands[section][index];
        if (demand.demandedAt == 0) revert NoDemand(section, index);
    }

    /// @dev A leaf with an owner, in the last final root of a section that positions leave in this way.
    function _requireOwnedAndFinal(uint8 section, Leaf calldata leaf, Node[] calldata siblings) private view {
        if (!holds(section) || section == EpochHeader.PAYOUTS) revert UnknownSection(section);
        if (!_isFinal(section, leaf, siblings)) revert NotProven(section, leaf.index);
        if (leaf.owner == address(0)) revert NoOwner(section, leaf.index);
    }

    function _requireWorking() private view {
        uint64 frozenAt = _registry().frozenAt();
        if (frozenAt != 0) revert ISettlementRegistry.BookFrozen(frozenAt);
    }

    function _requireReached(uint64 time) private view {
        if (block.timestamp < time) revert TooEarly(time);
    }

    /// @dev `validUntil`, but neither before `from` nor more than 366 days after it.
    function _within(uint64 from, uint64 validUntil) private pure returns (uint64) {
        if (validUntil <= from) return from;
        return validUntil - from > LONGEST_WAIT ? from + LONGEST_WAIT : validUntil;
    }
}
