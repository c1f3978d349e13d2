// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {Custodians} from "./libraries/BookWiring.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {BookTest} from "./BookTest.t.sol";
import {LibraryHarness} from "./TreeBuilder.t.sol";
import {TreeForger} from "./TreeForger.t.sol";

/// @notice A book without a token: it anchors and holds nothing.
contract RegistryAnchorOnlyTest is BookTest {
    function setUp() public override {
        vm.warp(START);
        Custodians memory none;
        registry = _createRegistry(_roles(), address(0), none);
    }

    function test_AnyLiabilitiesAreAnchoredAndFinal() public {
        uint128 max = type(uint128).max;
        Header memory first = _nextWith([max, max, max, max, max]);
        _commit(first);
        _finalize(first);
        assertEq(registry.lastFinal(), 1, "final");
        assertEq(registry.headerHashOf(1), _hash(first), "anchored");
    }

    function test_TheOtherChecksStand() public {
        Header memory first = _nextWith([uint128(0), 0, 0, 0, 5]);
        _commit(first);
        _commitReverts(
            _nextWith([uint128(0), 0, 0, 0, 4]), abi.encodeWithSelector(ISettlementRegistry.PayoutsFell.selector, 5, 4)
        );
    }

    /// @dev No entries, claims, demands or freeze: the registry takes them from custodians, and there are none.
    function test_NothingCanBeEnteredClaimedOrFrozen() public {
        Header memory first = _next();
        _commit(first);
        _finalize(first);
        bytes memory error_ = abi.encodeWithSelector(ISettlementRegistry.OnlyCustodian.selector, ANYONE);
        vm.expectRevert(error_);
        vm.prank(ANYONE);
        registry.recordEntry(ANYONE, 0, 1, 0, 0, "");
        // Not even by itself, which stands in for the custodians.
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.OnlyCustodian.selector, address(registry)));
        vm.prank(address(registry));
        registry.recordEntry(ANYONE, 0, 1, 0, 0, "");
        assertEq(registry.totalPaid(), 0, "nothing was ever paid");
        vm.expectRevert(error_);
        vm.prank(ANYONE);
        registry.freeze();
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.NotWaiting.selector, 1));
        registry.freezeForEntry(1);
    }

    function test_AnEpochCanBeVetoedAndChallenged() public {
        TreeForger.Forgery memory none;
        Node[][] memory nodes = TreeForger.levels(registry.domainOf(EpochHeader.LOCKS), _leaves(3), none);
        nodes[2][0].sum += 1;
        Header memory first = _next();
        first.sections[EpochHeader.LOCKS] = TreeForger.section(nodes, 3);
        _commit(first);
        vm.prank(GUARDIAN);
        registry.veto(1, _hash(first));
        assertEq(registry.lastCommitted(), 0, "vetoed");

        Header memory zero;
        _setLast(zero);
        first.journalRoot = keccak256("once more");
        _commit(first);
        bytes memory preimage = TreeForger.parentBytes(nodes[1][0], nodes[1][1]);
        registry.challengeNode(first, TreeForger.proof(nodes, EpochHeader.LOCKS, 2, 0, preimage));
        assertEq(registry.lastCommitted(), 0, "shown to be false");
    }

    function test_TheRegistryStandsInForEveryCustodian() public {
        LibraryHarness harness = new LibraryHarness();
        Leaf[] memory leaves = _leaves(3);
        Header memory header = _next();
        for (uint8 section = 0; section < 5; ++section) {
            assertEq(registry.custodianOf(section), address(registry), "custodian");
            assertEq(registry.domainOf(section), harness.domain(address(registry), address(0), section), "domain");
            (header.sections[section],) = _tree(section, leaves, 0);
        }
        _commit(header);
        (, Node[] memory siblings) = _tree(EpochHeader.STAKES, leaves, 1);
        assertTrue(registry.verifyIn(header, EpochHeader.STAKES, leaves[1], siblings), "verifyIn");
        assertFalse(registry.verifyIn(header, EpochHeader.LOCKS, leaves[1], siblings), "another section");
    }
}
