// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node, SumTree} from "./libraries/SumTree.sol";

/// @notice Builds whole trees, for the tests: written apart from the library, from the format's text.
library TreeBuilder {
    function leafHash(bytes32 domain, Leaf memory leaf) internal pure returns (bytes32) {
        bytes memory head = abi.encodePacked(bytes1(0x00), domain, leaf.index, leaf.owner, leaf.key);
        return keccak256(bytes.concat(head, abi.encodePacked(leaf.amount, leaf.validUntil, leaf.kind, leaf.quantity)));
    }

    function join(Node memory left, Node memory right) internal pure returns (Node memory) {
        bytes memory both = abi.encodePacked(bytes1(0x01), left.hash, left.sum, right.hash, right.sum);
        return Node({hash: keccak256(both), sum: left.sum + right.sum});
    }

    /// @return section Root, sum and count of the tree.
    /// @return siblings The proof of the leaf at `index`, leaf level first.
    function build(bytes32 domain, Leaf[] memory leaves, uint256 index)
        internal
        pure
        returns (Section memory section, Node[] memory siblings)
    {
        if (leaves.length == 0) return (section, siblings);
        uint256 levels = 0;
        while (2 ** levels < leaves.length) ++levels;
        Node[] memory nodes = new Node[](2 ** levels);
        for (uint256 i = 0; i < leaves.length; ++i) {
            nodes[i] = Node({hash: leafHash(domain, leaves[i]), sum: leaves[i].amount});
        }
        siblings = new Node[](levels);
        for (uint256 level = 0; level < levels; ++level) {
            siblings[level] = nodes[index ^ 1];
            Node[] memory parents = new Node[](nodes.length / 2);
            for (uint256 i = 0; i < parents.length; ++i) parents[i] = join(nodes[2 * i], nodes[2 * i + 1]);
            nodes = parents;
            index /= 2;
        }
        section = Section({root: nodes[0].hash, sum: nodes[0].sum, count: uint64(leaves.length)});
    }
}

/// @notice The libraries' functions behind calls, as contracts use them: with calldata.
contract LibraryHarness {
    using EpochHeader for Header;

    function headerHash(Header calldata header) external pure returns (bytes32) {
        return header.hash();
    }

    function nameHash(uint8 section) external pure returns (bytes32) {
        return EpochHeader.nameHash(section);
    }

    function domain(address custodian, address token, uint8 section) external view returns (bytes32) {
        return SumTree.domain(custodian, token, section);
    }

    function leafHash(bytes32 leafDomain, Leaf calldata leaf) external pure returns (bytes32) {
        return SumTree.leafHash(leafDomain, leaf);
    }

    function depth(uint64 count) external pure returns (uint256) {
        return SumTree.depth(count);
    }

    function isDepth(uint64 count, uint256 levels) external pure returns (bool) {
        return SumTree.isDepth(count, levels);
    }

    function contains(Section calldata section, bytes32 leafDomain, Leaf calldata leaf, Node[] calldata siblings)
        external
        pure
        returns (bool)
    {
        return SumTree.contains(section, leafDomain, leaf, siblings);
    }
}
