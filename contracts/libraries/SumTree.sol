// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EpochHeader, Section} from "./EpochHeader.sol";

/// @notice One position as a section's tree holds it.
struct Leaf {
    uint64 index;
    address owner;
    bytes32 key;
    uint128 amount;
    uint64 validUntil;
    uint32 kind;
    uint32 quantity;
}

/// @notice A node of a sum tree as its parent commits to it: hash and sum.
struct Node {
    bytes32 hash;
    uint128 sum;
}

/// @title The sum tree of a section, format version 1
/// @notice Every node commits to the hashes *and* the sums of both children, so a root fixes the sum of all amounts
/// below it. Missing leaves up to the next power of two are `(0, 0)`; nodes above them are hashed like any other.
library SumTree {
    bytes32 internal constant LEAF_TAG = keccak256("anchorbook.leaf.v1");

    /// @notice Binds a leaf to chain, custodian, token and section, so that it means nothing anywhere else.
    /// @param custodian The contract that answers for the section; in a book without a token the registry.
    /// @param token The book's token, or 0.
    function domain(address custodian, address token, uint8 section) internal view returns (bytes32) {
        return keccak256(abi.encode(LEAF_TAG, block.chainid, custodian, token, EpochHeader.nameHash(section)));
    }

    /// @notice Hash of a leaf: 125 bytes, fixed widths, big-endian, first byte 0x00.
    function leafHash(bytes32 leafDomain, Leaf calldata leaf) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                uint8(0),
                leafDomain,
                leaf.index,
                leaf.owner,
                leaf.key,
                leaf.amount,
                leaf.validUntil,
                leaf.kind,
                leaf.quantity
            )
        );
    }

    /// @notice Hash of a node from its children: 97 bytes, first byte 0x01.
    /// @dev keccak256(abi.encodePacked(uint8(1), leftHash, leftSum, rightHash, rightSum)), written behind the free memory
    /// and left there: a proof of depth 20 costs 14,000 gas less than with an allocation a level.
    function nodeHash(bytes32 leftHash, uint128 leftSum, bytes32 rightHash, uint128 rightSum)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore8(pointer, 1)
            mstore(add(pointer, 1), leftHash)
            mstore(add(pointer, 33), shl(128, leftSum))
            mstore(add(pointer, 49), rightHash)
            mstore(add(pointer, 81), shl(128, rightSum))
            hash := keccak256(pointer, 97)
        }
    }

    /// @notice Levels between a leaf and the root: ceil(log2(count)), 0 for one leaf. Undefined for no leaf.
    function depth(uint64 count) internal pure returns (uint256 levels) {
        for (uint64 last = count - 1; last != 0; last >>= 1) ++levels;
    }

    /// @notice Hash of a node above missing leaves only; its sum is 0. Level 0 is a missing leaf itself.
    function emptyHash(uint256 level) internal pure returns (bytes32 hash) {
        for (uint256 i = 0; i < level; ++i) hash = nodeHash(hash, 0, hash, 0);
    }

    /// @notice True only if the leaf is at its index below the section's root *and* the sums add up to the section's.
    /// @param siblings The other child at each level, leaf level first.
    /// @dev Never reverts: a sum that leaves 128 bits, a wrong length and an index outside the tree are answered false.
    function contains(Section memory section, bytes32 leafDomain, Leaf calldata leaf, Node[] calldata siblings)
        internal
        pure
        returns (bool)
    {
        if (leaf.index >= section.count || siblings.length != depth(section.count)) return false;
        return leadsTo(section, leafHash(leafDomain, leaf), leaf.amount, leaf.index, siblings);
    }

    /// @notice Whether a node with this hash and sum, as its parent commits to them, is below the section's root.
    /// @param position The node's place in its level, from 0.
    /// @param siblings The other child at each level, the node's own level first.
    /// @dev The levels below the node are the caller's to think of: the number of siblings is not checked here.
    function leadsTo(Section memory section, bytes32 hash, uint128 sum, uint64 position, Node[] calldata siblings)
        internal
        pure
        returns (bool)
    {
        for (uint256 level = 0; level < siblings.length; ++level) {
            Node calldata sibling = siblings[level];
            if (sibling.sum > type(uint128).max - sum) return false;
            hash = position & 1 == 0
                ? nodeHash(hash, sum, sibling.hash, sibling.sum)
                : nodeHash(sibling.hash, sibling.sum, hash, sum);
            sum += sibling.sum;
            position >>= 1;
        }
        return hash == section.root && sum == section.sum;
    }
}
