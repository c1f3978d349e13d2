// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {FinalSections} from "./libraries/FinalSection.sol";

/// @title Which epochs stand
/// @notice The chain of headers in a ring of reused slots: what may follow, what is committed, final, dropped.
/// @dev The states of an epoch:
///
///   from        by                                    to          when
///   none        commit, committer                     committed   the successor of the last committed, not paused
///   committed   finalize, anyone                      final       the oldest pending, window over, k signatures
///   committed   veto, guardian or committer           vetoed      it and all after it go; its hash is barred for good
///   committed   challengeNode, -Leaves, anyone        vetoed      by a proof from committed data; likewise
///   committed   freeze (any)                          cancelled   it and all after it go
///   final                                                         for ever; 1,024 commits later out of the ring
///
/// A vetoed epoch's number is committed anew, with another header. The states of the book:
///
///   from        by                                    to          what works
///   working     pause, guardian                       paused      all but commit and entries
///   paused      unpause, admin                        working     everything
///   both        freeze, custodian: unserved demand    frozen      claim, escape, repayEntry and every view
///   both        freezeForEntry, anyone                frozen      an entry of 7 days above the final depositSeq
///   frozen                                                        for ever
///
/// Invariants, each tested under its number:
/// R1 `lastFinal <= lastCommitted <= lastFinal + 512`, so a ring slot is reused only for an epoch that is long final.
/// R2 every committed header names the hash of its predecessor: the chain has no gap and no fork.
/// R3 nothing that only grows ever falls from one header to the next: counts, journal, entries, payouts, closing time.
abstract contract EpochRing is ISettlementRegistry, Pausable {
    using EpochHeader for Header;

    /// @dev One committed epoch. The slot of epoch n is reused by epoch n + RING_SLOTS, also by one that is vetoed later.
    struct Slot {
        bytes32 headerHash;
        uint64 committedAt;
        uint64 epoch;
    }

    /// @notice Number of epochs whose headers can be proven against.
    uint64 public constant RING_SLOTS = 1024;
    /// @notice Number of epochs that may wait to become final.
    uint64 public constant MAX_PENDING = 512;
    /// @notice How far, in seconds, an epoch's closing time may be ahead of the block that commits it.
    uint64 public constant MAX_CLOCK_SKEW = 15 minutes;

    // Packed behind Pausable's flag: one word, the only one that every commit and finalize reads and writes. 40 bits
    // number an epoch a second for 34,000 years.
    uint40 internal _lastCommitted;
    uint40 internal _lastFinal;
    uint40 internal _lastEntry;
    uint40 internal _finalDepositSeq;
    uint40 internal _frozenAt;
    /// @inheritdoc ISettlementRegistry
    uint8 public threshold;

    Slot[RING_SLOTS] private _ring;
    /// @inheritdoc ISettlementRegistry
    mapping(bytes32 headerHash => bool) public vetoed;

    modifier whenNotFrozen() {
        if (_frozenAt != 0) revert BookFrozen(_frozenAt);
        _;
    }

    /// @inheritdoc ISettlementRegistry
    function lastCommitted() external view returns (uint64) {
        return _lastCommitted;
    }

    /// @inheritdoc ISettlementRegistry
    function lastFinal() external view returns (uint64) {
        return _lastFinal;
    }

    /// @inheritdoc ISettlementRegistry
    function headerHashOf(uint64 epoch) external view returns (bytes32) {
        return _inRing(epoch) ? _ring[epoch % RING_SLOTS].headerHash : bytes32(0);
    }

    /// @inheritdoc ISettlementRegistry
    function committedAt(uint64 epoch) external view returns (uint64) {
        return _inRing(epoch) ? _ring[epoch % RING_SLOTS].committedAt : 0;
    }

    /// @inheritdoc ISettlementRegistry
    function requireFinal(uint64 epoch, bytes32 headerHash) external view returns (uint64 blockTime) {
        if (epoch > _lastFinal || !_isCommitted(epoch, headerHash)) revert NotFinal(epoch, headerHash);
        return _ring[epoch % RING_SLOTS].committedAt;
    }

    /// @inheritdoc ISettlementRegistry
    function frozenAt() external view returns (uint64) {
        return _frozenAt;
    }

    /// @dev R1 to R3: everything that makes a header the successor of the last committed one, but for its veto.
    function _requireSuccessor(Header calldata previousHeader, Header calldata header) internal view {
        if (!header.isClean()) revert DirtyHeader();
        (uint64 last, uint64 final_) = (_lastCommitted, _lastFinal);
        if (header.epoch != last + 1) revert WrongEpoch(last + 1, header.epoch);
        _requirePredecessor(last, previousHeader, header);
        if (header.version != EpochHeader.VERSION) revert WrongVersion(EpochHeader.VERSION, header.version);
        if (header.chainId != block.chainid) revert WrongChain(block.chainid, header.chainId);
        if (header.registry != address(this)) revert WrongRegistry(address(this), header.registry);
        if (header.epoch > final_ + MAX_PENDING) revert TooManyPendingEpochs(header.epoch, final_);
        _requireGrowth(previousHeader, header);
    }

    /// @dev Commits a header that is the successor.
    function _append(Header calldata header) internal {
        bytes32 headerHash = header.hash();
        // Only a number that was committed before, and dropped, can have a vetoed header; its slot still shows it.
        Slot storage slot = _ring[header.epoch % RING_SLOTS];
        if (slot.epoch == header.epoch && vetoed[headerHash]) revert HeaderVetoed(headerHash);

        _lastCommitted = uint40(header.epoch);
        (slot.headerHash, slot.committedAt, slot.epoch) = (headerHash, uint64(block.timestamp), header.epoch);
        header.emitCommitted(EpochCommitted.selector, headerHash);
    }

    /// @dev The oldest pending epoch, and only with the header that was committed for it.
    function _requireNextToFinalize(Header calldata header)
        internal
        view
        returns (uint64 next, bytes32 headerHash, Slot storage slot)
    {
        next = uint64(_lastFinal) + 1;
        if (header.epoch != next || next > _lastCommitted) {
            revert NotNextToFinalize(next, header.epoch, _lastCommitted);
        }
        slot = _ring[next % RING_SLOTS];
        headerHash = header.hash();
        if (headerHash != slot.headerHash) revert WrongHeader(next, slot.headerHash, headerHash);
    }

    function _isCommitted(uint64 epoch, bytes32 headerHash) internal view returns (bool) {
        return _inRing(epoch) && _ring[epoch % RING_SLOTS].headerHash == headerHash;
    }

    function _requirePending(uint64 epoch, bytes32 headerHash) internal view {
        if (epoch <= _lastFinal || !_isCommitted(epoch, headerHash)) revert NotPending(epoch, headerHash);
    }

    /// @dev Steps back to the predecessor: the epoch's descendants go with it, its slots are written anew.
    function _drop(uint64 epoch, bytes32 headerHash, bool proven) internal {
        vetoed[headerHash] = true;
        _lastCommitted = uint40(epoch - 1);
        emit EpochVetoed(epoch, headerHash, msg.sender, proven);
    }

    /// @dev Every epoch that is not final goes, and none follows.
    function _freeze() internal {
        _frozenAt = uint40(block.timestamp);
        _lastCommitted = _lastFinal;
        emit Frozen(_lastFinal, msg.sender);
    }

    /// @dev R2. Compare-and-set: a transaction made on another predecessor cannot act.
    function _requirePredecessor(uint64 last, Header calldata previousHeader, Header calldata header) private view {
        bytes32 previousHash = previousHeader.hash();
        bytes32 expectedHash = last == 0 ? EpochHeader.NO_HEADER : _ring[last % RING_SLOTS].headerHash;
        if (previousHash != expectedHash) revert WrongPreviousHeader(expectedHash, previousHash);
        bytes32 expectedLink = last == 0 ? bytes32(0) : expectedHash;
        if (header.previous != expectedLink) revert WrongPrevious(expectedLink, header.previous);
    }

    /// @dev R3, and the width of what custodians keep.
    function _requireGrowth(Header calldata previous, Header calldata header) private view {
        if (header.closedAt < previous.closedAt) revert ClosedBeforePredecessor(previous.closedAt, header.closedAt);
        uint64 latest = uint64(block.timestamp) + MAX_CLOCK_SKEW;
        if (header.closedAt > latest) revert ClosedInFuture(latest, header.closedAt);
        if (header.journalSize < previous.journalSize) revert JournalShrank(previous.journalSize, header.journalSize);
        if (header.depositSeq < previous.depositSeq) revert DepositSeqFell(previous.depositSeq, header.depositSeq);
        if (header.depositSeq > _lastEntry) revert DepositSeqAhead(_lastEntry, header.depositSeq);
        Section[5] calldata before = previous.sections;
        Section[5] calldata sections = header.sections;
        for (uint8 i = 0; i < EpochHeader.SECTIONS; ++i) {
            (uint64 countBefore, uint64 count) = (before[i].count, sections[i].count);
            if (count < countBefore) revert CountFell(i, countBefore, count);
            if (count > FinalSections.MOST_LEAVES) revert TooManyLeaves(i, count, FinalSections.MOST_LEAVES);
            if (count == 0 && (sections[i].root != 0 || sections[i].sum != 0)) {
                revert EmptySectionNotZero(i, sections[i].root, sections[i].sum);
            }
        }
        uint128 paidBefore = before[EpochHeader.PAYOUTS].sum;
        uint128 paid = sections[EpochHeader.PAYOUTS].sum;
        if (paid < paidBefore) revert PayoutsFell(paidBefore, paid);
    }

    /// @dev A slot that a dropped epoch took holds that epoch's number, not its former owner's.
    function _inRing(uint64 epoch) private view returns (bool) {
        return epoch != 0 && epoch <= _lastCommitted && _ring[epoch % RING_SLOTS].epoch == epoch;
    }
}
