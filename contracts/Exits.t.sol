// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {LeafProof, NodeProof} from "./libraries/Fraud.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {LedgerTest} from "./LedgerDriver.t.sol";

/// @notice demandExit, serve, requestFreeze, freeze, escape
/// ├── demandExit: not in the newest final epoch, no owner, another caller, too small, twice, of payouts → its error
/// ├── serve: not at 0, another's, from before the demand, not final, not proven → its error; else the demand is gone
/// ├── requestFreeze: before 7 days after due → TooEarly; freeze: before 24 hours more → TooEarly
/// └── escape: not frozen, before validUntil, twice, not the last final epoch → its error; else to the owner
contract ExitsTest is LedgerTest {
    uint8 private constant BALANCES = EpochHeader.BALANCES;
    uint8 private constant LOCKS = EpochHeader.LOCKS;
    uint8 private constant PAYOUTS = EpochHeader.PAYOUTS;

    uint64 private later;

    function setUp() public override {
        super.setUp();
        later = uint64(block.timestamp) + 30 days;
        _open(BALANCES, ALICE, 10 ether);
        _open(BALANCES, BOB, 20 ether);
        _open(BALANCES, address(0), 30 ether);
        _open(LOCKS, ALICE, 50 ether, later);
        _open(LOCKS, BOB, 50 ether, later);
        _open(EpochHeader.STAKES, ALICE, 25 ether, later);
        _open(EpochHeader.COMPUTE, ALICE, 5 ether, later);
        _open(PAYOUTS, ALICE, 0);
        _open(PAYOUTS, BOB, 4 ether);
        _settleEpoch();
    }

    function test_AnOwnerDemandsAnyPosition() public {
        vm.expectEmit(address(vault));
        emit ISettlementCustodian.ExitDemanded(BALANCES, 0, _key(BALANCES, 0), ALICE, 10 ether, uint64(block.timestamp));
        assertEq(_demand(ALICE, BALANCES, 0), block.timestamp, "a balance is due at once");
        uint8[3] memory sections = [LOCKS, EpochHeader.STAKES, EpochHeader.COMPUTE];
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(_demand(ALICE, sections[i], 0), later, "others when they end");
            (bytes32 key, uint64 demandedAt, uint64 due, uint64 freezableAt) =
                _custodian(sections[i]).demandOf(sections[i], 0);
            assertEq(key, _key(sections[i], 0), "key");
            assertEq(demandedAt, block.timestamp, "time");
            assertEq(due, later, "due");
            assertEq(freezableAt, 0, "no freeze");
        }
    }

    function test_E2_DueIsAtMost366DaysOff() public {
        positions[LOCKS][0].validUntil = type(uint64).max;
        positions[LOCKS][1].validUntil = uint64(block.timestamp) + 366 days + 1;
        _settleEpoch();
        assertEq(_demand(ALICE, LOCKS, 0), block.timestamp + 366 days, "for ever");
        assertEq(_demand(BOB, LOCKS, 1), block.timestamp + 366 days, "a second more");
    }

    /// @dev E2: a lock that is prolonged after its demand is due when it was.
    function test_E2_DueIsFixedForGood() public {
        _demand(ALICE, LOCKS, 0);
        positions[LOCKS][0].validUntil = later + 300 days;
        _settleEpoch();
        _demandReverts(
            ALICE, LOCKS, 0, abi.encodeWithSelector(ISettlementCustodian.AlreadyDemanded.selector, LOCKS, 0, later)
        );
        (,, uint64 due,) = escrow.demandOf(LOCKS, 0);
        assertEq(due, later, "due");
    }

    function test_OnlyTheOwnerDemands() public {
        bytes4 error_ = ISettlementCustodian.NotOwner.selector;
        _demandReverts(BOB, BALANCES, 0, abi.encodeWithSelector(error_, ALICE, BOB));
        _demandReverts(COMMITTER, LOCKS, 0, abi.encodeWithSelector(error_, ALICE, COMMITTER));
        _demandReverts(address(0), BALANCES, 2, abi.encodeWithSelector(ISettlementCustodian.NoOwner.selector, BALANCES, 2));
    }

    /// @dev Attack: a demand without a position: none there, another amount, another epoch, payouts.
    function test_AttackDemandWithoutAPositionFails() public {
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, BALANCES, 0);
        bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, BALANCES, 0);
        leaf.amount += 1;
        vm.expectRevert(error_);
        vm.prank(ALICE);
        vault.demandExit(BALANCES, leaf, siblings);
        (leaf.amount, leaf.owner) = (10 ether, BOB);
        vm.expectRevert(error_);
        vm.prank(BOB);
        vault.demandExit(BALANCES, leaf, siblings);

        positions[BALANCES][0].amount = 9 ether;
        _commitEpoch();
        (leaf, siblings) = _proof(2, BALANCES, 0);
        vm.expectRevert(error_); // committed, but not final
        vm.prank(ALICE);
        vault.demandExit(BALANCES, leaf, siblings);
        _finalize(_header(2));
        (leaf, siblings) = _proof(1, BALANCES, 0);
        vm.expectRevert(error_); // final, but not the newest
        vm.prank(ALICE);
        vault.demandExit(BALANCES, leaf, siblings);

        (leaf, siblings) = _proof(2, PAYOUTS, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, PAYOUTS));
        vm.prank(BOB);
        vault.demandExit(PAYOUTS, leaf, siblings);
        (leaf, siblings) = _proof(2, LOCKS, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, LOCKS));
        vm.prank(ALICE);
        vault.demandExit(LOCKS, leaf, siblings);
    }

    function test_SmallAndEmptyPositionsAreNotDemanded() public {
        positions[BALANCES][0].amount = 1 ether - 1;
        positions[BALANCES][1].amount = 0;
        _settleEpoch();
        bytes4 error_ = ISettlementCustodian.BelowMinimum.selector;
        _demandReverts(ALICE, BALANCES, 0, abi.encodeWithSelector(error_, 1 ether - 1, 1 ether));
        _demandReverts(BOB, BALANCES, 1, abi.encodeWithSelector(error_, 0, 1 ether));
        positions[BALANCES][0].amount = 1 ether;
        _settleEpoch();
        _demand(ALICE, BALANCES, 0);
    }

    function test_ADemandIsServedByTheSweep() public {
        _demand(ALICE, BALANCES, 0);
        _sweep(BALANCES, 0, 0);
        _pass(1);
        _settleEpoch();
        vm.expectEmit(address(vault));
        emit ISettlementCustodian.DemandServed(BALANCES, 0, _key(BALANCES, 0), 2);
        _serve(2, BALANCES, 0);
        (, uint64 demandedAt,,) = vault.demandOf(BALANCES, 0);
        assertEq(demandedAt, 0, "gone");
        assertEq(_claim(ANYONE, 2, 0), 10 ether, "and claimed");
        _serveReverts(2, BALANCES, 0, abi.encodeWithSelector(ISettlementCustodian.NoDemand.selector, BALANCES, 0));
    }

    /// @dev A served demand can be made again for a position that was filled again, with a due time of its own.
    function test_APositionFilledAgainIsDemandedAgain() public {
        _demand(ALICE, BALANCES, 0);
        _sweep(BALANCES, 0, 0);
        _pass(1);
        _settleEpoch();
        positions[BALANCES][0].amount = 3 ether;
        _settleEpoch();
        _serve(2, BALANCES, 0); // an older epoch serves, as long as it is in the ring
        _pass(5 days);
        assertEq(_demand(ALICE, BALANCES, 0), block.timestamp, "anew");
    }

    /// @dev Attack: a demand that is served by an epoch from before it, in which the position was at 0 for another reason.
    function test_AttackServingWithAnEpochFromBeforeTheDemandFails() public {
        uint64 start = uint64(block.timestamp);
        positions[BALANCES][0].amount = 0;
        _settleEpoch();
        positions[BALANCES][0].amount = 10 ether;
        _settleEpoch();
        _demand(ALICE, BALANCES, 0);
        bytes4 error_ = ISettlementCustodian.CommittedBeforeDemand.selector;
        _serveReverts(2, BALANCES, 0, abi.encodeWithSelector(error_, start, start));
        // Also one committed in the demand's own block.
        positions[BALANCES][0].amount = 0;
        _settleEpoch();
        _serveReverts(4, BALANCES, 0, abi.encodeWithSelector(error_, start, start));
        _pass(1);
        _settleEpoch();
        _serve(5, BALANCES, 0);
    }

    /// @dev Attack: a demand that is served with another position's emptiness.
    function test_AttackDemandServedToSomebodyElseFails() public {
        _demand(ALICE, LOCKS, 0);
        positions[LOCKS][1].amount = 0;
        positions[BALANCES][0].amount = 0;
        _pass(1);
        _settleEpoch();
        _serveReverts(2, LOCKS, 1, abi.encodeWithSelector(ISettlementCustodian.NoDemand.selector, LOCKS, 1));
        (Leaf memory leaf, Node[] memory siblings) = _proof(2, BALANCES, 0);
        Header memory header = _header(2);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCustodian.NotEmptied.selector, _key(BALANCES, 0), uint128(0))
        );
        escrow.serve(LOCKS, header, leaf, siblings);
        // The index of the demand with somebody else's key at 0.
        bytes32 key = _key(LOCKS, 0);
        (positions[LOCKS][0].key, positions[LOCKS][1].key) = (_key(LOCKS, 1), key);
        (positions[LOCKS][0].amount, positions[LOCKS][1].amount) = (0, 50 ether);
        _settleEpoch();
        _serveReverts(
            3, LOCKS, 0, abi.encodeWithSelector(ISettlementCustodian.NotEmptied.selector, _key(LOCKS, 0), uint128(0))
        );
    }

    /// @dev Attack: re-locked instead of paid: what was demanded is still there.
    function test_AttackRelockedInsteadOfPaidFails() public {
        _demand(ALICE, LOCKS, 0);
        positions[LOCKS][0].validUntil = later + 365 days;
        _pass(30 days + 1);
        _settleEpoch();
        bytes4 error_ = ISettlementCustodian.NotEmptied.selector;
        _serveReverts(2, LOCKS, 0, abi.encodeWithSelector(error_, _key(LOCKS, 0), uint128(50 ether)));
        // Claimed to be at 0 where it is not.
        (Leaf memory leaf, Node[] memory siblings) = _proof(2, LOCKS, 0);
        leaf.amount = 0;
        Header memory header = _header(2);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, LOCKS, 0));
        escrow.serve(LOCKS, header, leaf, siblings);
        // The due time it had is the one that counts.
        _pass(7 days);
        escrow.requestFreeze(LOCKS, 0);
    }

    function test_OnlyFinalEpochsServe() public {
        _demand(ALICE, BALANCES, 0);
        _sweep(BALANCES, 0, 0);
        _pass(1);
        Header memory header = _commitEpoch();
        _serveReverts(
            2, BALANCES, 0, abi.encodeWithSelector(ISettlementRegistry.NotFinal.selector, 2, _hash(header))
        );
        _finalize(header);
        _serve(2, BALANCES, 0);
    }

    function test_E3_AFreezeTakesEightDaysAfterDue() public {
        _demand(ALICE, LOCKS, 0);
        bytes4 error_ = ISettlementCustodian.TooEarly.selector;
        vm.expectRevert(abi.encodeWithSelector(error_, later + 7 days));
        escrow.requestFreeze(LOCKS, 0);
        vm.warp(later + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(error_, later + 7 days));
        escrow.requestFreeze(LOCKS, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.FreezeNotRequested.selector, LOCKS, 0));
        escrow.freeze(LOCKS, 0);
        vm.warp(later + 7 days);
        vm.expectEmit(address(escrow));
        emit ISettlementCustodian.FreezeRequested(LOCKS, 0, later + 8 days);
        vm.prank(ANYONE);
        escrow.requestFreeze(LOCKS, 0);
        vm.expectRevert(abi.encodeWithSelector(error_, later + 8 days));
        escrow.freeze(LOCKS, 0);
        _pass(1 hours);
        // The notice does not begin again.
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.AlreadyRequested.selector, later + 8 days));
        escrow.requestFreeze(LOCKS, 0);
        _settleEpoch(); // until then everything works
        vm.warp(later + 8 days);
        vm.prank(ANYONE);
        escrow.freeze(LOCKS, 0);
        assertEq(registry.frozenAt(), later + 8 days, "frozen");
    }

    function test_E3_AServedDemandFreezesNothing() public {
        _demand(ALICE, BALANCES, 0);
        _pass(7 days);
        vault.requestFreeze(BALANCES, 0);
        _sweep(BALANCES, 0, 0);
        _settleEpoch();
        _serve(2, BALANCES, 0);
        _pass(24 hours);
        bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NoDemand.selector, BALANCES, 0);
        vm.expectRevert(error_);
        vault.freeze(BALANCES, 0);
        vm.expectRevert(error_);
        vault.requestFreeze(BALANCES, 0);
        assertEq(registry.frozenAt(), 0, "works");
    }

    function test_OnlyCustodiansFreeze() public {
        address[4] memory callers = [ADMIN, GUARDIAN, ALICE, address(registry)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.OnlyCustodian.selector, callers[i]));
            vm.prank(callers[i]);
            registry.freeze();
        }
    }

    /// @dev Attack: finalising after a freeze, and everything else that would change what is final.
    function test_AttackFinalisingAfterAFreezeFails() public {
        _demand(ALICE, BALANCES, 0);
        Header memory first = _header(1);
        Header memory pending = _commitEpoch();
        _freezeFor(BALANCES, 0);
        bytes memory error_ = abi.encodeWithSelector(ISettlementRegistry.BookFrozen.selector, registry.frozenAt());
        vm.expectRevert(error_);
        registry.finalize(pending, new bytes[](0));
        assertEq(registry.lastCommitted(), 1, "what was not final is cancelled");
        assertEq(registry.headerHashOf(2), bytes32(0), "and out of the ring");
        _setLast(first);
        Header memory again = _close();
        _commitReverts(again, error_);
        vm.expectRevert(error_);
        vm.prank(GUARDIAN);
        registry.veto(1, _hash(first));
        NodeProof memory node;
        vm.expectRevert(error_);
        registry.challengeNode(pending, node);
        LeafProof memory shown = _leafProof(1, BALANCES, 0);
        vm.expectRevert(error_);
        registry.challengeLeaves(first, pending, BALANCES, shown, shown);
        Leaf memory leaf = positions[BALANCES][0];
        vm.expectRevert(error_);
        vm.prank(ALICE);
        vault.demandExit(BALANCES, leaf, new Node[](0));
        vm.expectRevert(error_);
        vault.serve(BALANCES, first, leaf, new Node[](0));
        vm.expectRevert(error_);
        vault.requestFreeze(BALANCES, 0);
        vm.expectRevert(error_);
        vault.freeze(BALANCES, 0);
    }

    function test_E1_EveryPositionIsEscapedWithOnce() public {
        _demand(ALICE, BALANCES, 0);
        _escapeReverts(BALANCES, 0, abi.encodeWithSelector(ISettlementCustodian.NotFrozen.selector));
        _freezeFor(BALANCES, 0);
        vm.expectEmit(address(vault));
        emit ISettlementCustodian.Escaped(BALANCES, 0, _key(BALANCES, 0), ALICE, 10 ether);
        _escape(BALANCES, 0);
        assertEq(token.balanceOf(ALICE), 10 ether, "to the owner, whoever calls");
        assertTrue(vault.escaped(BALANCES, 0), "marked");
        _escapeReverts(BALANCES, 0, abi.encodeWithSelector(ISettlementCustodian.AlreadyEscaped.selector, BALANCES, 0));
        _escape(BALANCES, 1);
        _escapeReverts(BALANCES, 2, abi.encodeWithSelector(ISettlementCustodian.NoOwner.selector, BALANCES, 2));
        vm.warp(later);
        uint8[3] memory sections = [LOCKS, EpochHeader.STAKES, EpochHeader.COMPUTE];
        for (uint256 i = 0; i < 3; ++i) _escape(sections[i], 0);
        _escape(LOCKS, 1);
        assertEq(token.balanceOf(ALICE), 90 ether, "all that was Alice's");
        assertEq(_claim(ANYONE, 1, 1), 4 ether, "payouts are claimed");
        assertEq(token.balanceOf(BOB), 74 ether, "all that was Bob's");
        assertEq(token.balanceOf(address(escrow)), 0, "locks are empty");
    }

    function test_EscapesHonourValidUntil() public {
        _demand(ALICE, BALANCES, 0);
        _freezeFor(BALANCES, 0);
        _escapeReverts(LOCKS, 0, abi.encodeWithSelector(ISettlementCustodian.TooEarly.selector, later));
        vm.warp(later - 1);
        _escapeReverts(LOCKS, 0, abi.encodeWithSelector(ISettlementCustodian.TooEarly.selector, later));
        vm.warp(later);
        _escape(LOCKS, 0);
    }

    function test_EscapesWaitAtMost366DaysAfterTheFreeze() public {
        positions[LOCKS][0].validUntil = type(uint64).max;
        _settleEpoch();
        _demand(ALICE, BALANCES, 0);
        _freezeFor(BALANCES, 0);
        uint64 latest = registry.frozenAt() + 366 days;
        _escapeReverts(LOCKS, 0, abi.encodeWithSelector(ISettlementCustodian.TooEarly.selector, latest));
        vm.warp(latest);
        _escape(LOCKS, 0);
    }

    function test_P6_NothingThatWasNotFinalAtTheFreezeIsPaid() public {
        _demand(ALICE, BALANCES, 0);
        positions[BALANCES][1].amount = 90 ether;
        positions[PAYOUTS][1].amount += 5 ether;
        _commitEpoch();
        _freezeFor(BALANCES, 0);
        (Leaf memory leaf, Node[] memory siblings) = _proof(2, BALANCES, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, BALANCES, 1));
        vault.escape(BALANCES, leaf, siblings);
        (leaf, siblings) = _proof(1, PAYOUTS, 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, PAYOUTS));
        vault.escape(PAYOUTS, leaf, siblings);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, BALANCES));
        escrow.escape(BALANCES, leaf, siblings);
        (leaf, siblings) = _proof(2, PAYOUTS, 1);
        for (uint64 epoch = 1; epoch <= 2; ++epoch) {
            vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.NotProven.selector, PAYOUTS, 1));
            vault.claim(epoch, leaf, siblings);
        }
        assertEq(_claim(ANYONE, 1, 1), 4 ether, "what was final is");
    }

    /// @dev Pausing stops commits and entries only.
    function test_AllExitsWorkWhilePaused() public {
        vm.prank(GUARDIAN);
        registry.pause();
        _demand(ALICE, BALANCES, 0);
        _claim(ANYONE, 1, 1);
        _freezeFor(BALANCES, 0);
        _escape(BALANCES, 0);
        assertTrue(registry.paused(), "still paused");
        assertEq(token.balanceOf(ALICE), 10 ether, "and gone");
    }

    function test_ServingWorksWhilePaused() public {
        _demand(ALICE, BALANCES, 0);
        _sweep(BALANCES, 0, 0);
        _pass(1);
        Header memory header = _commitEpoch();
        vm.prank(GUARDIAN);
        registry.pause();
        _finalize(header);
        _serve(2, BALANCES, 0);
    }

    function test_AWalletObjectsInAnEvent() public {
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.WalletCancelled(_key(BALANCES, 0), ALICE);
        vm.prank(ALICE);
        registry.cancelWallet(_key(BALANCES, 0));
    }
}
