// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Roles that change only after everyone has had the time to leave
/// @notice Giving and taking a role, and whatever else a book declares as a change, is scheduled by the admin, waits 14
/// days in public and is then executed by the admin. The exit of a balance takes less, that of a lock, stake or
/// reservation as long as it has to run: see {CustodianExits}.
/// @dev The states of a change:
///
///   from              by                      to                when
///   none, expired     scheduleChange, admin   waiting
///   waiting, expired  cancelChange, admin     none
///   waiting           executeChange, admin    none, in effect   14 to 28 days after it was scheduled
///   waiting                                   expired           28 days after it was scheduled
///
/// Invariant D1: no account gains or loses a role except by the constructor or a change that waited.
abstract contract DelayedRoles is AccessControl {
    /// @notice Seconds between scheduling a change and the first moment it can be executed.
    uint64 public constant CHANGE_DELAY = 14 days;
    /// @notice Seconds in which a change can be executed; after them it is scheduled anew or not at all, so that no
    /// forgotten change lies in wait.
    uint64 public constant CHANGE_EXPIRY = 14 days;

    /// @notice Unix seconds from which a change can be executed, by the keccak256 of its calldata; 0 where none waits.
    mapping(bytes32 change => uint64) public changeReadyAt;

    /// @notice A change was announced; users who do not want it have until `readyAt` to leave.
    event ChangeScheduled(bytes32 indexed change, bytes call, uint64 readyAt);
    /// @notice A scheduled change will not come.
    event ChangeCancelled(bytes32 indexed change);
    /// @notice A change that waited is in effect.
    event ChangeExecuted(bytes32 indexed change);

    /// @notice The function is no change: schedule the calldata of grantRole, revokeRole or setAttesters.
    error NotAChange(bytes4 selector);
    /// @notice The change is scheduled already: execute it between these two moments, or cancel it first.
    error ChangeWaits(bytes32 change, uint64 readyAt, uint64 expiresAt);
    /// @notice No such change is scheduled: schedule exactly this calldata first.
    error ChangeNotScheduled(bytes32 change);
    /// @notice The change can be executed between these two moments only.
    error ChangeNotReady(bytes32 change, uint64 readyAt, uint64 expiresAt);
    /// @notice Nobody calls this directly: schedule it as a change and execute it after the delay.
    error OnlyAsChange(address caller);

    modifier onlyAsChange() {
        if (msg.sender != address(this)) revert OnlyAsChange(msg.sender);
        _;
    }

    /// @notice Announces a change. Admin role.
    /// @param call Calldata for this contract, of a function that is a change.
    /// @return change The change's id, the keccak256 of `call`.
    function scheduleChange(bytes calldata call) external onlyRole(DEFAULT_ADMIN_ROLE) returns (bytes32 change) {
        bytes4 selector = bytes4(call);
        if (!_isChange(selector)) revert NotAChange(selector);
        change = keccak256(call);
        uint64 waiting = changeReadyAt[change];
        if (waiting != 0 && block.timestamp <= waiting + CHANGE_EXPIRY) {
            revert ChangeWaits(change, waiting, waiting + CHANGE_EXPIRY);
        }
        uint64 readyAt = uint64(block.timestamp) + CHANGE_DELAY;
        changeReadyAt[change] = readyAt;
        emit ChangeScheduled(change, call, readyAt);
    }

    /// @notice Takes an announced change back. Admin role.
    function cancelChange(bytes32 change) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (changeReadyAt[change] == 0) revert ChangeNotScheduled(change);
        delete changeReadyAt[change];
        emit ChangeCancelled(change);
    }

    /// @notice Puts a change that has waited into effect. Admin role.
    /// @param call The calldata that was scheduled.
    function executeChange(bytes calldata call) external onlyRole(DEFAULT_ADMIN_ROLE) {
        bytes32 change = keccak256(call);
        uint64 readyAt = changeReadyAt[change];
        if (readyAt == 0) revert ChangeNotScheduled(change);
        if (block.timestamp < readyAt || block.timestamp > readyAt + CHANGE_EXPIRY) {
            revert ChangeNotReady(change, readyAt, readyAt + CHANGE_EXPIRY);
        }
        delete changeReadyAt[change];
        emit ChangeExecuted(change);
        Address.functionCall(address(this), call);
    }

    /// @notice Gives a role; as a change only.
    function grantRole(bytes32 role, address account) public override onlyAsChange {
        _grantRole(role, account);
    }

    /// @notice Takes a role; as a change only.
    function revokeRole(bytes32 role, address account) public override onlyAsChange {
        _revokeRole(role, account);
    }

    /// @notice Always reverts: a guardian who leaves at once would take the users' protection along. Have the role
    /// revoked as a change.
    function renounceRole(bytes32, address) public view override {
        revert OnlyAsChange(msg.sender);
    }

    /// @dev The functions that are guarded by `onlyAsChange`.
    function _isChange(bytes4 selector) internal pure virtual returns (bool) {
        return selector == this.grantRole.selector || selector == this.revokeRole.selector;
    }
}
