// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {LedgerTest} from "./LedgerDriver.t.sol";
import {TreeBuilder} from "./TreeBuilder.t.sol";

/// @notice claim
/// ├── a leaf without owner → NoOwner
/// ├── in neither the newest final payouts nor those of the named one of the last 1,024 final epochs → NotProven
/// ├── in the latter alone, by anyone but the leaf's owner → NotOwner
/// ├── nothing left → NothingToClaim; more than all cumulative payouts → ClaimsExceedPayouts
/// └── else the difference to what the key was paid before, to the owner, in every state of the book
contract ClaimsTest is LedgerTest {
    uint8 private constant PAYOUTS = EpochHeader.PAYOUTS;

    function setUp() public override {
        super.setUp();
        _open(PAYOUTS, ALICE, 5 ether);
        _open(PAYOUTS, BOB, 7 ether);
        _open(EpochHeader.BALANCES, ALICE, 100 ether);
        _settleEpoch();
    }

    function test_AnyoneHasAPayoutPaidToItsOwner() public {
        vm.expectEmit(address(vault));
        emit ISettlementVault.Claimed(_key(PAYOUTS, 0), ALICE, 5 ether, 5 ether);
        assertEq(_claim(ANYONE, 1, 0), 5 ether, "amount");
        assertEq(token.balanceOf(ALICE), 5 ether, "to the owner");
        assertEq(vault.paid(_key(PAYOUTS, 0)), 5 ether, "remembered");
        assertEq(registry.totalPaid(), 5 ether, "counted");
        assertEq(token.getAvailableBalance(ALICE), 5 ether, "available to enter with");
    }

    /// @dev What is in the newest final payouts is paid whichever epoch is named, also one that never was.
    function test_TheNewestPayoutsNeedNoRightNumber() public {
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, PAYOUTS, 0);
        vm.prank(ANYONE);
        assertEq(vault.claim(type(uint64).max, leaf, siblings), 5 ether, "amount");
        assertEq(token.balanceOf(ALICE), 5 ether, "to the owner");
        positions[PAYOUTS][1].amount = 9 ether;
        _settleEpoch();
        (leaf, siblings) = _proof(1, PAYOUTS, 1);
        bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, PAYOUTS, 1);
        for (uint64 epoch = 0; epoch < 4; ++epoch) {
            if (epoch == 1) continue;
            vm.expectRevert(error_);
            vm.prank(BOB);
            vault.claim(epoch, leaf, siblings); // of epoch 1
        }
        vm.prank(BOB);
        assertEq(vault.claim(1, leaf, siblings), 7 ether, "by its own number");
    }

    function test_PayoutsAreCumulative() public {
        _claim(ANYONE, 1, 0);
        positions[PAYOUTS][0].amount = 8 ether;
        _settleEpoch();
        assertEq(_claim(ANYONE, 2, 0), 3 ether, "the difference");
        assertEq(token.balanceOf(ALICE), 8 ether, "in all");
        positions[PAYOUTS][0].amount = 9 ether;
        _settleEpoch();
        positions[PAYOUTS][0].amount = 12 ether;
        _settleEpoch();
        assertEq(_claim(ANYONE, 4, 0), 4 ether, "over two epochs");
    }

    /// @dev Attack: claiming twice, by anyone, against the same or an older epoch.
    function test_AttackClaimingTwiceFails() public {
        _claim(ALICE, 1, 0);
        bytes memory error_ = abi.encodeWithSelector(ISettlementVault.NothingToClaim.selector, _key(PAYOUTS, 0), 5 ether);
        _claimReverts(ALICE, 1, 0, error_);
        _claimReverts(ANYONE, 1, 0, error_);
        _settleEpoch();
        _claimReverts(ANYONE, 2, 0, error_);
        _claimReverts(ALICE, 1, 0, error_);
    }

    /// @dev Attack: claiming twice across a wallet change. What counts is the key.
    function test_AttackClaimingAcrossAWalletChangeFails() public {
        _claim(ALICE, 1, 0);
        positions[PAYOUTS][0].owner = address(0xA11CE2);
        positions[PAYOUTS][0].amount = 6 ether;
        _settleEpoch();
        assertEq(_claim(ANYONE, 2, 0), 1 ether, "only what is left");
        assertEq(token.balanceOf(address(0xA11CE2)), 1 ether, "to the new wallet");
        _claimReverts(
            ALICE, 1, 0, abi.encodeWithSelector(ISettlementVault.NothingToClaim.selector, _key(PAYOUTS, 0), 6 ether)
        );
    }

    function test_AgainstAnOlderEpochOnlyTheOwnerClaims() public {
        positions[PAYOUTS][0].amount = 8 ether;
        _settleEpoch();
        bytes4 error_ = ISettlementCustodian.NotOwner.selector;
        _claimReverts(ANYONE, 1, 0, abi.encodeWithSelector(error_, ALICE, ANYONE));
        _claimReverts(BOB, 1, 0, abi.encodeWithSelector(error_, ALICE, BOB));
        assertEq(_claim(ALICE, 1, 0), 5 ether, "of the older");
        assertEq(_claim(ANYONE, 2, 0), 3 ether, "and the rest of the newest");
    }

    /// @dev What was withdrawn last week is still there for who has only last week's proof, however much others took since.
    function test_AnOlderClaimIsBoundByTheNewestPayoutsAlone() public {
        positions[PAYOUTS][1].amount = 100 ether;
        _settleEpoch();
        assertEq(_claim(ANYONE, 2, 1), 100 ether, "more than all payouts of the older epoch");
        assertEq(_claim(ALICE, 1, 0), 5 ether, "of the older");
        assertEq(registry.totalPaid(), vault.finalPayouts(), "all there was");
    }

    /// @dev Who may claim depends on the payouts: as long as they are the newest final ones, every epoch says the same.
    function test_PayoutsThatDidNotChangeAreTheNewest() public {
        positions[EpochHeader.BALANCES][0].amount = 90 ether;
        _settleEpoch();
        assertEq(_claim(ANYONE, 1, 0), 5 ether, "by the epoch before");
    }

    function test_AnEpochThatIsNotFinalPaysNothing() public {
        positions[PAYOUTS][0].amount = 8 ether;
        Header memory header = _commitEpoch();
        bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, PAYOUTS, 0);
        _claimReverts(ALICE, 2, 0, error_);
        vm.prank(GUARDIAN);
        registry.veto(2, _hash(header));
        _claimReverts(ALICE, 2, 0, error_);
        _claim(ALICE, 1, 0);
    }

    /// @dev Attack: under the number of a vetoed epoch only the one counts that took its place and became final.
    function test_AttackAVetoedEpochPaysNothingUnderItsNumber() public {
        positions[PAYOUTS][0].amount = 8 ether;
        Header memory vetoed = _commitEpoch();
        (Leaf memory leaf, Node[] memory siblings) = _proof(2, PAYOUTS, 0);
        vm.prank(GUARDIAN);
        registry.veto(2, _hash(vetoed));
        _setLast(_header(1));
        positions[PAYOUTS][0].amount = 6 ether;
        _settleEpoch();
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, PAYOUTS, 0));
        vm.prank(ALICE);
        vault.claim(2, leaf, siblings);
        assertEq(_claim(ALICE, 2, 0), 6 ether, "what became final");
    }

    /// @dev An index or a depth that the older tree does not have, though the path leads to its root.
    function test_AProofOfAnotherShapePaysNothing() public {
        _open(PAYOUTS, BOB, 1 ether);
        _settleEpoch();
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, PAYOUTS, 1);
        bytes4 error_ = ISettlementCustodian.NotProven.selector;
        leaf.index = 3;
        vm.expectRevert(abi.encodeWithSelector(error_, PAYOUTS, 3));
        vm.prank(BOB);
        vault.claim(1, leaf, siblings);
        leaf.index = 1;
        Node[] memory deeper = new Node[](2);
        (deeper[0], deeper[1]) = (siblings[0], siblings[0]);
        vm.expectRevert(abi.encodeWithSelector(error_, PAYOUTS, 1));
        vm.prank(BOB);
        vault.claim(1, leaf, deeper);
    }

    /// @dev Attack: an operator, and attesters with it, anchor a tree of more leaves than they count. What is not counted, and
    /// what stands deeper than the count says, is not paid, though the path leads to root and sum.
    function test_AttackLeavesThatAreNotCountedArePaidNothing() public {
        _open(PAYOUTS, ALICE, 1 ether);
        _open(PAYOUTS, BOB, 2 ether);
        _settleCounting(2);
        bytes4 error_ = ISettlementCustodian.NotProven.selector;
        _claimReverts(ALICE, 2, 0, abi.encodeWithSelector(error_, PAYOUTS, 0));
        _claimReverts(BOB, 2, 3, abi.encodeWithSelector(error_, PAYOUTS, 3));
        positions[PAYOUTS][0].amount = 6 ether;
        _settleCounting(3);
        _claimReverts(ALICE, 2, 0, abi.encodeWithSelector(error_, PAYOUTS, 0)); // the older, likewise
        _claimReverts(BOB, 3, 3, abi.encodeWithSelector(error_, PAYOUTS, 3));
        assertEq(_claim(ANYONE, 3, 2), 1 ether, "what is counted");
    }

    function _settleCounting(uint64 count) private {
        Header memory header = _close();
        header.sections[PAYOUTS].count = count;
        _commit(header);
        _finalize(header);
    }

    /// @dev Attack: an operator, and attesters with it, anchor a leaf as the root of two. A path whose sum leaves 128 bits ends
    /// where it began, and so would lead there, with the right number of siblings.
    function test_AttackClaimAlongAPathThatWrapsFails() public {
        Leaf memory leaf = positions[PAYOUTS][0];
        leaf.amount = 12 ether;
        Header memory header = _close();
        bytes32 root = TreeBuilder.leafHash(registry.domainOf(PAYOUTS), leaf);
        header.sections[PAYOUTS] = Section({root: root, sum: leaf.amount, count: 2});
        _commit(header);
        _finalize(header);
        Node[] memory siblings = new Node[](1);
        siblings[0] = Node({hash: keccak256("other"), sum: type(uint128).max});
        bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, PAYOUTS, 0);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(error_);
            vm.prank(ALICE);
            vault.claim(2, leaf, siblings);
            _settleEpoch(); // the older, likewise
        }
    }

    /// @dev Attack: a leaf of another section, or with another amount, owner or key.
    function test_AttackForgedLeavesFail() public {
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, PAYOUTS, 0);
        bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, PAYOUTS, 0);
        leaf.amount = 6 ether;
        vm.expectRevert(error_);
        vault.claim(1, leaf, siblings);
        (leaf.amount, leaf.owner) = (5 ether, BOB);
        vm.expectRevert(error_);
        vault.claim(1, leaf, siblings);
        (leaf.owner, leaf.key) = (ALICE, keccak256("unpaid"));
        vm.expectRevert(error_);
        vault.claim(1, leaf, siblings);
        (leaf, siblings) = _proof(1, EpochHeader.BALANCES, 0);
        vm.expectRevert(error_);
        vault.claim(1, leaf, siblings);
    }

    function test_ALeafWithoutOwnerIsNotPaid() public {
        positions[PAYOUTS][0].owner = address(0);
        _settleEpoch();
        _claimReverts(ANYONE, 2, 0, abi.encodeWithSelector(ISettlementCustodian.NoOwner.selector, PAYOUTS, 0));
    }

    /// @dev Attack: beyond the sum with swapped leaves. Attesters and the window let two keys trade places once a claim
    /// was paid; even so no more leaves the vault than the last final payouts say in all.
    function test_AttackClaimsBeyondTheSumWithSwappedLeavesFail() public {
        _claim(ANYONE, 1, 1); // Bob, 7
        (positions[PAYOUTS][0].key, positions[PAYOUTS][1].key) = (keccak256("new key"), _key(PAYOUTS, 0));
        _settleEpoch();
        _claim(ANYONE, 2, 0); // 5 under a key that was never paid: 12 in all
        bytes4 error_ = ISettlementVault.ClaimsExceedPayouts.selector;
        _claimReverts(ANYONE, 2, 1, abi.encodeWithSelector(error_, uint256(19 ether), uint128(12 ether)));
        assertEq(registry.totalPaid(), 12 ether, "never above the sum");
    }

    function test_AClaimIsPossibleWhilePaused() public {
        vm.prank(GUARDIAN);
        registry.pause();
        assertEq(_claim(ANYONE, 1, 0), 5 ether, "paid");
    }

    /// @dev Attack: overwriting a slot. An epoch that left the ring pays nothing, and neither does what took its place.
    function test_AnEpochThatLeftTheRingPaysNothing() public {
        positions[PAYOUTS][0].amount = 8 ether;
        _settleEpoch();
        for (uint256 i = 3; i <= 1024; ++i) {
            Header memory header = _next();
            _commit(header);
            _finalize(header);
        }
        assertEq(_claim(ALICE, 1, 0), 5 ether, "the oldest of 1,024 final epochs");
        Header memory last = _next();
        _commit(last);
        assertEq(registry.headerHashOf(1), 0, "out of the registry's ring");
        _finalize(last);
        bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, PAYOUTS, 1);
        _claimReverts(BOB, 1, 1, error_);
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, PAYOUTS, 1);
        vm.expectRevert(error_);
        vm.prank(BOB);
        vault.claim(1025, leaf, siblings);
    }

    /// @dev R4 with claims: what was paid stands in the cumulative payouts for ever, and has left custody.
    function test_R4_WhatWasPaidIsNoLongerOwed() public {
        positions[EpochHeader.BALANCES][0].amount = uint128(token.SUPPLY() - 12 ether);
        _settleEpoch();
        _claim(ANYONE, 2, 0);
        _settleEpoch();
        vm.prank(address(vault));
        token.transfer(ANYONE, 1);
        bytes4 error_ = ISettlementRegistry.LiabilitiesExceedCustody.selector;
        uint256 owed = token.SUPPLY() - 5 ether;
        _commitReverts(_close(), abi.encodeWithSelector(error_, owed, owed - 1));
    }

    /// @dev V2: whatever is claimed, in whatever order and by whom, no key gets more than its leaf and all get the sum.
    function testFuzz_V2_EveryKeyGetsItsLeafOnce(uint128[4] memory amounts, uint8[12] memory order) public {
        for (uint64 i = 0; i < 4; ++i) {
            uint128 amount = uint128(bound(amounts[i], 0, 1000 ether));
            if (i < 2) positions[PAYOUTS][i].amount += amount;
            else _open(PAYOUTS, address(uint160(0x1000 + i)), amount);
        }
        _settleEpoch();
        uint256 total = 0;
        for (uint256 i = 0; i < order.length; ++i) total += _tryClaim(1 + order[i] % 2, (order[i] >> 1) % 4);
        for (uint64 i = 0; i < 4; ++i) total += _tryClaim(2, i);
        uint256 sum = 0;
        for (uint64 i = 0; i < 4; ++i) {
            Leaf memory leaf = positions[PAYOUTS][i];
            assertEq(token.balanceOf(leaf.owner), leaf.amount, "each owner has its payout");
            sum += leaf.amount;
        }
        assertEq(total, sum, "and all together the sum");
        assertEq(registry.totalPaid(), sum, "as counted");
    }

    function _tryClaim(uint64 epoch, uint64 index) private returns (uint128 amount) {
        if (epoch == 1 && index > 1) return 0;
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, PAYOUTS, index);
        vm.prank(leaf.owner);
        try vault.claim(epoch, leaf, siblings) returns (uint128 paid) {
            return paid;
        } catch {
            return 0;
        }
    }
}
