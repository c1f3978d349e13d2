// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SettlementRegistry} from "./SettlementRegistry.sol";
import {SettlementVault} from "./SettlementVault.sol";
import {TST} from "./TST.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {Leaf} from "./libraries/SumTree.sol";
import {LedgerHandler} from "./LedgerHandler.t.sol";
import {TestBase} from "./TestBase.t.sol";

/// @notice The invariants of money and of exits, after any sequence of what users, operator, guardian and attacker do.
/// P1 paid per key <= its final cumulative payout, and in total <= the final payouts sum
/// P2 tokens held >= final liabilities - paid + untaken entries, and in a frozen book - escaped - repaid
/// P3 a position is paid once, with the amount of its last final leaf (the handler compares each payment)
/// P4 an entry is credited or repaid, never both
/// P5 from every state a user alone reaches a freeze, and then all escapes, claims and repayments together are all final
///    liabilities with an owner - what was paid before + untaken entries (everyoneLeaves)
/// P6 nothing that was not final at the freeze is ever paid
/// P7 the supply of TST is constant, and no transfer goes from one user to another
contract LedgerInvariantsTest is TestBase {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    LedgerHandler private handler;
    SettlementRegistry private registry;
    SettlementVault private vault;
    TST private token;

    function setUp() public {
        handler = new LedgerHandler();
        (registry, vault, token) = handler.book();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev What happens more often stands more than once. Nothing can happen after everyone has left: that ends each run.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[24] memory weighted = [
            LedgerHandler.usersAct.selector,
            LedgerHandler.usersAct.selector,
            LedgerHandler.usersAct.selector,
            LedgerHandler.positionEnds.selector,
            LedgerHandler.creditEntry.selector,
            LedgerHandler.commitHonest.selector,
            LedgerHandler.commitHonest.selector,
            LedgerHandler.commitHonest.selector,
            LedgerHandler.commitDishonest.selector,
            LedgerHandler.commitUnbacked.selector,
            LedgerHandler.finalizeNext.selector,
            LedgerHandler.finalizeNext.selector,
            LedgerHandler.finalizeNext.selector,
            LedgerHandler.serve.selector,
            LedgerHandler.veto.selector,
            LedgerHandler.challenge.selector,
            LedgerHandler.pauseOrUnpause.selector,
            LedgerHandler.passTime.selector,
            LedgerHandler.claim.selector,
            LedgerHandler.claim.selector,
            LedgerHandler.enter.selector,
            LedgerHandler.demand.selector,
            LedgerHandler.pressFreeze.selector,
            LedgerHandler.attack.selector
        ];
        bytes4[] memory selectors = new bytes4[](27);
        for (uint256 i = 0; i < 24; ++i) selectors[i] = weighted[i];
        selectors[24] = LedgerHandler.pressFreezeForEntry.selector;
        selectors[25] = LedgerHandler.escape.selector;
        selectors[26] = LedgerHandler.repay.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    function invariant_P1_NoKeyAndNoSumIsOverpaid() public view {
        Header memory header = handler.finalHeader();
        uint256 total = 0;
        for (uint64 i = 0; i < handler.positionCount(EpochHeader.PAYOUTS); ++i) {
            Leaf memory leaf = handler.finalLeaf(EpochHeader.PAYOUTS, i);
            assertTrue(vault.paid(leaf.key) <= leaf.amount, "paid per key");
            total += vault.paid(leaf.key);
        }
        assertEq(total, registry.totalPaid(), "the total is the keys' sum");
        assertTrue(total <= header.sections[EpochHeader.PAYOUTS].sum, "paid in total");
        assertEq(total, handler.claimedTotal(), "as the users counted it");
    }

    function invariant_P2_WhatIsOwedIsHeld() public view {
        Header memory header = handler.finalHeader();
        uint256 owed = registry.untakenEntries(header.depositSeq);
        for (uint8 section = 0; section < 5; ++section) owed += header.sections[section].sum;
        uint256 out = registry.totalPaid() + handler.escapedTotal() + handler.repaidTotal();
        assertTrue(_held() >= owed - out, "held >= owed");
    }

    function invariant_P3_P6_OnlyAFrozenBookEscapes() public view {
        if (registry.frozenAt() == 0) assertEq(handler.escapedTotal() + handler.repaidTotal(), 0, "out of a working book");
        else assertEq(registry.lastCommitted(), registry.lastFinal(), "what was not final is cancelled");
    }

    function invariant_P4_CreditedOrRepaid() public view {
        for (uint64 seq = 1; seq <= registry.lastEntry(); ++seq) {
            (,,, bool repaid) = registry.entryOf(seq);
            if (repaid) assertTrue(seq > registry.finalDepositSeq() && registry.frozenAt() != 0, "repaid and credited");
        }
    }

    function invariant_P7_TheSupplyIsConstant() public view {
        assertEq(token.totalSupply(), token.SUPPLY(), "supply");
    }

    function invariant_R5_C2_CustodiansHoldTheirFinalSums() public view {
        if (registry.frozenAt() != 0) return;
        Header memory header = handler.finalHeader();
        for (uint8 section = 1; section < 4; ++section) {
            assertEq(token.balanceOf(registry.custodianOf(section)), header.sections[section].sum, "holds its sum");
        }
    }

    /// @dev P5 at the end of every run: whatever happened in it, everyone leaves.
    function afterInvariant() public {
        _everyoneLeaves();
    }

    /// @dev P5 for certain: whatever happened before, at the end everyone leaves.
    function testFuzz_P5_EveryStateCanBeLeft(uint256[32] calldata steps) public {
        for (uint256 i = 0; i < steps.length; ++i) _step(steps[i]);
        _everyoneLeaves();
    }

    /// @dev No invariant is worth much over runs in which nothing happens: a few long ones, of fixed seeds and with every
    /// action there is, meet all of it.
    function test_RunsReachEverything() public {
        uint256[9] memory reached;
        for (uint256 seed = 1; seed <= 4; ++seed) {
            setUp();
            for (uint256 i = 0; i < 250; ++i) _step(uint256(keccak256(abi.encode("reach", seed, i))));
            reached[0] += registry.lastFinal() - 1;
            reached[1] += handler.vetoes();
            reached[2] += handler.attacks();
            reached[3] += handler.claimedTotal();
            reached[4] += registry.lastEntry();
            if (registry.frozenAt() != 0) ++reached[5];
            _everyoneLeaves();
            reached[6] += handler.cancelledClaims();
            reached[7] += handler.cancelledEscapes();
            reached[8] += handler.frozenByUsers();
        }
        string[9] memory names = [
            "final epochs", "vetoes", "attacks", "claims", "entries", "freezes in the middle of it",
            "claims of what a freeze cancelled", "escapes with what a freeze cancelled", "freezes by one user's own demand"
        ];
        for (uint256 i = 0; i < 9; ++i) assertTrue(reached[i] != 0, names[i]);
        assertTrue(reached[0] >= 20 && reached[1] >= 5 && reached[2] >= 20, "and not just once");
    }

    function _everyoneLeaves() private {
        handler.everyoneLeaves();
        invariant_P1_NoKeyAndNoSumIsOverpaid();
        invariant_P2_WhatIsOwedIsHeld();
        invariant_P3_P6_OnlyAFrozenBookEscapes();
        invariant_P4_CreditedOrRepaid();
    }

    function _step(uint256 step) private {
        (uint8 a, uint8 b) = (uint8(step >> 8), uint8(step >> 16));
        uint128 amount = uint128(step >> 64) % 2000 ether;
        step = uint8(step) % 35;
        // A frozen book closes nothing more: there, what was closed is tried instead.
        if (step >= 4 && step < 12 && registry.frozenAt() != 0) handler.attack(a, b, amount);
        else if (step < 4) handler.usersAct(a, b, uint8(step + b), amount, uint32(amount));
        else if (step < 8) handler.commitHonest();
        else if (step < 12) handler.finalizeNext();
        else if (step < 14) handler.claim(a, b);
        else if (step < 16) handler.enter(a, b, amount);
        else if (step < 18) handler.demand(a, b);
        else if (step < 20) handler.creditEntry();
        else if (step < 22) handler.attack(a, b, amount);
        else if (step == 22) handler.veto(a);
        else if (step == 23) handler.commitDishonest(a, b % 2 == 0);
        else if (step == 24) handler.challenge(a);
        else if (step == 25) handler.passTime(uint32(amount));
        else if (step == 26) handler.serve(a, b);
        else if (step == 27) handler.pressFreeze(a, b);
        else if (step == 28) handler.pressFreezeForEntry();
        else if (step == 29) handler.escape(a, b);
        else if (step == 30) handler.repay(a);
        else if (step == 31) handler.positionEnds(a, b);
        else if (step == 32) handler.pauseOrUnpause();
        else handler.commitUnbacked(a, amount);
    }

    function _held() private view returns (uint256 held) {
        for (uint8 section = 0; section < 4; ++section) held += token.balanceOf(registry.custodianOf(section));
    }
}
