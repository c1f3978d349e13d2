// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Section} from "./EpochHeader.sol";
import {Leaf, Node, SumTree} from "./SumTree.sol";

/// @notice A section of the last final epoch as its custodian keeps it, in one word: the upper 224 bits are those of
/// keccak256(root ‖ sum), 32 bytes each, the low 32 the number of leaves. All 0 before the first final epoch.
type FinalSection is uint256;

using FinalSections for FinalSection global;

/// @title Final sections in one word
/// @notice A proof brings root and sum along, since it leads to both; what has to be kept is enough to recognise them. So
/// an epoch writes five words instead of ten.
/// @dev To prove a leaf of a tree that was never final takes a second preimage of 224 bits, or, for who chooses both
/// trees and closes an epoch over one of them, a collision of 2^112 trials. The count is kept as it is: no tree passes for
/// one of another size.
library FinalSections {
    /// @notice The most leaves that a section of a final epoch can have. `commit` refuses more.
    uint64 internal constant MOST_LEAVES = type(uint32).max;

    /// @notice The word of a section of at most `MOST_LEAVES` leaves.
    function pack(Section calldata section) internal pure returns (FinalSection) {
        return FinalSection.wrap(uint256(fingerprint(section.root, section.sum)) << 32 | section.count);
    }

    /// @notice The upper 224 bits of keccak256(root ‖ sum).
    function fingerprint(bytes32 root, uint128 sum) internal pure returns (uint224) {
        return uint224(uint256(keccak256(abi.encode(root, sum))) >> 32);
    }

    /// @notice The number of leaves; 0 before the first final epoch.
    function count(FinalSection last) internal pure returns (uint64) {
        return uint32(FinalSection.unwrap(last));
    }

    /// @notice What `fingerprint` gives for root and sum; 0 before the first final epoch.
    function fingerprint(FinalSection last) internal pure returns (uint224) {
        return uint224(FinalSection.unwrap(last) >> 32);
    }

    /// @notice Whether this is the section.
    function equals(FinalSection last, Section calldata section) internal pure returns (bool) {
        return last.count() == section.count && last.fingerprint() == fingerprint(section.root, section.sum);
    }

    /// @notice What {SumTree-contains} answers for the section that this is the word of.
    /// @param siblings The other child at each level, leaf level first.
    /// @dev Never reverts, likewise.
    function contains(FinalSection last, bytes32 leafDomain, Leaf calldata leaf, Node[] calldata siblings)
        internal
        pure
        returns (bool)
    {
        (bool fits, uint224 reached) = reach(leafDomain, leaf, siblings);
        return fits && last.isReached(reached, leaf.index, siblings.length);
    }

    /// @notice The fingerprint of the root and sum that a proof leads to, so that one climb is compared with several
    /// words; `fits` is false where its sums pass 128 bits.
    function reach(bytes32 leafDomain, Leaf calldata leaf, Node[] calldata siblings)
        internal
        pure
        returns (bool fits, uint224 reached)
    {
        bytes32 root;
        uint128 sum;
        (fits, root, sum) = SumTree.climb(SumTree.leafHash(leafDomain, leaf), leaf.amount, leaf.index, siblings);
        reached = fingerprint(root, sum);
    }

    /// @notice Whether a proof of `depth` siblings for the leaf at `index`, which led to `reached`, is of this section.
    function isReached(FinalSection last, uint224 reached, uint64 index, uint256 depth) internal pure returns (bool) {
        uint64 leaves = last.count();
        return index < leaves && SumTree.isDepth(leaves, depth) && last.fingerprint() == reached;
    }
}
