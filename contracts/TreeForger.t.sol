// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Section} from "./libraries/EpochHeader.sol";
import {NodeProof} from "./libraries/Fraud.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {TreeBuilder} from "./TreeBuilder.t.sol";

/// @notice Builds trees with one node that is not what the format says, and the proof that shows it.
library TreeForger {
    /// @dev Where the forged node is, and what it is: 0 stands for "as it should be".
    struct Forgery {
        uint8 level;
        uint64 position;
        bytes32 hash;
        uint128 sum;
        bool forged;
    }

    /// @notice All levels of the tree, leaves first, the root last.
    function levels(bytes32 domain, Leaf[] memory leaves, Forgery memory forgery)
        internal
        pure
        returns (Node[][] memory nodes)
    {
        uint256 depth = 0;
        while (2 ** depth < leaves.length) ++depth;
        nodes = new Node[][](depth + 1);
        nodes[0] = new Node[](2 ** depth);
        for (uint256 i = 0; i < leaves.length; ++i) {
            nodes[0][i] = Node({hash: TreeBuilder.leafHash(domain, leaves[i]), sum: leaves[i].amount});
        }
        for (uint256 level = 0; level <= depth; ++level) {
            if (level != 0) {
                nodes[level] = new Node[](nodes[level - 1].length / 2);
                for (uint256 i = 0; i < nodes[level].length; ++i) {
                    nodes[level][i] = TreeBuilder.join(nodes[level - 1][2 * i], nodes[level - 1][2 * i + 1]);
                }
            }
            if (forgery.forged && forgery.level == level) {
                nodes[level][forgery.position] = Node({hash: forgery.hash, sum: forgery.sum});
            }
        }
    }

    function section(Node[][] memory nodes, uint64 count) internal pure returns (Section memory) {
        Node memory root = nodes[nodes.length - 1][0];
        return Section({root: root.hash, sum: root.sum, count: count});
    }

    function proof(Node[][] memory nodes, uint8 section_, uint8 level, uint64 position, bytes memory preimage)
        internal
        pure
        returns (NodeProof memory result)
    {
        result.section = section_;
        result.level = level;
        result.position = position;
        result.node = nodes[level][position];
        result.preimage = preimage;
        result.siblings = new Node[](nodes.length - 1 - level);
        for (uint256 i = 0; i < result.siblings.length; ++i) {
            result.siblings[i] = nodes[level + i][(position >> i) ^ 1];
        }
    }

    /// @notice The 97 bytes behind a node above the leaves.
    function parentBytes(Node memory left, Node memory right) internal pure returns (bytes memory) {
        return abi.encodePacked(bytes1(0x01), left.hash, left.sum, right.hash, right.sum);
    }

    /// @notice The 125 bytes behind a leaf.
    function leafBytes(bytes32 domain, Leaf memory leaf) internal pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(bytes1(0x00), domain, leaf.index, leaf.owner, leaf.key);
        return bytes.concat(head, abi.encodePacked(leaf.amount, leaf.validUntil, leaf.kind, leaf.quantity));
    }
}
