// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {TestBase} from "./TestBase.t.sol";
import {LibraryHarness, TreeBuilder} from "./TreeBuilder.t.sol";

/// @notice contains: true only for the leaf at its index, with the right depth, root and sum; false, never a revert,
/// for everything else.
contract SumTreeTest is TestBase {
    LibraryHarness private harness;
    bytes32 private domain;

    function setUp() public {
        harness = new LibraryHarness();
        domain = harness.domain(address(0xC1), address(0x70), 1);
    }

    function test_DepthIsTheCeilingOfTheLogarithm() public view {
        uint64[10] memory counts = [uint64(1), 2, 3, 4, 5, 8, 9, 1024, 1025, type(uint64).max];
        uint8[10] memory depths = [0, 1, 2, 2, 3, 3, 4, 10, 11, 64];
        for (uint256 i = 0; i < counts.length; ++i) {
            assertEq(harness.depth(counts[i]), depths[i], "depth");
            for (uint256 levels = 0; levels < 70; ++levels) {
                assertTrue(harness.isDepth(counts[i], levels) == (levels == depths[i]), "the one depth");
            }
            assertFalse(harness.isDepth(counts[i], type(uint256).max), "far too deep");
        }
    }

    function test_UnknownSectionHasNoName() public view {
        for (uint8 section = 0; section < 5; ++section) assertTrue(harness.nameHash(section) != 0, "name");
        assertEq(harness.nameHash(5), bytes32(0), "section 5");
    }

    function test_DomainSeparatesChainCustodianTokenAndSection() public {
        bytes32 here = harness.domain(address(0xC1), address(0x70), 1);
        assertTrue(here != harness.domain(address(0xC2), address(0x70), 1), "custodian");
        assertTrue(here != harness.domain(address(0xC1), address(0x71), 1), "token");
        assertTrue(here != harness.domain(address(0xC1), address(0x70), 2), "section");
        vm.chainId(5);
        assertTrue(here != harness.domain(address(0xC1), address(0x70), 1), "chain");
    }

    function testFuzz_EveryLeafOfEveryTreeProves(uint256 seed, uint256 size, uint256 place) public view {
        Leaf[] memory leaves = _leaves(seed, bound(size, 1, 40));
        uint256 index = bound(place, 0, leaves.length - 1);
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, index);
        assertEq(siblings.length, harness.depth(section.count), "depth");
        assertEq(harness.leafHash(domain, leaves[index]), TreeBuilder.leafHash(domain, leaves[index]), "leaf hash");
        assertTrue(harness.contains(section, domain, leaves[index], siblings), "proof");
    }

    function testFuzz_AChangedMemberDoesNotProve(uint256 seed, uint256 size, uint256 place, uint256 member, uint256 value)
        public
        view
    {
        Leaf[] memory leaves = _leaves(seed, bound(size, 1, 40));
        uint256 index = bound(place, 0, leaves.length - 1);
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, index);
        Leaf memory changed = leaves[index];
        bytes32 before = TreeBuilder.leafHash(domain, changed);
        member = bound(member, 0, 6);
        if (member == 0) changed.index = uint64(value);
        if (member == 1) changed.owner = address(uint160(value));
        if (member == 2) changed.key = bytes32(value);
        if (member == 3) changed.amount = uint128(value);
        if (member == 4) changed.validUntil = uint64(value);
        if (member == 5) changed.kind = uint32(value);
        if (member == 6) changed.quantity = uint32(value);
        bool same = TreeBuilder.leafHash(domain, changed) == before;
        assertTrue(harness.contains(section, domain, changed, siblings) == same, "changed leaf");
    }

    function testFuzz_AChangedSiblingDoesNotProve(uint256 seed, uint256 size, uint256 level, bytes32 hash, uint128 sum)
        public
        view
    {
        Leaf[] memory leaves = _leaves(seed, bound(size, 2, 40));
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, 0);
        Node memory sibling = siblings[bound(level, 0, siblings.length - 1)];
        bool same = sibling.hash == hash && sibling.sum == sum;
        (sibling.hash, sibling.sum) = (hash, sum);
        assertTrue(harness.contains(section, domain, leaves[0], siblings) == same, "changed sibling");
    }

    /// @dev Attack: an inner node, presented as if it were a leaf hash, with the proof shortened by its level.
    function test_AttackNodeAsLeafFails() public view {
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, _leaves(1, 4), 0);
        Node[] memory shorter = new Node[](1);
        shorter[0] = siblings[1];
        for (uint64 index = 0; index < 4; ++index) {
            Leaf memory forged = _leaf(index, uint256(siblings[0].sum));
            forged.key = siblings[0].hash;
            assertFalse(harness.contains(section, domain, forged, shorter), "shorter path");
            // Even where the count is changed to fit the shorter path.
            Section memory half = Section({root: section.root, sum: section.sum, count: 2});
            assertFalse(harness.contains(half, domain, forged, shorter), "another count");
        }
    }

    /// @dev Attack: a 64-byte leaf as node. Leaves are 125 bytes under prefix 0x00, nodes 97 under 0x01, so no bytes
    /// are both; the plain 64-byte concatenation of two hashes is neither.
    function test_AttackSixtyFourByteLeafFails() public view {
        (Section memory two, Node[] memory siblings) = TreeBuilder.build(domain, _leaves(1, 2), 0);
        Leaf memory leaf = _leaves(1, 2)[0];
        bytes32 plain = keccak256(abi.encode(TreeBuilder.leafHash(domain, leaf), siblings[0].hash));
        assertTrue(plain != two.root, "a root is not the plain hash of its children");
        Section memory forged = Section({root: plain, sum: two.sum, count: 2});
        assertFalse(harness.contains(forged, domain, leaf, siblings), "a root of the plain hash");
        Section memory one = Section({root: two.root, sum: two.sum, count: 1});
        leaf.amount = two.sum;
        assertFalse(harness.contains(one, domain, leaf, new Node[](0)), "a node as the only leaf");
    }

    function test_AttackZeroRootFails() public view {
        Leaf memory zero;
        assertFalse(harness.contains(Section(0, 0, 0), domain, zero, new Node[](0)), "empty section");
        assertFalse(harness.contains(Section(0, 0, 1), domain, zero, new Node[](0)), "zero root, one leaf");
        assertFalse(harness.contains(Section(0, 0, 2), domain, zero, new Node[](1)), "zero root, two leaves");
    }

    /// @dev Attack: an index outside the tree whose low bits name the same path.
    function test_AttackIndexOutsideTheTreeFails() public view {
        Leaf[] memory leaves = _leaves(1, 4);
        leaves[3].index = 7; // low bits 11, as for index 3
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, 3);
        assertFalse(harness.contains(section, domain, leaves[3], siblings), "index 7 of 4");
        leaves[3].index = 4;
        (section, siblings) = TreeBuilder.build(domain, leaves, 0);
        assertFalse(harness.contains(section, domain, leaves[3], siblings), "index 4 of 4");
    }

    /// @dev Attack: a leaf in the padding beyond the count.
    function test_AttackLeafInThePaddingFails() public view {
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, _leaves(1, 4), 3);
        section.count = 3;
        assertFalse(harness.contains(section, domain, _leaves(1, 4)[3], siblings), "index 3 of 3");
    }

    function test_AttackWrongDepthFails() public view {
        Leaf[] memory leaves = _leaves(1, 5);
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, 0);
        Node[] memory longer = new Node[](4);
        for (uint256 i = 0; i < 3; ++i) longer[i] = siblings[i];
        assertFalse(harness.contains(section, domain, leaves[0], longer), "one sibling more");
        Node[] memory shorter = new Node[](2);
        for (uint256 i = 0; i < 2; ++i) shorter[i] = siblings[i];
        assertFalse(harness.contains(section, domain, leaves[0], shorter), "one sibling less");
        assertFalse(harness.contains(section, domain, leaves[0], new Node[](0)), "no sibling");
        assertFalse(harness.contains(section, domain, leaves[0], new Node[](300)), "300 siblings");
    }

    /// @dev Attack: a path that leads to the root, in a tree whose count says it is too short, or too long.
    function test_AttackDepthThatDoesNotFitTheCountFails() public view {
        Leaf[] memory leaves = _leaves(1, 4);
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, 0);
        assertTrue(harness.contains(section, domain, leaves[0], siblings), "4 leaves, depth 2");
        section.count = 5;
        assertFalse(harness.contains(section, domain, leaves[0], siblings), "5 leaves, depth 3");
        section.count = 2;
        assertFalse(harness.contains(section, domain, leaves[0], siblings), "2 leaves, depth 1");
    }

    function test_AttackRightRootWithAnotherSumFails() public view {
        Leaf[] memory leaves = _leaves(1, 5);
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, 2);
        section.sum += 1;
        assertFalse(harness.contains(section, domain, leaves[2], siblings), "sum + 1");
        section.sum -= 2;
        assertFalse(harness.contains(section, domain, leaves[2], siblings), "sum - 1");
    }

    /// @dev Attack: sums that wrap around 2^128, so that a small total hides a huge claim. A tree so built has a
    /// consistent root, and still does not prove.
    function test_AttackWrappingSumFails() public view {
        Leaf memory leaf = _leaf(0, 5);
        Node[] memory siblings = new Node[](1);
        siblings[0] = Node({hash: keccak256("other"), sum: type(uint128).max});
        bytes32 own = TreeBuilder.leafHash(domain, leaf);
        bytes memory both = abi.encodePacked(bytes1(0x01), own, leaf.amount, siblings[0].hash, siblings[0].sum);
        Section memory section = Section({root: keccak256(both), sum: 4, count: 2});
        assertFalse(harness.contains(section, domain, leaf, siblings), "5 + (2^128 - 1) = 4");
        // One below the limit is fine.
        siblings[0].sum = type(uint128).max - 5;
        both = abi.encodePacked(bytes1(0x01), own, leaf.amount, siblings[0].hash, siblings[0].sum);
        section = Section({root: keccak256(both), sum: type(uint128).max, count: 2});
        assertTrue(harness.contains(section, domain, leaf, siblings), "2^128 - 1");
    }

    function test_AttackLeafOfAnotherDomainFails() public view {
        Leaf[] memory leaves = _leaves(1, 5);
        (Section memory section, Node[] memory siblings) = TreeBuilder.build(domain, leaves, 2);
        bytes32 other = harness.domain(address(0xC1), address(0x70), 2);
        assertTrue(harness.contains(section, domain, leaves[2], siblings), "its own domain");
        assertFalse(harness.contains(section, other, leaves[2], siblings), "another section's domain");
    }

    function _leaf(uint64 index, uint256 seed) private pure returns (Leaf memory) {
        return Leaf({
            index: index,
            owner: address(uint160(uint256(keccak256(abi.encode("owner", seed, index))))),
            key: keccak256(abi.encode("key", seed, index)),
            amount: uint128(seed % 2 ** 120),
            validUntil: uint64(seed),
            kind: uint32(seed >> 8),
            quantity: uint32(seed >> 16)
        });
    }

    function _leaves(uint256 seed, uint256 count) private pure returns (Leaf[] memory leaves) {
        leaves = new Leaf[](count);
        for (uint64 i = 0; i < count; ++i) leaves[i] = _leaf(i, uint256(keccak256(abi.encode(seed, i))));
    }
}
