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
    /// @dev keccak256(abi.encodePacked(uint8(0), leafDomain, index, owner, key, amount, validUntil, kind, quantity)),
    /// written behind the free memory and left there, each member over the low zeros of the one before.
    function leafHash(bytes32 leafDomain, Leaf calldata leaf) internal pure returns (bytes32 hash) {
        (uint256 index, address owner, bytes32 key, uint256 amount) = (leaf.index, leaf.owner, leaf.key, leaf.amount);
        uint256 tail = uint256(leaf.validUntil) << 64 | uint256(leaf.kind) << 32 | leaf.quantity;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore8(pointer, 0)
            mstore(add(pointer, 1), leafDomain)
            mstore(add(pointer, 33), shl(192, index))
            mstore(add(pointer, 41), shl(96, owner))
            mstore(add(pointer, 61), key)
            mstore(add(pointer, 93), or(shl(128, amount), tail))
            hash := keccak256(pointer, 125)
        }
    }

    /// @notice Hash of a node from its children: 97 bytes, first byte 0x01.
    /// @dev keccak256(abi.encodePacked(uint8(1), leftHash, leftSum, rightHash, rightSum)), written behind the free memory
    /// and left there.
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

    /// @notice Whether a tree of so many leaves has so many levels: `levels == depth(count)`, without counting them.
    function isDepth(uint64 count, uint256 levels) internal pure returns (bool) {
        uint256 last = uint256(count) - 1;
        return last >> levels == 0 && (levels == 0 || last >> (levels - 1) != 0);
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
        if (leaf.index >= section.count || !isDepth(section.count, siblings.length)) return false;
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
        (bool fits, bytes32 root, uint128 total) = climb(hash, sum, position, siblings);
        return fits && root == section.root && total == section.sum;
    }

    /// @notice The root that a node's siblings lead to, and the sum of everything below it.
    /// @return fits False where a sum leaves 128 bits, or was sent with more: root and total mean nothing then.
    /// @dev `nodeHash` once a level, in place: the loop is what a claim of depth 20 spends most of its work on.
    function climb(bytes32 hash, uint128 sum, uint64 position, Node[] calldata siblings)
        internal
        pure
        returns (bool fits, bytes32, uint128)
    {
        uint256 total = sum;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore8(pointer, 1)
            fits := 1
            let end := add(siblings.offset, shl(6, siblings.length))
            for { let sibling := siblings.offset } lt(sibling, end) { sibling := add(sibling, 64) } {
                let siblingHash := calldataload(sibling)
                let siblingSum := calldataload(add(sibling, 32))
                let both := add(total, siblingSum)
                if shr(128, or(siblingSum, both)) {
                    fits := 0
                    break
                }
                switch and(position, 1)
                case 0 {
                    mstore(add(pointer, 1), hash)
                    mstore(add(pointer, 33), shl(128, total))
                    mstore(add(pointer, 49), siblingHash)
                    mstore(add(pointer, 81), shl(128, siblingSum))
                }
                default {
                    mstore(add(pointer, 1), siblingHash)
                    mstore(add(pointer, 33), shl(128, siblingSum))
                    mstore(add(pointer, 49), hash)
                    mstore(add(pointer, 81), shl(128, total))
                }
                hash := keccak256(pointer, 97)
                total := both
                position := shr(1, position)
            }
        }
        return (fits, hash, uint128(total));
    }
}
