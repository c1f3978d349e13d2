// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EpochHeader, Section} from "./EpochHeader.sol";
import {Leaf, Node, SumTree} from "./SumTree.sol";

/// @notice A leaf and the other child at each level above it, leaf level first.
struct LeafProof {
    Leaf leaf;
    Node[] siblings;
}

/// @notice A node of a section's tree, its place, and the bytes it is the hash of.
struct NodeProof {
    /// 0 balances, 1 locks, 2 stakes, 3 compute, 4 payouts.
    uint8 section;
    /// 0 for leaves, the tree's depth for the root.
    uint8 level;
    /// The place in its level, from 0.
    uint64 position;
    /// Hash and sum as the parent commits to them; for the root as the header states them.
    Node node;
    /// The other child at each level, the node's own level first.
    Node[] siblings;
    /// What the hash is the keccak256 of; not read where no bytes can make the node right.
    bytes preimage;
}

/// @title What shows, from committed data alone, that an epoch must not become final
/// @notice Each answer is about bytes that the operator has committed to, so nobody can make a true epoch look false.
/// What cannot be shown here (a hash nobody knows the bytes of, an amount that the journal does not lead to) is what
/// attesters refuse to sign.
library Fraud {
    uint256 private constant LEAF_BYTES = 125;
    uint256 private constant NODE_BYTES = 97;

    /// @notice Whether the proof holds a node of the section that the format does not allow at its place: a sum that is
    /// not its children's or its leaf's, a leaf of another domain or index, a leaf among nodes or a node among leaves,
    /// a missing leaf below the count, anything but emptiness above it.
    /// @dev Every node *above* the shown one must be right, or the path does not lead to the root: of several bad nodes
    /// show the highest.
    function isBadNode(Section memory section, bytes32 domain, NodeProof calldata proof) internal pure returns (bool) {
        if (section.count == 0) return false;
        uint256 levels = SumTree.depth(section.count);
        if (proof.level > levels || proof.siblings.length != levels - proof.level) return false;
        // A position outside its level would name the path of another.
        if (uint256(proof.position) >> proof.siblings.length != 0) return false;
        Node calldata node = proof.node;
        if (!SumTree.leadsTo(section, node.hash, node.sum, proof.position, proof.siblings)) return false;

        uint256 firstLeaf = uint256(proof.position) << proof.level;
        if (firstLeaf >= section.count) return node.sum != 0 || node.hash != SumTree.emptyHash(proof.level);
        if (node.hash == 0) return true;
        if (keccak256(proof.preimage) != node.hash) return false;
        return proof.level == 0
            ? !_isLeaf(domain, proof.position, node.sum, proof.preimage)
            : !_isParent(node.sum, proof.preimage);
    }

    /// @notice Whether the two leaves of one section cannot both be true, the later one in the same header or a later
    /// one: an index belongs to one key for ever and a key to one index, and cumulative payouts never fall.
    function contradict(uint8 section, Leaf calldata earlier, Leaf calldata later) internal pure returns (bool) {
        if ((earlier.index == later.index) != (earlier.key == later.key)) return true;
        return section == EpochHeader.PAYOUTS && earlier.index == later.index && later.amount < earlier.amount;
    }

    /// @dev 0x00 ‖ domain ‖ index ‖ owner ‖ key ‖ amount ‖ validUntil ‖ kind ‖ quantity
    function _isLeaf(bytes32 domain, uint64 index, uint128 amount, bytes calldata preimage) private pure returns (bool) {
        return preimage.length == LEAF_BYTES && preimage[0] == 0x00 && bytes32(preimage[1:33]) == domain
            && uint64(bytes8(preimage[33:41])) == index && uint128(bytes16(preimage[93:109])) == amount;
    }

    /// @dev 0x01 ‖ left hash ‖ left sum ‖ right hash ‖ right sum
    function _isParent(uint128 sum, bytes calldata preimage) private pure returns (bool) {
        if (preimage.length != NODE_BYTES || preimage[0] != 0x01) return false;
        uint256 left = uint128(bytes16(preimage[33:49]));
        uint256 right = uint128(bytes16(preimage[81:97]));
        return left + right == sum;
    }
}
