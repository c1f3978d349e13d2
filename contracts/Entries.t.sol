// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {Node} from "./libraries/SumTree.sol";
import {LedgerTest} from "./LedgerDriver.t.sol";

/// @notice deposit, lockForAgreement, stakeForTier, reserveForEntity; freezeForEntry, repayEntry
/// ├── before the first final epoch → EntriesNotOpen; paused → EnforcedPause; frozen → BookFrozen
/// ├── of nothing → EmptyEntry; under a long name → NameTooLong; by anyone but a custodian → OnlyCustodian
/// ├── else the tokens wait in the vault under the next number
/// ├── 7 days above the final depositSeq → anyone freezes
/// └── in a frozen book each such entry goes back once
contract EntriesTest is LedgerTest {
    function test_EntriesOpenWithTheFirstFinalEpoch() public {
        bytes memory error_ = abi.encodeWithSelector(ISettlementRegistry.EntriesNotOpen.selector);
        vm.expectRevert(error_);
        vm.prank(ALICE);
        vault.deposit(1);
        Header memory first = _commitEpoch();
        vm.expectRevert(error_);
        vm.prank(ALICE);
        vault.deposit(1);
        _finalize(first);
        _fund(ALICE, 5 ether);
        vm.prank(ALICE);
        assertEq(vault.deposit(5 ether), 1, "number");
    }

    function test_OneSequenceForAllFourWays() public {
        _fund(ALICE, 100 ether);
        uint256 inVault = token.balanceOf(address(vault));
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EntryMade(1, ALICE, 0, 1 ether, 0, 0, "");
        vm.prank(ALICE);
        assertEq(vault.deposit(1 ether), 1, "deposit");
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EntryMade(2, ALICE, 1, 10 ether, 0, 7 days, "agreement-7");
        vm.prank(ALICE);
        assertEq(escrow.lockForAgreement(10 ether, 7 days, "agreement-7"), 2, "lock");
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EntryMade(3, ALICE, 2, 25 ether, 2, 0, "strategy-1");
        vm.prank(ALICE);
        assertEq(staking.stakeForTier(2, 25 ether, "strategy-1"), 3, "stake");
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EntryMade(4, ALICE, 3, 5 ether, 1, 30 days, "entity-9");
        vm.prank(ALICE);
        assertEq(reserve.reserveForEntity(1, 5 ether, 30 days, "entity-9"), 4, "reservation");

        assertEq(registry.lastEntry(), 4, "last");
        assertEq(token.balanceOf(address(vault)), inVault + 41 ether, "all of it waits in the vault");
        assertEq(token.balanceOf(ALICE), 59 ether, "and left the wallet");
        uint128[5] memory waiting = [uint128(41 ether), 40 ether, 30 ether, 5 ether, 0];
        for (uint64 seq = 0; seq < 5; ++seq) assertEq(registry.untakenEntries(seq), waiting[seq], "running total");
        assertEq(registry.untakenEntries(99), 0, "above the last");
        (address depositor, uint128 amount, uint64 madeAt, bool repaid) = registry.entryOf(3);
        assertEq(depositor, ALICE, "depositor");
        assertEq(amount, 25 ether, "amount");
        assertEq(madeAt, block.timestamp, "time");
        assertFalse(repaid, "not repaid");
    }

    /// @dev R4 with entries: tokens that wait to be credited back nobody else's position.
    function test_R4_WaitingEntriesBackNothing() public {
        _open(EpochHeader.BALANCES, BOB, uint128(token.SUPPLY() - 5 ether));
        _fund(ALICE, 5 ether);
        vm.prank(ALICE);
        vault.deposit(5 ether);
        positions[EpochHeader.BALANCES][0].amount += 1;
        bytes4 error_ = ISettlementRegistry.LiabilitiesExceedCustody.selector;
        uint256 held = token.SUPPLY() - 5 ether;
        _commitReverts(_close(), abi.encodeWithSelector(error_, held + 1, held));
        positions[EpochHeader.BALANCES][0].amount += 5 ether - 1;
        depositSeq = 1;
        _settleEpoch();
        assertEq(registry.untakenEntries(1), 0, "credited");
    }

    function test_PausedAndFrozenBooksTakeNoEntries() public {
        _fund(ALICE, 5 ether);
        vm.prank(GUARDIAN);
        registry.pause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        vm.prank(ALICE);
        vault.deposit(1 ether);
        vm.prank(ADMIN);
        registry.unpause();
        vm.prank(ALICE);
        vault.deposit(1 ether);
        _pass(7 days);
        registry.freezeForEntry(1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.BookFrozen.selector, uint64(block.timestamp)));
        vm.prank(ALICE);
        escrow.lockForAgreement(1 ether, 1 days, "late");
    }

    function test_EmptyEntriesAndLongNamesAreRefused() public {
        _fund(ALICE, 5 ether);
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.EmptyEntry.selector));
        vm.prank(ALICE);
        vault.deposit(0);
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.NameTooLong.selector, 129));
        vm.prank(ALICE);
        escrow.lockForAgreement(1, 1 days, string(new bytes(129)));
        vm.prank(ALICE);
        escrow.lockForAgreement(1, 1 days, string(new bytes(128)));
    }

    function test_OnlyTheSectionsCustodianCountsAnEntry() public {
        _settleEpoch();
        address[3] memory callers = [ANYONE, COMMITTER, address(registry)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.OnlyCustodian.selector, callers[i]));
            vm.prank(callers[i]);
            registry.recordEntry(ALICE, 0, 1, 0, 0, "");
        }
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.OnlyCustodian.selector, address(escrow)));
        vm.prank(address(escrow));
        registry.recordEntry(ALICE, 0, 1, 0, 0, "");
    }

    function test_ACreditedEntryIsNotRepaid() public {
        _enterTwice();
        _open(EpochHeader.BALANCES, ALICE, 1 ether);
        depositSeq = 1;
        _settleEpoch();
        assertEq(registry.finalDepositSeq(), 1, "credited");
        bytes4 error_ = ISettlementRegistry.NotWaiting.selector;
        _pass(7 days);
        vm.expectRevert(abi.encodeWithSelector(error_, 1));
        registry.freezeForEntry(1);
        registry.freezeForEntry(2);
        vm.expectRevert(abi.encodeWithSelector(error_, 1));
        vault.repayEntry(1);
    }

    /// @dev Attack: credit and repayment of one entry. What an epoch that was not final at the freeze credits is void.
    function test_R8_AttackCreditAndRepaymentOfOneEntryFails() public {
        _enterTwice();
        uint64 index = _open(EpochHeader.BALANCES, ALICE, 3 ether);
        depositSeq = 2;
        Header memory pending = _commitEpoch();
        _pass(7 days);
        registry.freezeForEntry(1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.BookFrozen.selector, uint64(block.timestamp)));
        registry.finalize(pending, new bytes[](0));
        assertEq(registry.headerHashOf(pending.epoch), bytes32(0), "cancelled");
        vault.repayEntry(1);
        vault.repayEntry(2);
        assertEq(token.balanceOf(ALICE), 5 ether, "all of it back");
        // The credit stood in a balance of the cancelled epoch alone.
        assertFalse(vault.verify(EpochHeader.BALANCES, positions[EpochHeader.BALANCES][index], _siblings(index)), "void");
    }

    function test_AnEntryIsRepaidOnce() public {
        _enterTwice();
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.BookNotFrozen.selector));
        vault.repayEntry(1);
        _pass(7 days);
        registry.freezeForEntry(1);
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EntryRepaid(1, ALICE, 1 ether);
        vm.prank(ANYONE);
        vault.repayEntry(1);
        assertEq(token.balanceOf(ALICE), 3 ether, "back with the depositor");
        (,,, bool repaid) = registry.entryOf(1);
        assertTrue(repaid, "marked");
        bytes4 error_ = ISettlementRegistry.NotWaiting.selector;
        vm.expectRevert(abi.encodeWithSelector(error_, 1));
        vault.repayEntry(1);
        vm.expectRevert(abi.encodeWithSelector(error_, 3));
        vault.repayEntry(3);
        vm.expectRevert(abi.encodeWithSelector(error_, 0));
        vault.repayEntry(0);
    }

    function test_OnlyTheVaultRepays() public {
        _enterTwice();
        _pass(7 days);
        registry.freezeForEntry(1);
        address[3] memory callers = [ALICE, ADMIN, address(escrow)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.OnlyCustodian.selector, callers[i]));
            vm.prank(callers[i]);
            registry.recordRepayment(1);
        }
    }

    function test_AnEntryOfAWeekLetsAnyoneFreezeAtOnce() public {
        _enterTwice();
        uint64 overdueAt = uint64(block.timestamp) + 7 days;
        bytes memory error_ = abi.encodeWithSelector(ISettlementRegistry.NotOverdue.selector, 1, overdueAt);
        vm.expectRevert(error_);
        registry.freezeForEntry(1);
        _pass(7 days - 1);
        vm.expectRevert(error_);
        registry.freezeForEntry(1);
        _pass(1);
        uint64 lastFinal = registry.lastFinal();
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.Frozen(lastFinal, ANYONE);
        vm.prank(ANYONE);
        registry.freezeForEntry(1);
        assertEq(registry.frozenAt(), block.timestamp, "frozen");
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.BookFrozen.selector, uint64(block.timestamp)));
        registry.freezeForEntry(2);
    }

    function test_AnEntryThatWasNeverMadeFreezesNothing() public {
        _enterTwice();
        _pass(30 days);
        bytes4 error_ = ISettlementRegistry.NotWaiting.selector;
        vm.expectRevert(abi.encodeWithSelector(error_, 3));
        registry.freezeForEntry(3);
        vm.expectRevert(abi.encodeWithSelector(error_, 0));
        registry.freezeForEntry(0);
    }

    function _enterTwice() private {
        _fund(ALICE, 5 ether);
        vm.prank(ALICE);
        vault.deposit(1 ether);
        vm.prank(ALICE);
        staking.stakeForTier(1, 2 ether, "strategy-1");
    }

    function _siblings(uint64 index) private view returns (Node[] memory siblings) {
        (, siblings) = _proof(registry.lastFinal() + 1, EpochHeader.BALANCES, index);
    }
}
