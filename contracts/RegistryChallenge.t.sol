// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {LeafProof, NodeProof} from "./libraries/Fraud.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {WindowTest} from "./RegistryAttest.t.sol";
import {TreeForger} from "./TreeForger.t.sol";

/// @notice challengeNode
/// ├── a header that is not pending → NotPending
/// ├── a node that is right, or is not in the header → NoContradiction
/// └── a bad sum, index, domain, amount, kind of node, hole or filled gap → vetoed
/// challengeLeaves
/// ├── a later header that is not pending → NotPending; an earlier one that is later or not in the ring → NoContradiction
/// ├── leaves that can both be true, or are not in their headers → NoContradiction
/// └── a payout that fell, an index with another key, a key at another index → the later epoch is vetoed
contract RegistryChallengeTest is WindowTest {
    uint8 private constant LOCKS = EpochHeader.LOCKS;
    uint8 private constant PAYOUTS = EpochHeader.PAYOUTS;

    TreeForger.Forgery private none;

    /// @dev Attack: a node whose sum is not that of its children, which would hide or invent liabilities.
    function test_AttackSumThatIsNotTheChildrensIsVetoed() public {
        for (uint8 level = 1; level <= 3; ++level) {
            for (uint64 position = 0; position < (8 >> level); ++position) {
                if (uint256(position) << level >= 6) continue; // wholly above the count: another kind of forgery
                _sumIsVetoed(level, position, 1 ether);
                _sumIsVetoed(level, position, -1 ether);
            }
        }
    }

    function _sumIsVetoed(uint8 level, uint64 position, int128 difference) private {
        Leaf[] memory leaves = _leaves(6);
        Node[][] memory right = TreeForger.levels(_domain(LOCKS), leaves, none);
        TreeForger.Forgery memory forgery = TreeForger.Forgery({
            level: level,
            position: position,
            hash: right[level][position].hash,
            sum: uint128(int128(right[level][position].sum) + difference),
            forged: true
        });
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, forgery);
        Header memory header = _commitForged(nodes, 6);
        bytes memory preimage = TreeForger.parentBytes(nodes[level - 1][2 * position], nodes[level - 1][2 * position + 1]);
        _vetoed(header, TreeForger.proof(nodes, LOCKS, level, position, preimage));
    }

    /// @dev Attack: a leaf whose parent commits to another amount than the leaf says.
    function test_AttackLeafWithAnotherSumIsVetoed() public {
        Leaf[] memory leaves = _leaves(5);
        bytes memory preimage = TreeForger.leafBytes(_domain(LOCKS), leaves[2]);
        _forgedLeafIsVetoed(leaves, 2, keccak256(preimage), leaves[2].amount + 1, preimage);
    }

    /// @dev Attack: a leaf at another place than its index says, by which one position would count twice.
    function test_AttackMisplacedLeafIsVetoed() public {
        Leaf[] memory leaves = _leaves(5);
        bytes memory preimage = TreeForger.leafBytes(_domain(LOCKS), leaves[1]);
        _forgedLeafIsVetoed(leaves, 3, keccak256(preimage), leaves[1].amount, preimage);
    }

    /// @dev Attack: a leaf of another section, contract or chain.
    function test_AttackLeafOfAnotherDomainIsVetoed() public {
        Leaf[] memory leaves = _leaves(5);
        bytes memory preimage = TreeForger.leafBytes(_domain(EpochHeader.STAKES), leaves[3]);
        _forgedLeafIsVetoed(leaves, 3, keccak256(preimage), leaves[3].amount, preimage);
    }

    /// @dev Attack: a node among the leaves, or bytes that are neither.
    function test_AttackNodeAmongLeavesIsVetoed() public {
        Leaf[] memory leaves = _leaves(5);
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, none);
        bytes memory preimage = TreeForger.parentBytes(nodes[0][0], nodes[0][1]);
        _forgedLeafIsVetoed(leaves, 4, keccak256(preimage), nodes[1][0].sum, preimage);
    }

    function test_AttackSixtyFourByteLeafIsVetoed() public {
        bytes memory preimage = abi.encode(keccak256("left"), keccak256("right"));
        _forgedLeafIsVetoed(_leaves(5), 4, keccak256(preimage), 7, preimage);
    }

    /// @dev Attack: a leaf where a node should be, so that the tree is less deep at one place.
    function test_AttackLeafAmongNodesIsVetoed() public {
        Leaf[] memory leaves = _leaves(5);
        bytes memory preimage = TreeForger.leafBytes(_domain(LOCKS), leaves[0]);
        TreeForger.Forgery memory forgery =
            TreeForger.Forgery({level: 1, position: 0, hash: keccak256(preimage), sum: leaves[0].amount, forged: true});
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, forgery);
        _vetoed(_commitForged(nodes, 5), TreeForger.proof(nodes, LOCKS, 1, 0, preimage));
    }

    /// @dev Attack: bytes that read like a leaf or node, but are a byte longer or shorter, or begin with another: nobody could
    /// prove what stands there.
    function test_AttackBytesOfAnotherShapeAreVetoed() public {
        Leaf[] memory leaves = _leaves(5);
        leaves[2].quantity = 7;
        bytes[3] memory shapes = _otherShapes(TreeForger.leafBytes(_domain(LOCKS), leaves[2]));
        for (uint256 i = 0; i < 3; ++i) {
            _forgedLeafIsVetoed(leaves, 2, keccak256(shapes[i]), leaves[2].amount, shapes[i]);
        }
        Node[][] memory right = TreeForger.levels(_domain(LOCKS), leaves, none);
        shapes = _otherShapes(TreeForger.parentBytes(right[0][0], right[0][1]));
        for (uint256 i = 0; i < 3; ++i) {
            TreeForger.Forgery memory forgery = TreeForger.Forgery({
                level: 1,
                position: 0,
                hash: keccak256(shapes[i]),
                sum: right[1][0].sum,
                forged: true
            });
            Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, forgery);
            _vetoed(_commitForged(nodes, 5), TreeForger.proof(nodes, LOCKS, 1, 0, shapes[i]));
        }
    }

    function _otherShapes(bytes memory right) private pure returns (bytes[3] memory shapes) {
        shapes[0] = bytes.concat(right, bytes1(0));
        shapes[1] = bytes.concat(right);
        shapes[1][0] = 0x02;
        shapes[2] = new bytes(right.length - 1);
        for (uint256 i = 0; i < shapes[2].length; ++i) shapes[2][i] = right[i];
    }

    /// @dev Attack: a hole below the count, where a position was left out.
    function test_AttackHoleBelowTheCountIsVetoed() public {
        _forgedLeafIsVetoed(_leaves(5), 2, 0, 0, "");
        _forgedLeafIsVetoed(_leaves(5), 2, 0, 1 ether, "");
    }

    /// @dev Attack: liabilities hidden above the count, where no leaf can be proven.
    function test_AttackFilledGapAboveTheCountIsVetoed() public {
        _forgedLeafIsVetoed(_leaves(5), 6, keccak256("hidden"), 3 ether, "");
        _forgedLeafIsVetoed(_leaves(5), 6, 0, 3 ether, "");
        TreeForger.Forgery memory forgery =
            TreeForger.Forgery({level: 1, position: 3, hash: keccak256("hidden"), sum: 0, forged: true});
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), _leaves(5), forgery);
        _vetoed(_commitForged(nodes, 5), TreeForger.proof(nodes, LOCKS, 1, 3, ""));
    }

    /// @dev The header's own sum, above a root that is right.
    function test_AttackHeaderSumThatIsNotTheRootsIsVetoed() public {
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), _leaves(4), none);
        nodes[2][0].sum -= 1;
        bytes memory preimage = TreeForger.parentBytes(nodes[1][0], nodes[1][1]);
        _vetoed(_commitForged(nodes, 4), TreeForger.proof(nodes, LOCKS, 2, 0, preimage));
    }

    function test_AttackSumThatWrapsIsVetoed() public {
        Leaf[] memory leaves = _leaves(2);
        leaves[0].amount = type(uint128).max;
        leaves[1].amount = 2;
        bytes32 domain = _domain(LOCKS);
        Node[][] memory nodes = new Node[][](2);
        nodes[0] = new Node[](2);
        for (uint256 i = 0; i < 2; ++i) {
            nodes[0][i] = Node({hash: keccak256(TreeForger.leafBytes(domain, leaves[i])), sum: leaves[i].amount});
        }
        bytes memory preimage = TreeForger.parentBytes(nodes[0][0], nodes[0][1]);
        nodes[1] = new Node[](1);
        nodes[1][0] = Node({hash: keccak256(preimage), sum: 1}); // 2^128 + 1, wrapped
        _vetoed(_commitForged(nodes, 2), TreeForger.proof(nodes, LOCKS, 1, 0, preimage));
    }

    /// @dev The other side: no node of a true tree can be challenged, whatever is shown with it.
    function testFuzz_NoNodeOfATrueTreeIsBad(uint256 size, uint256 level, uint256 position, bytes calldata bytes_) public {
        uint64 count = uint64(bound(size, 1, 20));
        Leaf[] memory leaves = _leaves(count);
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, none);
        Header memory header = _commitForged(nodes, count);
        level = bound(level, 0, nodes.length - 1);
        position = bound(position, 0, nodes[level].length - 1);
        bytes memory preimage = level == 0
            ? position < count ? TreeForger.leafBytes(_domain(LOCKS), leaves[position]) : bytes("")
            : TreeForger.parentBytes(nodes[level - 1][2 * position], nodes[level - 1][2 * position + 1]);
        _stands(header, TreeForger.proof(nodes, LOCKS, uint8(level), uint64(position), preimage));
        _stands(header, TreeForger.proof(nodes, LOCKS, uint8(level), uint64(position), bytes_));
    }

    /// @dev Nor is anything proven by a node that is not in the tree.
    function testFuzz_ANodeThatIsNotInTheTreeProvesNothing(uint8 level, uint64 position, bytes32 hash, uint128 sum) public {
        Leaf[] memory leaves = _leaves(6);
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, none);
        Header memory header = _commitForged(nodes, 6);
        NodeProof memory proof = TreeForger.proof(nodes, LOCKS, 1, 1, "");
        (proof.node.hash, proof.node.sum) = (hash, sum);
        _stands(header, proof);
        proof = TreeForger.proof(nodes, LOCKS, 1, 1, "");
        (proof.level, proof.position) = (level, position);
        _stands(header, proof);
    }

    /// @dev Attack: a true node, shown as if it stood elsewhere: at another level, or behind its level's end, which leads along
    /// the same path. Anybody could veto every epoch with it.
    function test_AttackATrueNodeShownElsewhereFails() public {
        Leaf[] memory leaves = _leaves(6);
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, none);
        Header memory header = _commitForged(nodes, 6);
        for (uint8 level = 0; level < 4; ++level) {
            for (uint64 position = 0; position < nodes[level].length; ++position) {
                bytes memory preimage;
                if (level != 0) {
                    preimage = TreeForger.parentBytes(nodes[level - 1][2 * position], nodes[level - 1][2 * position + 1]);
                } else if (position < 6) {
                    preimage = TreeForger.leafBytes(_domain(LOCKS), leaves[position]);
                }
                NodeProof memory proof = TreeForger.proof(nodes, LOCKS, level, position, preimage);
                _stands(header, proof);
                proof.position = position + uint64(nodes[level].length);
                _stands(header, proof);
                for (uint8 other = 0; other < 5; ++other) {
                    if (other == level) continue;
                    proof.level = other;
                    for (proof.position = 0; proof.position < 8; ++proof.position) _stands(header, proof);
                }
            }
        }
    }

    function test_OnlyPendingEpochsAreChallenged() public {
        Leaf[] memory leaves = _leaves(5);
        bytes memory preimage = TreeForger.leafBytes(_domain(LOCKS), leaves[1]);
        TreeForger.Forgery memory forgery =
            TreeForger.Forgery({level: 0, position: 3, hash: keccak256(preimage), sum: leaves[1].amount, forged: true});
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, forgery);
        NodeProof memory proof = TreeForger.proof(nodes, LOCKS, 0, 3, preimage);
        Header memory header = _commitForged(nodes, 5);
        _pass(1 days);
        _finalize(header);
        bytes4 error_ = ISettlementRegistry.NotPending.selector;
        vm.expectRevert(abi.encodeWithSelector(error_, 1, _hash(header)));
        registry.challengeNode(header, proof);
        header.epoch = 2;
        vm.expectRevert(abi.encodeWithSelector(error_, 2, _hash(header)));
        registry.challengeNode(header, proof);
    }

    function test_UnknownSectionsAreRefused() public {
        Header memory header = _commitForged(TreeForger.levels(_domain(LOCKS), _leaves(3), none), 3);
        NodeProof memory proof;
        proof.section = 5;
        (bool ok,) = address(registry).call(abi.encodeCall(registry.challengeNode, (header, proof)));
        assertFalse(ok, "section 5");
        proof.section = EpochHeader.STAKES; // empty
        _stands(header, proof);
    }

    /// @dev Attack: a falling cumulative payout, after which a user would have been paid too much or could not be paid.
    function test_AttackFallingPayoutIsVetoed() public {
        _open(PAYOUTS, ALICE, 5 ether);
        _open(PAYOUTS, BOB, 7 ether);
        Header memory first = _settleEpoch();
        positions[PAYOUTS][0].amount = 4 ether;
        positions[PAYOUTS][1].amount = 9 ether;
        Header memory second = _commitEpoch();
        LeafProof[2] memory leaves = [_leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 0)];
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EpochVetoed(2, _hash(second), ANYONE, true);
        vm.prank(ANYONE);
        registry.challengeLeaves(first, second, PAYOUTS, leaves[0], leaves[1]);
        assertEq(registry.lastCommitted(), 1, "vetoed");
    }

    /// @dev Attack: claims beyond the sum with swapped leaves: two keys trade places.
    function test_AttackSwappedLeavesAreVetoed() public {
        _open(PAYOUTS, ALICE, 5 ether);
        _open(PAYOUTS, BOB, 7 ether);
        Header memory first = _settleEpoch();
        (positions[PAYOUTS][0].key, positions[PAYOUTS][1].key) = (_key(PAYOUTS, 1), _key(PAYOUTS, 0));
        Header memory second = _commitEpoch();
        _contradict(first, second, PAYOUTS, _leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 0));
        second = _commitAgain(first);
        _contradict(first, second, PAYOUTS, _leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 1));
    }

    /// @dev Attack: duplicate position keys, in one header and in two.
    function test_AttackDuplicateKeysAreVetoed() public {
        for (uint8 section = 0; section < 5; ++section) {
            for (uint256 i = 0; i < 3; ++i) _open(section, ALICE, 1 ether);
        }
        Header memory first = _settleEpoch();
        for (uint8 section = 0; section < 5; ++section) {
            bytes32 key = _key(section, 2);
            positions[section][2].key = _key(section, 0);
            Header memory second = _commitAgain(first);
            _contradict(second, second, section, _leafProof(2, section, 0), _leafProof(2, section, 2));
            second = _commitAgain(first);
            _contradict(first, second, section, _leafProof(1, section, 0), _leafProof(2, section, 2));
            positions[section][2].key = key;
        }
    }

    function test_LeavesThatCanBothBeTrueStand() public {
        _open(PAYOUTS, ALICE, 5 ether);
        _open(PAYOUTS, BOB, 7 ether);
        _open(LOCKS, BOB, 7 ether);
        Header memory first = _settleEpoch();
        positions[PAYOUTS][0].amount = 6 ether;
        positions[PAYOUTS][0].owner = BOB; // a wallet can change
        positions[LOCKS][0].amount = 1 ether; // and a lock can fall
        Header memory second = _commitEpoch();
        _agree(first, second, PAYOUTS, _leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 0));
        _agree(first, second, PAYOUTS, _leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 1));
        // Less than another's was is no fall.
        _agree(first, second, PAYOUTS, _leafProof(1, PAYOUTS, 1), _leafProof(2, PAYOUTS, 0));
        _agree(second, second, PAYOUTS, _leafProof(2, PAYOUTS, 0), _leafProof(2, PAYOUTS, 1));
        _agree(first, second, LOCKS, _leafProof(1, LOCKS, 0), _leafProof(2, LOCKS, 0));
        // Against the order of time a rise is a fall.
        positions[PAYOUTS][0].amount = 8 ether;
        Header memory third = _commitEpoch();
        _agree(third, second, PAYOUTS, _leafProof(3, PAYOUTS, 0), _leafProof(2, PAYOUTS, 0));
    }

    function test_LeavesThatAreNotInTheirHeadersProveNothing() public {
        _open(PAYOUTS, ALICE, 5 ether);
        _open(PAYOUTS, BOB, 7 ether);
        Header memory first = _settleEpoch();
        Header memory second = _commitEpoch();
        LeafProof memory low = _leafProof(2, PAYOUTS, 0);
        low.leaf.amount = 4 ether;
        _agree(first, second, PAYOUTS, _leafProof(1, PAYOUTS, 0), low);
        LeafProof memory high = _leafProof(1, PAYOUTS, 0);
        high.leaf.amount = 6 ether;
        _agree(first, second, PAYOUTS, high, _leafProof(2, PAYOUTS, 0));
        Header memory invented = _header(1);
        invented.dataHash = keccak256("invented");
        _agree(invented, second, PAYOUTS, _leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 0));
        _agree(first, second, 5, _leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 0));
    }

    function test_AFinalEpochIsNotVetoedByLeaves() public {
        _open(PAYOUTS, ALICE, 5 ether);
        Header memory first = _settleEpoch();
        positions[PAYOUTS][0].key = keccak256("another key");
        Header memory second = _settleEpoch();
        LeafProof[2] memory leaves = [_leafProof(1, PAYOUTS, 0), _leafProof(2, PAYOUTS, 0)];
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.NotPending.selector, 2, _hash(second)));
        registry.challengeLeaves(first, second, PAYOUTS, leaves[0], leaves[1]);
    }

    function _domain(uint8 section) private view returns (bytes32) {
        return registry.domainOf(section);
    }

    function _forgedLeafIsVetoed(Leaf[] memory leaves, uint64 place, bytes32 hash, uint128 sum, bytes memory preimage)
        private
    {
        TreeForger.Forgery memory forgery =
            TreeForger.Forgery({level: 0, position: place, hash: hash, sum: sum, forged: true});
        Node[][] memory nodes = TreeForger.levels(_domain(LOCKS), leaves, forgery);
        Header memory header = _commitForged(nodes, uint64(leaves.length));
        _vetoed(header, TreeForger.proof(nodes, LOCKS, 0, place, preimage));
    }

    /// @dev Commits a first epoch with these locks; always another header, as a vetoed one is barred.
    function _commitForged(Node[][] memory nodes, uint64 count) private returns (Header memory header) {
        Header memory zero;
        _setLast(zero);
        header = _next();
        header.journalRoot = keccak256(abi.encode(++_salt));
        header.sections[LOCKS] = TreeForger.section(nodes, count);
        _commit(header);
    }

    uint256 private _salt;

    /// @dev The second epoch once more, after a veto.
    function _commitAgain(Header memory first) private returns (Header memory header) {
        _setLast(first);
        header = _close();
        header.journalRoot = keccak256(abi.encode(++_salt));
        _commit(header);
    }

    function _vetoed(Header memory header, NodeProof memory proof) private {
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EpochVetoed(1, _hash(header), ANYONE, true);
        vm.prank(ANYONE);
        registry.challengeNode(header, proof);
        assertEq(registry.lastCommitted(), 0, "back to the predecessor");
        assertTrue(registry.vetoed(_hash(header)), "barred");
    }

    function _stands(Header memory header, NodeProof memory proof) private {
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementRegistry.NoContradiction.selector, header.epoch, proof.section)
        );
        registry.challengeNode(header, proof);
    }

    function _contradict(
        Header memory first,
        Header memory second,
        uint8 section,
        LeafProof memory earlier,
        LeafProof memory later
    ) private {
        vm.prank(ANYONE);
        registry.challengeLeaves(first, second, section, earlier, later);
        assertEq(registry.lastCommitted(), second.epoch - 1, "vetoed");
    }

    function _agree(
        Header memory first,
        Header memory second,
        uint8 section,
        LeafProof memory earlier,
        LeafProof memory later
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementRegistry.NoContradiction.selector, second.epoch, section)
        );
        registry.challengeLeaves(first, second, section, earlier, later);
    }
}
