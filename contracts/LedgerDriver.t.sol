// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {LeafProof} from "./libraries/Fraud.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {BookDriver} from "./BookTest.t.sol";

/// @notice A small ledger behind a book: positions with owners, closed into epochs with real trees, and the proofs of
/// every epoch it ever closed.
abstract contract LedgerDriver is BookDriver {
    address internal constant ALICE = address(0xA11CE);
    address internal constant BOB = address(0xB0B);

    mapping(uint8 section => Leaf[]) internal positions;
    uint64 internal depositSeq;
    uint256 private _closings;
    mapping(uint64 epoch => bytes header) private _headers;
    mapping(uint64 epoch => mapping(uint8 section => bytes leaves)) private _closed;

    /// @dev A new position; its key is the hash of its section and index.
    function _open(uint8 section, address owner, uint128 amount, uint64 validUntil) internal returns (uint64 index) {
        index = uint64(positions[section].length);
        positions[section].push(
            Leaf({
                index: index,
                owner: owner,
                key: keccak256(abi.encode("position", section, index)),
                amount: amount,
                validUntil: validUntil,
                kind: 0,
                quantity: 0
            })
        );
    }

    function _open(uint8 section, address owner, uint128 amount) internal returns (uint64) {
        return _open(section, owner, amount, 0);
    }

    function _key(uint8 section, uint64 index) internal view returns (bytes32) {
        return positions[section][index].key;
    }

    /// @dev The successor of the last committed header, over the positions as they are now.
    function _close() internal returns (Header memory header) {
        header = _next();
        // The journal grows between any two closings, also of the same number.
        header.journalRoot = keccak256(abi.encode("journal", ++_closings));
        header.depositSeq = depositSeq;
        for (uint8 section = 0; section < 5; ++section) {
            Leaf[] memory leaves = positions[section];
            (header.sections[section],) = _tree(section, leaves, 0);
            _closed[header.epoch][section] = abi.encode(leaves);
        }
        _headers[header.epoch] = abi.encode(header);
    }

    /// @dev Closes and commits.
    function _commitEpoch() internal returns (Header memory header) {
        header = _close();
        _commit(header);
    }

    /// @dev Closes, commits, waits for the window and makes final.
    function _settleEpoch() internal returns (Header memory header) {
        header = _commitEpoch();
        if (registry.challengeWindow() != 0) _pass(registry.challengeWindow());
        _finalize(header);
    }

    function _pass(uint256 seconds_) internal {
        vm.warp(block.timestamp + seconds_);
    }

    /// @dev The header closed last under this number.
    function _header(uint64 epoch) internal view returns (Header memory) {
        return abi.decode(_headers[epoch], (Header));
    }

    /// @dev A leaf as the epoch closed last under this number has it.
    function _proof(uint64 epoch, uint8 section, uint64 index)
        internal
        view
        returns (Leaf memory leaf, Node[] memory siblings)
    {
        Leaf[] memory leaves = abi.decode(_closed[epoch][section], (Leaf[]));
        (, siblings) = _tree(section, leaves, index);
        leaf = leaves[index];
    }

    function _leafProof(uint64 epoch, uint8 section, uint64 index) internal view returns (LeafProof memory proof) {
        (proof.leaf, proof.siblings) = _proof(epoch, section, index);
    }

    function _custodian(uint8 section) internal view returns (ISettlementCustodian) {
        return ISettlementCustodian(registry.custodianOf(section));
    }

    /// @dev Claims what an epoch's payouts leaf says, as `caller`.
    function _claim(address caller, uint64 epoch, uint64 index) internal returns (uint128) {
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, EpochHeader.PAYOUTS, index);
        vm.prank(caller);
        return vault.claim(epoch, leaf, siblings);
    }

    function _claimReverts(address caller, uint64 epoch, uint64 index, bytes memory error_) internal {
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, EpochHeader.PAYOUTS, index);
        vm.expectRevert(error_);
        vm.prank(caller);
        vault.claim(epoch, leaf, siblings);
    }

    /// @dev Demands, as `caller`, a position of the last closed epoch.
    function _demand(address caller, uint8 section, uint64 index) internal returns (uint64) {
        (Leaf memory leaf, Node[] memory siblings) = _proof(registry.lastFinal(), section, index);
        ISettlementCustodian custodian = _custodian(section);
        vm.prank(caller);
        return custodian.demandExit(section, leaf, siblings);
    }

    function _demandReverts(address caller, uint8 section, uint64 index, bytes memory error_) internal {
        (Leaf memory leaf, Node[] memory siblings) = _proof(registry.lastFinal(), section, index);
        ISettlementCustodian custodian = _custodian(section);
        vm.expectRevert(error_);
        vm.prank(caller);
        custodian.demandExit(section, leaf, siblings);
    }

    function _serve(uint64 epoch, uint8 section, uint64 index) internal {
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, section, index);
        Header memory header = _header(epoch);
        ISettlementCustodian custodian = _custodian(section);
        vm.prank(ANYONE);
        custodian.serve(section, header, leaf, siblings);
    }

    function _serveReverts(uint64 epoch, uint8 section, uint64 index, bytes memory error_) internal {
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, section, index);
        Header memory header = _header(epoch);
        ISettlementCustodian custodian = _custodian(section);
        vm.expectRevert(error_);
        vm.prank(ANYONE);
        custodian.serve(section, header, leaf, siblings);
    }

    function _escape(uint8 section, uint64 index) internal {
        (Leaf memory leaf, Node[] memory siblings) = _proof(registry.lastFinal(), section, index);
        ISettlementCustodian custodian = _custodian(section);
        vm.prank(ANYONE);
        custodian.escape(section, leaf, siblings);
    }

    function _escapeReverts(uint8 section, uint64 index, bytes memory error_) internal {
        (Leaf memory leaf, Node[] memory siblings) = _proof(registry.lastFinal(), section, index);
        ISettlementCustodian custodian = _custodian(section);
        vm.expectRevert(error_);
        vm.prank(ANYONE);
        custodian.escape(section, leaf, siblings);
    }

    /// @dev Moves a due position into its owner's payouts, as the sweep of a demand does.
    function _sweep(uint8 section, uint64 index, uint64 payout) internal {
        positions[EpochHeader.PAYOUTS][payout].amount += positions[section][index].amount;
        positions[section][index].amount = 0;
    }

    /// @dev Freezes the book for a demand that nobody serves.
    function _freezeFor(uint8 section, uint64 index) internal {
        ISettlementCustodian custodian = _custodian(section);
        (,, uint64 due,) = custodian.demandOf(section, index);
        uint256 overdueAt = uint256(due) + 7 days;
        vm.warp(block.timestamp < overdueAt ? overdueAt : block.timestamp);
        vm.prank(ANYONE);
        custodian.requestFreeze(section, index);
        _pass(24 hours);
        vm.prank(ANYONE);
        custodian.freeze(section, index);
    }

    /// @dev Gives a wallet tokens to enter with: a payout that is claimed.
    function _fund(address wallet, uint128 amount) internal {
        uint64 index = _open(EpochHeader.PAYOUTS, wallet, amount);
        _settleEpoch();
        _claim(ANYONE, registry.lastFinal(), index);
    }
}

/// @notice A test that starts with a ledger behind a book.
abstract contract LedgerTest is LedgerDriver {
    function setUp() public virtual {
        _deployBook();
    }
}
