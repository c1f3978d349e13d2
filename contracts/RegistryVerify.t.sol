// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {BookTest} from "./BookTest.t.sol";
import {TreeBuilder} from "./TreeBuilder.t.sol";

/// @notice verifyIn and verify
/// ├── verifyIn: true for any header in the ring that is committed; false for every other header
/// ├── verify: as verifyIn answers for the last final header, and for the custodian's own sections alone
/// └── both: false, never a revert, for a leaf of another chain, contract, section or epoch
contract RegistryVerifyTest is BookTest {
    function test_VerifyInAnswersForEverySectionOnceCommitted() public {
        Header memory header = _headerWithTrees(5);
        for (uint8 section = 0; section < 5; ++section) {
            assertFalse(_verifyIn(header, section, 2, 5), "before the commit");
        }
        _commit(header);
        for (uint8 section = 0; section < 5; ++section) {
            for (uint64 index = 0; index < 5; ++index) {
                assertTrue(_verifyIn(header, section, index, 5), "committed");
                assertFalse(_verify(section, index, 5), "not final");
            }
        }
    }

    function test_VerifyAnswersForEverySectionOnceFinal() public {
        Header memory header = _headerWithTrees(5);
        _commit(header);
        _finalize(header);
        for (uint8 section = 0; section < 5; ++section) {
            for (uint64 index = 0; index < 5; ++index) {
                assertTrue(_verify(section, index, 5), "final");
                assertTrue(_verifyIn(header, section, index, 5), "and in the ring");
            }
        }
    }

    /// @dev Attack: a leaf of another epoch.
    function test_AttackLeafOfAnotherEpochFails() public {
        Header memory first = _headerWithTrees(3);
        _commit(first);
        _finalize(first);
        Header memory second = _headerWithTrees(5);
        _commit(second);
        assertTrue(_verifyIn(first, 1, 2, 3), "first in first");
        assertTrue(_verifyIn(second, 1, 2, 5), "second in second");
        assertFalse(_verifyIn(second, 1, 2, 3), "first in second");
        assertTrue(_verify(1, 2, 3), "the last final is the first");
        assertFalse(_verify(1, 2, 5), "the second is not final");
        _finalize(second);
        assertFalse(_verify(1, 2, 3), "the last final is the second");
        assertTrue(_verifyIn(first, 1, 2, 3), "the ring still serves the first");
    }

    /// @dev Attack: a header that was never committed, though it differs in one member only.
    function test_AttackChangedHeaderFails() public {
        Header memory header = _headerWithTrees(3);
        _commit(header);
        header.dataHash = keccak256("other");
        assertFalse(_verifyIn(header, 1, 0, 3), "changed");
        header = _headerWithTrees(3);
        assertEq(header.epoch, 2, "a header that is not committed yet");
        assertFalse(_verifyIn(header, 1, 0, 3), "not committed yet");
        header.epoch = 1;
        assertFalse(_verifyIn(header, 1, 0, 3), "under a committed number");
    }

    /// @dev Attack: leaf and proof of one section presented in another, whose tree is the same but for the domain.
    function test_AttackLeafOfAnotherSectionFails() public {
        Header memory header = _headerWithTrees(4);
        _commit(header);
        _finalize(header);
        for (uint8 from = 0; from < 5; ++from) {
            (, Node[] memory siblings) = _tree(from, _leaves(4), 1);
            for (uint8 to = 0; to < 5; ++to) {
                assertTrue(registry.verifyIn(header, to, _leaves(4)[1], siblings) == (from == to), "verifyIn");
                ISettlementCustodian custodian = ISettlementCustodian(registry.custodianOf(to));
                assertTrue(custodian.verify(to, _leaves(4)[1], siblings) == (from == to), "verify");
            }
        }
    }

    /// @dev Attack: the same state in another book, and on another chain.
    function test_AttackLeafOfAnotherContractOrChainFails() public {
        Header memory here = _headerWithTrees(4);
        _commit(here);
        (, Node[] memory siblings) = _tree(EpochHeader.LOCKS, _leaves(4), 1);
        assertTrue(registry.verifyIn(here, EpochHeader.LOCKS, _leaves(4)[1], siblings), "here");

        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        assertFalse(registry.verifyIn(here, EpochHeader.LOCKS, _leaves(4)[1], siblings), "on a fork of the chain");
        vm.chainId(chain);

        Header memory none;
        _setLast(none);
        _deployBook();
        Header memory there = _headerWithTrees(4);
        _commit(there);
        assertFalse(registry.verifyIn(here, EpochHeader.LOCKS, _leaves(4)[1], siblings), "here's header there");
        assertFalse(registry.verifyIn(there, EpochHeader.LOCKS, _leaves(4)[1], siblings), "here's proof there");
    }

    function test_UnknownSectionsAreAnsweredFalse() public {
        Header memory header = _headerWithTrees(4);
        _commit(header);
        _finalize(header);
        (, Node[] memory siblings) = _tree(EpochHeader.LOCKS, _leaves(4), 1);
        assertFalse(registry.verifyIn(header, 5, _leaves(4)[1], siblings), "section 5");
        assertFalse(registry.verifyIn(header, 255, _leaves(4)[1], siblings), "section 255");
        assertFalse(escrow.verify(5, _leaves(4)[1], siblings), "section 5 of the escrow");
        assertFalse(escrow.verify(EpochHeader.STAKES, _leaves(4)[1], siblings), "stakes of the escrow");
        assertFalse(vault.verify(EpochHeader.LOCKS, _leaves(4)[1], siblings), "locks of the vault");
    }

    /// @dev Attack: nothing is in an empty section, and epoch 0 is no epoch.
    function test_AttackNothingIsInNothing() public {
        Header memory zero;
        Leaf memory leaf;
        assertFalse(registry.verifyIn(zero, 0, leaf, new Node[](0)), "epoch 0");
        Header memory header = _next();
        _commit(header);
        _finalize(header);
        for (uint8 section = 0; section < 5; ++section) {
            assertFalse(registry.verifyIn(header, section, leaf, new Node[](0)), "empty section");
            ISettlementCustodian custodian = ISettlementCustodian(registry.custodianOf(section));
            assertFalse(custodian.verify(section, leaf, new Node[](0)), "empty final section");
        }
    }

    function test_VerifyInForgetsWhatLeftTheRing() public {
        Header memory first = _headerWithTrees(3);
        _commit(first);
        _finalize(first);
        for (uint256 i = 2; i <= 1024; ++i) {
            Header memory header = _next();
            _commit(header);
            _finalize(header);
        }
        assertTrue(_verifyIn(first, 1, 2, 3), "1,024 epochs are in the ring");
        _commit(_next());
        assertFalse(_verifyIn(first, 1, 2, 3), "the 1,025th took its place");
    }

    function testFuzz_VerifyInAnswersForAnyTree(uint256 size, uint256 index, uint8 section) public {
        uint64 count = uint64(bound(size, 1, 33));
        section = uint8(bound(section, 0, 4));
        Header memory header = _headerWithTrees(count);
        _commit(header);
        assertTrue(_verifyIn(header, section, uint64(bound(index, 0, count - 1)), count), "in the tree");
        assertFalse(_verifyIn(header, section, 0, count + 1), "another tree");
    }

    /// @dev Attacks: index ≥ count, wrong depth, the right root with another sum. What custodians keep is one word; they
    /// answer from it as the ring does from the whole header, also where a section states what its tree does not have.
    function testFuzz_AttackMisstatedFinalSectionsFail(uint256 size, uint256 count, uint256 sum, uint8 section) public {
        Leaf[] memory leaves = _leaves(uint64(bound(size, 1, 17)));
        section = uint8(bound(section, 0, 4));
        Header memory header = _next();
        (Section memory tree, Node[] memory siblings) = _tree(section, leaves, 0);
        uint64 stated = uint64(bound(count, 1, 2 * leaves.length + 1));
        header.sections[section] = Section({root: tree.root, sum: uint128(tree.sum + bound(sum, 0, 2) - 1), count: stated});
        _commit(header);
        _finalize(header);
        bool fits = header.sections[section].sum == tree.sum && _depth(stated) == siblings.length;
        ISettlementCustodian custodian = ISettlementCustodian(registry.custodianOf(section));
        for (uint64 index = 0; index < leaves.length; ++index) {
            (, siblings) = _tree(section, leaves, index);
            bool expected = fits && index < stated;
            assertTrue(custodian.verify(section, leaves[index], siblings) == expected, "verify");
            assertTrue(registry.verifyIn(header, section, leaves[index], siblings) == expected, "verifyIn");
            // The path without its first node, and with one more, also one whose sum has no room.
            Node[] memory other = new Node[](siblings.length + 1);
            for (uint256 i = 0; i < siblings.length; ++i) other[i] = siblings[i];
            assertFalse(custodian.verify(section, leaves[index], other), "longer");
            other[siblings.length].sum = type(uint128).max;
            assertFalse(custodian.verify(section, leaves[index], other), "longer");
            if (siblings.length == 0) continue;
            other = new Node[](siblings.length - 1);
            for (uint256 i = 0; i < other.length; ++i) other[i] = siblings[i + 1];
            assertFalse(custodian.verify(section, leaves[index], other), "shorter");
        }
    }

    /// @dev Attack: sums that wrap, against what a custodian keeps.
    function test_AttackWrappingFinalSumFails() public {
        Leaf memory leaf = _leaf(0, 5);
        Node[] memory siblings = new Node[](1);
        siblings[0] = Node({hash: keccak256("other"), sum: type(uint128).max});
        bytes32 own = TreeBuilder.leafHash(registry.domainOf(EpochHeader.LOCKS), leaf);
        Header memory header = _next();
        bytes memory both = abi.encodePacked(bytes1(0x01), own, leaf.amount, siblings[0].hash, siblings[0].sum);
        header.sections[EpochHeader.LOCKS] = Section({root: keccak256(both), sum: 4, count: 2});
        _commit(header);
        _finalize(header);
        assertFalse(escrow.verify(EpochHeader.LOCKS, leaf, siblings), "5 + (2^128 - 1) = 4");
    }

    /// @dev The most leaves that a section can have: the last of them is at depth 32.
    function test_TheLargestSectionIsProven() public {
        Leaf memory leaf = _leaf(type(uint32).max - 1, 1 ether);
        Node[] memory siblings = new Node[](32);
        Node memory node =
            Node({hash: TreeBuilder.leafHash(registry.domainOf(EpochHeader.LOCKS), leaf), sum: leaf.amount});
        for (uint256 i = 0; i < 32; ++i) {
            siblings[i] = Node({hash: keccak256(abi.encode("sibling", i)), sum: 3});
            bool left = leaf.index >> i & 1 == 0;
            node = left ? TreeBuilder.join(node, siblings[i]) : TreeBuilder.join(siblings[i], node);
        }
        Header memory header = _next();
        header.sections[EpochHeader.LOCKS] = Section({root: node.hash, sum: node.sum, count: type(uint32).max});
        _commit(header);
        _finalize(header);
        assertTrue(escrow.verify(EpochHeader.LOCKS, leaf, siblings), "verify");
        assertTrue(registry.verifyIn(header, EpochHeader.LOCKS, leaf, siblings), "verifyIn");
        leaf.index += 1;
        assertFalse(escrow.verify(EpochHeader.LOCKS, leaf, siblings), "no leaf");
    }

    function _depth(uint64 count) private pure returns (uint256 levels) {
        while (uint256(1) << levels < count) ++levels;
    }

    /// @dev A successor in which every section has the leaves 0 … count-1.
    function _headerWithTrees(uint64 count) private view returns (Header memory header) {
        header = _next();
        for (uint8 section = 0; section < 5; ++section) {
            (header.sections[section],) = _tree(section, _leaves(count), 0);
        }
    }

    function _verifyIn(Header memory header, uint8 section, uint64 index, uint64 count) private view returns (bool) {
        Leaf[] memory leaves = _leaves(count);
        (, Node[] memory siblings) = _tree(section, leaves, index);
        return registry.verifyIn(header, section, leaves[index], siblings);
    }

    function _verify(uint8 section, uint64 index, uint64 count) private view returns (bool) {
        Leaf[] memory leaves = _leaves(count);
        (, Node[] memory siblings) = _tree(section, leaves, index);
        return ISettlementCustodian(registry.custodianOf(section)).verify(section, leaves[index], siblings);
    }
}
