// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Header} from "../libraries/EpochHeader.sol";
import {Leaf, Node} from "../libraries/SumTree.sol";

/// @title The header chain of one book: one asset on one chain
interface ISettlementRegistry {
    /// @notice An epoch was anchored. The decoded header makes the chain of headers readable from logs alone.
    event EpochCommitted(uint64 indexed epoch, bytes32 indexed headerHash, Header header);
    /// @notice An epoch became final: its roots stand in the custodians and the tokens are netted.
    event EpochFinalized(uint64 indexed epoch, bytes32 indexed headerHash);

    // Deployment
    /// @notice An account for a role is missing.
    error MissingAccount(bytes32 role);
    /// @notice Epochs of this version become final without a challenge window.
    error ChallengeWindowNotSupported(uint64 challengeWindow);
    /// @notice Epochs of this version become final without attesters.
    error AttestersNotSupported(uint256 attesters, uint8 threshold);
    /// @notice A custodian does not know this registry, this token, its section or its counterpart.
    error NotWired(address custodian, uint8 section);

    // Commit, in the order of the checks
    /// @notice The header is not the successor of the last committed one; a repeated or stale transaction ends here.
    error WrongEpoch(uint64 expected, uint64 actual);
    /// @notice The first argument is not the last committed header (or, before the first epoch, not all zero).
    error WrongPreviousHeader(bytes32 expected, bytes32 actual);
    /// @notice The header names another predecessor.
    error WrongPrevious(bytes32 expected, bytes32 actual);
    /// @notice Another format version.
    error WrongVersion(uint32 expected, uint32 actual);
    /// @notice A header for another chain.
    error WrongChain(uint256 expected, uint256 actual);
    /// @notice A header for another registry.
    error WrongRegistry(address expected, address actual);
    /// @notice 512 epochs already wait to become final.
    error TooManyPendingEpochs(uint64 epoch, uint64 lastFinal);
    /// @notice The epoch claims to have closed before its predecessor.
    error ClosedBeforePredecessor(uint64 previousClosedAt, uint64 closedAt);
    /// @notice The epoch claims to close more than 15 minutes after this block.
    error ClosedInFuture(uint64 latest, uint64 closedAt);
    /// @notice The journal lost lines.
    error JournalShrank(uint64 previousSize, uint64 size);
    /// @notice Credited entries were taken back.
    error DepositSeqFell(uint64 previousSeq, uint64 seq);
    /// @notice More entries credited than were made.
    error DepositSeqAhead(uint64 lastEntry, uint64 seq);
    /// @notice A section lost leaves; a closed position keeps its leaf at amount 0.
    error CountFell(uint8 section, uint64 previousCount, uint64 count);
    /// @notice A section without leaves has a root or a sum.
    error EmptySectionNotZero(uint8 section, bytes32 root, uint128 sum);
    /// @notice Cumulative payouts fell.
    error PayoutsFell(uint128 previousSum, uint128 sum);
    /// @notice The sections owe more than the custodians hold.
    error LiabilitiesExceedCustody(uint256 owed, uint256 held);

    // Finalize
    /// @notice Epochs become final in order, and only committed ones.
    error NotNextToFinalize(uint64 expected, uint64 actual, uint64 lastCommitted);
    /// @notice The header is not the one committed for its epoch.
    error WrongHeader(uint64 epoch, bytes32 expected, bytes32 actual);
    /// @notice Signatures were given where this book has no attesters.
    error UnexpectedSignatures(uint256 signatures);

    /// @notice Anchors the successor of the last committed epoch. Committer role, not while paused.
    /// @param previousHeader The last committed header; all zero before the first epoch.
    /// @param header The new header.
    function commit(Header calldata previousHeader, Header calldata header) external;

    /// @notice Makes the oldest committed epoch final: writes its roots to the custodians and nets the tokens.
    /// Anyone may call, also while paused.
    /// @param header The header committed for epoch `lastFinal + 1`.
    /// @param signatures Attester signatures; must be empty in a book without attesters.
    function finalize(Header calldata header, bytes[] calldata signatures) external;

    /// @notice Whether the leaf is in the section of this header, and the header is one of the last 1,024 committed.
    /// Never reverts on a well-formed question.
    /// @param section 0 balances, 1 locks, 2 stakes, 3 compute, 4 payouts.
    /// @param siblings The other child at each level, leaf level first.
    function verifyIn(Header calldata header, uint8 section, Leaf calldata leaf, Node[] calldata siblings)
        external
        view
        returns (bool);

    /// @notice The header hash anchored for an epoch; 0 where it is not committed or has left the ring.
    function headerHashOf(uint64 epoch) external view returns (bytes32);

    /// @notice Unix seconds of the block that committed an epoch; 0 where it is not committed or has left the ring.
    function committedAt(uint64 epoch) external view returns (uint64);

    /// @notice The last committed epoch, 0 before the first.
    function lastCommitted() external view returns (uint64);

    /// @notice The last final epoch, 0 before the first.
    function lastFinal() external view returns (uint64);

    /// @notice Base units ever paid out by claims; part of the payouts sum that is no longer owed.
    function totalPaid() external view returns (uint128);

    /// @notice Number of the last direct on-chain entry.
    function lastEntry() external view returns (uint64);

    /// @notice The book's token; 0 in a book that anchors only.
    function token() external view returns (IERC20);

    /// @notice The contract that answers for a section: its custodian, or this registry in a book without a token.
    function custodianOf(uint8 section) external view returns (address);

    /// @notice What binds a section's leaves to this book.
    function domainOf(uint8 section) external view returns (bytes32);
}
