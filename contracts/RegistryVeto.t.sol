// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {WindowTest} from "./RegistryAttest.t.sol";

/// @notice veto
/// ├── by anyone but guardian and committer → NotGuardianOrCommitter
/// ├── an epoch that is not committed, is final, or has another header → NotPending
/// └── else it and its descendants are gone, and its header can never be committed again
contract RegistryVetoTest is WindowTest {
    function test_GuardianAndCommitterVeto() public {
        address[2] memory callers = [GUARDIAN, COMMITTER];
        for (uint256 i = 0; i < 2; ++i) {
            Header memory header = _close();
            header.dataHash = keccak256(abi.encode("vetoed by", callers[i]));
            Header memory before = _last();
            _commit(header);
            vm.expectEmit(address(registry));
            emit ISettlementRegistry.EpochVetoed(1, _hash(header), callers[i], false);
            _veto(callers[i], header);
            assertEq(registry.lastCommitted(), 0, "back to the predecessor");
            assertEq(registry.headerHashOf(1), bytes32(0), "out of the ring");
            assertEq(registry.committedAt(1), 0, "out of the ring");
            assertTrue(registry.vetoed(_hash(header)), "barred");
            _setLast(before);
        }
    }

    function test_NobodyElseVetoes() public {
        Header memory header = _commitEpoch();
        address[4] memory callers = [ADMIN, ANYONE, vm.addr(_keys()[0]), address(vault)];
        for (uint256 i = 0; i < 4; ++i) {
            bytes4 error_ = ISettlementRegistry.NotGuardianOrCommitter.selector;
            _vetoReverts(callers[i], 1, _hash(header), abi.encodeWithSelector(error_, callers[i]));
        }
    }

    function test_AVetoHitsOneHeaderOnly() public {
        Header memory header = _commitEpoch();
        bytes4 error_ = ISettlementRegistry.NotPending.selector;
        bytes32 other = keccak256("another");
        _vetoReverts(GUARDIAN, 1, other, abi.encodeWithSelector(error_, 1, other));
        _vetoReverts(GUARDIAN, 2, _hash(header), abi.encodeWithSelector(error_, 2, _hash(header)));
        _vetoReverts(GUARDIAN, 2, 0, abi.encodeWithSelector(error_, 2, 0));
        _vetoReverts(GUARDIAN, 0, 0, abi.encodeWithSelector(error_, 0, 0));
    }

    /// @dev Attack: a veto racing a finalize. Whichever is mined first stands, and the other reverts.
    function test_AttackVetoRacingAFinalizeFails() public {
        Header memory first = _commitEpoch();
        _pass(1 days);
        _finalize(first);
        bytes4 error_ = ISettlementRegistry.NotPending.selector;
        _vetoReverts(GUARDIAN, 1, _hash(first), abi.encodeWithSelector(error_, 1, _hash(first)));

        Header memory second = _commitEpoch();
        _pass(1 days);
        _veto(GUARDIAN, second);
        bytes[] memory signatures = _signatures(second);
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.NotNextToFinalize.selector, 2, 2, 1));
        registry.finalize(second, signatures);
        assertEq(registry.lastFinal(), 1, "the vetoed epoch is not final");
    }

    function test_DescendantsGoWithAVetoedEpoch() public {
        Header memory first = _settleEpoch();
        Header memory second = _commitEpoch();
        Header memory third = _commitEpoch();
        Header memory fourth = _commitEpoch();
        _veto(GUARDIAN, second);
        assertEq(registry.lastCommitted(), 1, "back to the first");
        for (uint64 epoch = 2; epoch <= 4; ++epoch) assertEq(registry.headerHashOf(epoch), bytes32(0), "dropped");
        bytes4 error_ = ISettlementRegistry.WrongEpoch.selector;
        _commitReverts(second, third, abi.encodeWithSelector(error_, 2, 3));
        _commitReverts(third, fourth, abi.encodeWithSelector(error_, 2, 4));
        _setLast(first);
        Header memory again = _close();
        again.journalSize += 1;
        _commit(again);
        assertEq(registry.headerHashOf(2), _hash(again), "the number is used again");
        // A dropped header names a predecessor that is barred, so it never fits again.
        error_ = ISettlementRegistry.WrongPrevious.selector;
        _commitReverts(again, third, abi.encodeWithSelector(error_, _hash(again), _hash(second)));
    }

    /// @dev Attack: the committer commits once more what was vetoed.
    function test_AttackCommittingAVetoedHeaderAgainFails() public {
        Header memory header = _close();
        _commit(header);
        _veto(GUARDIAN, header);
        Header memory none;
        _commitReverts(none, header, abi.encodeWithSelector(ISettlementRegistry.HeaderVetoed.selector, _hash(header)));
    }

    /// @dev Attack: overwriting a slot that is not final, or one that a proof still needs, by epochs that are dropped.
    function test_AttackDroppedEpochsAreNotFoundUnderOldNumbers() public {
        for (uint256 i = 1; i <= 600; ++i) {
            if (i > 512) _finalizeOldest();
            _commit(_next());
            if (i == 512) _pass(1 days);
        }
        _pass(1 days);
        while (registry.lastFinal() < 600) _finalizeOldest();
        Header memory base = _last();
        Header memory vetoedOne = _next();
        _commit(vetoedOne);
        for (uint256 i = 1; i < 500; ++i) _commit(_next());
        assertEq(registry.headerHashOf(76), bytes32(0), "1,024 later its slot was taken");
        _veto(GUARDIAN, vetoedOne);
        _setLast(base);
        assertEq(registry.lastCommitted(), 600, "back");
        assertEq(registry.headerHashOf(76), bytes32(0), "a dropped epoch's hash is not this one's");
        assertEq(registry.committedAt(76), 0, "nor its time");
        assertEq(registry.headerHashOf(1100), bytes32(0), "nor its own");
        assertTrue(registry.headerHashOf(77) != 0, "what was not overwritten stands");
    }

    mapping(uint64 => bytes) private _pending;

    function _finalizeOldest() private {
        _finalize(abi.decode(_pending[registry.lastFinal() + 1], (Header)));
    }

    function _commit(Header memory header) internal override {
        super._commit(header);
        _pending[header.epoch] = abi.encode(header);
    }

    function test_VetoesWorkWhilePaused() public {
        Header memory header = _commitEpoch();
        vm.prank(GUARDIAN);
        registry.pause();
        _veto(GUARDIAN, header);
        assertEq(registry.lastCommitted(), 0, "vetoed");
    }

    /// @dev A proof against a vetoed epoch is worth nothing.
    function test_AVetoedEpochProvesNothing() public {
        _open(EpochHeader.LOCKS, ALICE, 5 ether);
        Header memory header = _commitEpoch();
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, EpochHeader.LOCKS, 0);
        assertTrue(registry.verifyIn(header, EpochHeader.LOCKS, leaf, siblings), "committed");
        _veto(GUARDIAN, header);
        assertFalse(registry.verifyIn(header, EpochHeader.LOCKS, leaf, siblings), "vetoed");
    }

    function _veto(address caller, Header memory header) private {
        bytes32 headerHash = _hash(header);
        vm.prank(caller);
        registry.veto(header.epoch, headerHash);
    }

    function _vetoReverts(address caller, uint64 epoch, bytes32 headerHash, bytes memory error_) private {
        vm.expectRevert(error_);
        vm.prank(caller);
        registry.veto(epoch, headerHash);
    }
}
