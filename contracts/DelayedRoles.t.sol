// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {DelayedRoles} from "./DelayedRoles.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {Attestation} from "./libraries/Attestation.sol";
import {Header} from "./libraries/EpochHeader.sol";
import {WindowTest} from "./RegistryAttest.t.sol";

/// @notice scheduleChange, cancelChange, executeChange
/// ├── by anyone but the admin → AccessControlUnauthorizedAccount
/// ├── what is no change → NotAChange; what waits already → ChangeWaits
/// ├── executed before 14 days, or later than 14 more → ChangeNotReady; not scheduled → ChangeNotScheduled
/// └── the functions themselves, called directly by anyone → OnlyAsChange
contract DelayedRolesTest is WindowTest {
    address private constant NEW = address(0x4E11);

    function test_D1_NobodyChangesRolesOrAttestersDirectly() public {
        address[4] memory callers = [ADMIN, GUARDIAN, COMMITTER, ANYONE];
        bytes32 role = registry.GUARDIAN_ROLE();
        for (uint256 i = 0; i < 4; ++i) {
            bytes memory error_ = abi.encodeWithSelector(DelayedRoles.OnlyAsChange.selector, callers[i]);
            vm.expectRevert(error_);
            vm.prank(callers[i]);
            registry.grantRole(role, NEW);
            vm.expectRevert(error_);
            vm.prank(callers[i]);
            registry.revokeRole(role, GUARDIAN);
            vm.expectRevert(error_);
            vm.prank(callers[i]);
            registry.renounceRole(role, callers[i]);
            vm.expectRevert(error_);
            vm.prank(callers[i]);
            registry.setAttesters(new address[](0), 0);
        }
    }

    function test_D1_ARoleChangesAfterFourteenDays() public {
        bytes memory grant = abi.encodeCall(registry.grantRole, (registry.GUARDIAN_ROLE(), NEW));
        bytes memory revoke = abi.encodeCall(registry.revokeRole, (registry.GUARDIAN_ROLE(), GUARDIAN));
        uint64 readyAt = uint64(block.timestamp) + 14 days;
        vm.expectEmit(address(registry));
        emit DelayedRoles.ChangeScheduled(keccak256(grant), grant, readyAt);
        _schedule(grant);
        _schedule(revoke);
        assertEq(registry.changeReadyAt(keccak256(grant)), readyAt, "announced");
        bytes4 error_ = DelayedRoles.ChangeNotReady.selector;
        bytes memory notReady = abi.encodeWithSelector(error_, keccak256(grant), readyAt, readyAt + 14 days);
        _executeReverts(grant, notReady);
        _pass(14 days - 1);
        _executeReverts(grant, notReady);
        _pass(1);
        vm.expectEmit(address(registry));
        emit DelayedRoles.ChangeExecuted(keccak256(grant));
        _execute(grant);
        _execute(revoke);
        assertTrue(registry.hasRole(registry.GUARDIAN_ROLE(), NEW), "given");
        assertFalse(registry.hasRole(registry.GUARDIAN_ROLE(), GUARDIAN), "taken");
        _executeReverts(grant, abi.encodeWithSelector(DelayedRoles.ChangeNotScheduled.selector, keccak256(grant)));
    }

    function test_AttestersAndThresholdChangeAfterFourteenDays() public {
        address[] memory attesters = new address[](1);
        attesters[0] = vm.addr(0xB1);
        bytes memory change = abi.encodeCall(registry.setAttesters, (attesters, 1));
        _schedule(change);
        _pass(14 days);
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.AttestersSet(attesters, 1);
        _execute(change);
        assertEq(registry.attesters().length, 1, "one");
        assertEq(registry.threshold(), 1, "threshold");
        Header memory header = _commitEpoch();
        _pass(1 days);
        bytes[] memory old = _signatures(header);
        (bool ok,) = address(registry).call(abi.encodeCall(registry.finalize, (header, old)));
        assertFalse(ok, "the old ones sign no more");
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(0xB1, _hash(header));
        registry.finalize(header, signatures);
        assertEq(registry.lastFinal(), 1, "the new one does");
    }

    function test_AChangeThatWouldLeaveNobodyToObjectReverts() public {
        bytes memory none = abi.encodeCall(registry.setAttesters, (new address[](0), 0));
        bytes memory tooMany = abi.encodeCall(registry.setAttesters, (registry.attesters(), 4));
        bytes memory twice = abi.encodeCall(registry.grantRole, (registry.GUARDIAN_ROLE(), COMMITTER));
        address attester = registry.attesters()[0];
        bytes memory signing = abi.encodeCall(registry.grantRole, (registry.COMMITTER_ROLE(), attester));
        address[] memory members = registry.attesters();
        members[2] = COMMITTER;
        bytes memory committing = abi.encodeCall(registry.setAttesters, (members, 2));
        members = registry.attesters();
        members[2] = members[1];
        bytes memory doubled = abi.encodeCall(registry.setAttesters, (members, 2));
        bytes[6] memory changes = [none, tooMany, twice, signing, committing, doubled];
        for (uint256 i = 0; i < 6; ++i) _schedule(changes[i]);
        _pass(14 days);
        bytes4 badThreshold = ISettlementRegistry.BadThreshold.selector;
        bytes4 notSeparate = ISettlementRegistry.RolesNotSeparate.selector;
        _executeReverts(none, abi.encodeWithSelector(badThreshold, 0, 0));
        _executeReverts(tooMany, abi.encodeWithSelector(badThreshold, 4, 3));
        _executeReverts(twice, abi.encodeWithSelector(notSeparate, COMMITTER));
        _executeReverts(signing, abi.encodeWithSelector(notSeparate, attester));
        _executeReverts(committing, abi.encodeWithSelector(notSeparate, COMMITTER));
        _executeReverts(doubled, abi.encodeWithSelector(Attestation.BadAttester.selector, members[1]));
    }

    function test_OnlyTheAdminSchedulesCancelsAndExecutes() public {
        bytes memory change = abi.encodeCall(registry.grantRole, (registry.GUARDIAN_ROLE(), NEW));
        bytes32 admin = registry.DEFAULT_ADMIN_ROLE();
        address[3] memory callers = [GUARDIAN, COMMITTER, ANYONE];
        for (uint256 i = 0; i < 3; ++i) {
            bytes4 error_ = IAccessControl.AccessControlUnauthorizedAccount.selector;
            bytes memory refused = abi.encodeWithSelector(error_, callers[i], admin);
            vm.expectRevert(refused);
            vm.prank(callers[i]);
            registry.scheduleChange(change);
            vm.expectRevert(refused);
            vm.prank(callers[i]);
            registry.cancelChange(keccak256(change));
            vm.expectRevert(refused);
            vm.prank(callers[i]);
            registry.executeChange(change);
        }
    }

    function test_WhatIsNoChangeIsNotScheduled() public {
        bytes[3] memory calls = [
            abi.encodeCall(registry.pause, ()),
            abi.encodeCall(registry.renounceRole, (registry.GUARDIAN_ROLE(), GUARDIAN)),
            bytes("")
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(DelayedRoles.NotAChange.selector, bytes4(calls[i])));
            vm.prank(ADMIN);
            registry.scheduleChange(calls[i]);
        }
    }

    function test_AChangeIsCancelled() public {
        bytes memory change = abi.encodeCall(registry.revokeRole, (registry.GUARDIAN_ROLE(), GUARDIAN));
        _schedule(change);
        bytes32 id = keccak256(change);
        vm.expectEmit(address(registry));
        emit DelayedRoles.ChangeCancelled(id);
        vm.prank(ADMIN);
        registry.cancelChange(id);
        _pass(14 days);
        bytes memory error_ = abi.encodeWithSelector(DelayedRoles.ChangeNotScheduled.selector, id);
        _executeReverts(change, error_);
        vm.expectRevert(error_);
        vm.prank(ADMIN);
        registry.cancelChange(id);
    }

    /// @dev A change that nobody executes does not lie in wait: it has to be announced again.
    function test_AChangeExpires() public {
        bytes memory change = abi.encodeCall(registry.revokeRole, (registry.GUARDIAN_ROLE(), GUARDIAN));
        _schedule(change);
        uint64 readyAt = uint64(block.timestamp) + 14 days;
        bytes32 id = keccak256(change);
        bytes memory waits =
            abi.encodeWithSelector(DelayedRoles.ChangeWaits.selector, id, readyAt, readyAt + 14 days);
        vm.expectRevert(waits);
        vm.prank(ADMIN);
        registry.scheduleChange(change);
        _pass(28 days);
        vm.expectRevert(waits);
        vm.prank(ADMIN);
        registry.scheduleChange(change);
        _pass(1);
        bytes4 error_ = DelayedRoles.ChangeNotReady.selector;
        _executeReverts(change, abi.encodeWithSelector(error_, id, readyAt, readyAt + 14 days));
        _schedule(change);
        assertEq(registry.changeReadyAt(id), uint64(block.timestamp) + 14 days, "waits anew");
    }

    function _schedule(bytes memory change) private {
        vm.prank(ADMIN);
        registry.scheduleChange(change);
    }

    function _execute(bytes memory change) private {
        vm.prank(ADMIN);
        registry.executeChange(change);
    }

    function _executeReverts(bytes memory change, bytes memory error_) private {
        vm.expectRevert(error_);
        vm.prank(ADMIN);
        registry.executeChange(change);
    }
}
