// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {BookTest} from "./BookTest.t.sol";

/// @notice commit
/// ├── by anyone but the committer → AccessControlUnauthorizedAccount; while paused → EnforcedPause
/// ├── another epoch, predecessor, version, chain or registry → its error
/// ├── the 513th epoch that is not final → TooManyPendingEpochs
/// ├── anything that fell, an entry nobody made, an empty section that is not zero → its error
/// ├── more owed than held → LiabilitiesExceedCustody
/// ├── a word with dirty upper bits → reverts
/// └── else the hash and the block's time stand in the ring and the header in the log
contract RegistryCommitTest is BookTest {
    function test_CommitAnchorsTheHeader() public {
        Header memory first = _nextWith([uint128(900_000 ether), 10 ether, 20 ether, 30 ether, 0]);
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EpochCommitted(1, _hash(first), first);
        _commit(first);
        assertEq(registry.lastCommitted(), 1, "last committed");
        assertEq(registry.lastFinal(), 0, "last final");
        assertEq(registry.headerHashOf(1), _hash(first), "hash");
        assertEq(registry.committedAt(1), block.timestamp, "time");
        assertEq(registry.headerHashOf(2), bytes32(0), "no second");
        assertEq(registry.committedAt(2), 0, "no second");
        assertEq(token.balanceOf(address(vault)), token.SUPPLY(), "a commit moves no token");
    }

    function test_OnlyTheCommitterCommits() public {
        Header memory first = _next();
        address[3] memory others = [ADMIN, GUARDIAN, ANYONE];
        bytes32 role = registry.COMMITTER_ROLE();
        for (uint256 i = 0; i < 3; ++i) {
            bytes4 error_ = IAccessControl.AccessControlUnauthorizedAccount.selector;
            vm.expectRevert(abi.encodeWithSelector(error_, others[i], role));
            vm.prank(others[i]);
            registry.commit(_last(), first);
        }
    }

    function test_PauseStopsCommitsOnly() public {
        Header memory first = _next();
        _commit(first);
        vm.prank(GUARDIAN);
        registry.pause();
        _commitReverts(_next(), abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        _finalize(first);
        assertEq(registry.lastFinal(), 1, "finalize goes on");
        vm.prank(ADMIN);
        registry.unpause();
        _commit(_next());
        assertEq(registry.lastCommitted(), 2, "and commits again");
    }

    function test_GuardianPausesAndAdminUnpauses() public {
        bytes32 guardian = registry.GUARDIAN_ROLE();
        bytes32 admin = registry.DEFAULT_ADMIN_ROLE();
        bytes4 error_ = IAccessControl.AccessControlUnauthorizedAccount.selector;
        vm.expectRevert(abi.encodeWithSelector(error_, COMMITTER, guardian));
        vm.prank(COMMITTER);
        registry.pause();
        vm.prank(GUARDIAN);
        registry.pause();
        vm.expectRevert(abi.encodeWithSelector(error_, GUARDIAN, admin));
        vm.prank(GUARDIAN);
        registry.unpause();
    }

    /// @dev Attack: replayed, stale and reordered commits.
    function test_AttackReplayStaleAndReorderedCommitsFail() public {
        Header memory none = _last();
        Header memory first = _next();
        _commit(first);
        Header memory second = _next();
        bytes4 error_ = ISettlementRegistry.WrongEpoch.selector;
        _commitReverts(none, first, abi.encodeWithSelector(error_, 2, 1));
        _commit(second);
        _commitReverts(first, second, abi.encodeWithSelector(error_, 3, 2));
        Header memory fourth = _next();
        fourth.epoch = 4;
        _commitReverts(fourth, abi.encodeWithSelector(error_, 3, 4));
        fourth.epoch = 0;
        _commitReverts(fourth, abi.encodeWithSelector(error_, 3, 0));
    }

    /// @dev Compare-and-set: a header made for another predecessor cannot act.
    function test_RefusesAnotherPredecessor() public {
        Header memory first = _next();
        Header memory other = _next();
        other.journalRoot = keccak256("another");
        _commit(first);
        bytes4 error_ = ISettlementRegistry.WrongPreviousHeader.selector;
        _commitReverts(other, _next(), abi.encodeWithSelector(error_, _hash(first), _hash(other)));
        Header memory zero;
        _commitReverts(zero, _next(), abi.encodeWithSelector(error_, _hash(first), _hash(zero)));

        Header memory second = _next();
        second.previous = _hash(other);
        error_ = ISettlementRegistry.WrongPrevious.selector;
        _commitReverts(second, abi.encodeWithSelector(error_, _hash(first), _hash(other)));
        second.previous = 0;
        _commitReverts(second, abi.encodeWithSelector(error_, _hash(first), bytes32(0)));
    }

    function test_TheFirstEpochHasNoPredecessor() public {
        Header memory zero;
        assertEq(EpochHeader.NO_HEADER, _hash(zero), "the constant is the hash of a zero header");
        Header memory invented;
        invented.epoch = 7;
        bytes4 error_ = ISettlementRegistry.WrongPreviousHeader.selector;
        _commitReverts(invented, _next(), abi.encodeWithSelector(error_, _hash(zero), _hash(invented)));
        Header memory first = _next();
        first.previous = _hash(zero);
        error_ = ISettlementRegistry.WrongPrevious.selector;
        _commitReverts(first, abi.encodeWithSelector(error_, bytes32(0), _hash(zero)));
    }

    /// @dev Attack: a header of another version, chain or registry.
    function test_AttackForeignHeadersFail() public {
        Header memory header = _next();
        header.version = 2;
        _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.WrongVersion.selector, 1, 2));
        header = _next();
        header.chainId = 1;
        _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.WrongChain.selector, block.chainid, 1));
        header = _next();
        header.registry = address(vault);
        _commitReverts(
            header, abi.encodeWithSelector(ISettlementRegistry.WrongRegistry.selector, address(registry), address(vault))
        );
    }

    /// @dev Attack: backdated commits, and ones from the future.
    function test_AttackBackdatedAndFutureCommitsFail() public {
        Header memory header = _next();
        uint64 latest = uint64(block.timestamp) + 15 minutes;
        header.closedAt = latest + 1;
        _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.ClosedInFuture.selector, latest, latest + 1));
        header.closedAt = latest;
        _commit(header);
        header = _next();
        header.closedAt = latest - 1;
        bytes4 error_ = ISettlementRegistry.ClosedBeforePredecessor.selector;
        _commitReverts(header, abi.encodeWithSelector(error_, latest, latest - 1));
        header.closedAt = latest;
        _commit(header);
    }

    function test_RefusesAJournalThatShrank() public {
        Header memory header = _next();
        header.journalSize = 100;
        _commit(header);
        header = _next();
        header.journalSize = 99;
        _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.JournalShrank.selector, 100, 99));
        header.journalSize = 100;
        _commit(header);
    }

    /// @dev Attack: a falling and an overtaking `depositSeq`.
    function test_AttackFallingAndOvertakingDepositSeqFail() public {
        Header memory header = _next();
        header.depositSeq = 1;
        _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.DepositSeqAhead.selector, 0, 1));
        header.depositSeq = 0;
        _commit(header);
        _finalize(header);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(address(vault));
            registry.recordEntry(ANYONE, 0, 1, 0, 0, "");
        }
        header = _next();
        header.depositSeq = 3;
        _commit(header);
        header = _next();
        header.depositSeq = 2;
        _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.DepositSeqFell.selector, 3, 2));
        header.depositSeq = 4;
        _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.DepositSeqAhead.selector, 3, 4));
    }

    function test_RefusesASectionThatLostLeaves() public {
        Header memory header = _next();
        for (uint64 i = 0; i < 5; ++i) header.sections[i] = Section({root: keccak256("root"), sum: 1, count: 10});
        _commit(header);
        for (uint8 i = 0; i < 5; ++i) {
            header = _next();
            header.sections[i].count = 9;
            _commitReverts(header, abi.encodeWithSelector(ISettlementRegistry.CountFell.selector, i, 10, 9));
        }
    }

    /// @dev Custodians keep 32 bits of a count.
    function test_RefusesASectionOfMoreLeavesThanCustodiansCount() public {
        uint64 most = type(uint32).max;
        for (uint8 i = 0; i < 5; ++i) {
            Header memory header = _next();
            header.sections[i] = Section({root: keccak256("root"), sum: 1, count: most + 1});
            bytes4 error_ = ISettlementRegistry.TooManyLeaves.selector;
            _commitReverts(header, abi.encodeWithSelector(error_, i, most + 1, most));
            header.sections[i].count = type(uint64).max;
            _commitReverts(header, abi.encodeWithSelector(error_, i, type(uint64).max, most));
            header.sections[i].count = most;
            _commit(header);
        }
    }

    function test_RefusesAnEmptySectionThatIsNotZero() public {
        bytes4 error_ = ISettlementRegistry.EmptySectionNotZero.selector;
        for (uint8 i = 0; i < 5; ++i) {
            Header memory header = _next();
            header.sections[i].root = keccak256("root");
            _commitReverts(header, abi.encodeWithSelector(error_, i, keccak256("root"), 0));
            header.sections[i].root = 0;
            header.sections[i].sum = 1;
            _commitReverts(header, abi.encodeWithSelector(error_, i, 0, 1));
        }
    }

    function test_RefusesPayoutsThatFell() public {
        _commit(_nextWith([uint128(0), 0, 0, 0, 5]));
        _commitReverts(
            _nextWith([uint128(0), 0, 0, 0, 4]), abi.encodeWithSelector(ISettlementRegistry.PayoutsFell.selector, 5, 4)
        );
        _commit(_nextWith([uint128(9), 0, 0, 0, 5]));
    }

    /// @dev R4 at commit.
    function test_R4_RefusesMoreOwedThanHeld() public {
        uint128 supply = uint128(token.SUPPLY());
        bytes4 error_ = ISettlementRegistry.LiabilitiesExceedCustody.selector;
        for (uint256 i = 0; i < 5; ++i) {
            uint128[5] memory sums;
            sums[i] = supply + 1;
            _commitReverts(_nextWith(sums), abi.encodeWithSelector(error_, supply + 1, supply));
        }
        uint128[5] memory spread = [supply - 4, 1, 1, 1, 2];
        _commitReverts(_nextWith(spread), abi.encodeWithSelector(error_, supply + 1, supply));
        spread[4] = 1;
        _commit(_nextWith(spread));
    }

    /// @dev Attack: sums that wrap when added up.
    function test_AttackWrappingSumsFail() public {
        uint128 max = type(uint128).max;
        bytes4 error_ = ISettlementRegistry.LiabilitiesExceedCustody.selector;
        Header memory header = _nextWith([max, max, max, max, max]);
        _commitReverts(header, abi.encodeWithSelector(error_, 5 * uint256(max), token.SUPPLY()));
        header = _nextWith([max, 1, 0, 0, 0]); // 2^128: 0 in 128 bits
        _commitReverts(header, abi.encodeWithSelector(error_, uint256(max) + 1, token.SUPPLY()));
    }

    /// @dev Attack: dirty upper bits, by which two different calldata could carry one header.
    function test_AttackDirtyCalldataWordsFail() public {
        Header memory header = _nextWith([uint128(5), 4, 3, 2, 1]);
        bytes memory clean = abi.encodeCall(registry.commit, (_last(), header));
        // version, registry, epoch, journalSize, depositSeq, closedAt; then sum and count of each section
        uint8[16] memory words = [0, 2, 3, 21, 22, 24, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19];
        for (uint256 i = 0; i < words.length; ++i) {
            for (uint256 argument = 0; argument < 2; ++argument) {
                bytes memory dirty = bytes.concat(clean);
                dirty[4 + argument * 800 + uint256(words[i]) * 32] = 0x01;
                vm.prank(COMMITTER);
                (bool ok, bytes memory answer) = address(registry).call(dirty);
                assertFalse(ok, "dirty word");
                // Reading some of them would revert too: what is hashed is clean whatever is read.
                if (argument == 1) {
                    assertEq(bytes32(bytes4(answer)), bytes32(ISettlementRegistry.DirtyHeader.selector), "error");
                }
            }
        }
        vm.prank(COMMITTER);
        (bool fine,) = address(registry).call(clean);
        assertTrue(fine, "clean words");
    }

    /// @dev Attack: overwriting a slot that is not final.
    function test_R1_AttackOverwritingASlotThatIsNotFinalFails() public {
        Header memory first = _next();
        _commit(first);
        for (uint256 i = 2; i <= 512; ++i) _commit(_next());
        _commitReverts(_next(), abi.encodeWithSelector(ISettlementRegistry.TooManyPendingEpochs.selector, 513, 0));
        _finalize(first);
        _commit(_next());
        _commitReverts(_next(), abi.encodeWithSelector(ISettlementRegistry.TooManyPendingEpochs.selector, 514, 1));
    }

    /// @dev R1. Slots are reused in turn, and only by epochs whose slot's former owner is long final.
    function test_R1_TheRingTurns() public {
        Header memory second;
        for (uint256 i = 1; i <= 1026; ++i) {
            Header memory header = _next();
            if (i == 2) second = header;
            _commit(header);
            _finalize(header);
        }
        assertEq(registry.headerHashOf(1), bytes32(0), "epoch 1 left");
        assertEq(registry.headerHashOf(2), bytes32(0), "epoch 2 left");
        assertEq(registry.committedAt(2), 0, "epoch 2 left");
        assertTrue(registry.headerHashOf(3) != 0, "epoch 3 is the oldest");
        assertEq(registry.headerHashOf(1026), _hash(_last()), "the newest");
        assertEq(registry.headerHashOf(1027), bytes32(0), "none after it");
    }
}
