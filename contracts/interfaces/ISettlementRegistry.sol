// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Header} from "../libraries/EpochHeader.sol";
import {LeafProof, NodeProof} from "../libraries/Fraud.sol";
import {Leaf, Node} from "../libraries/SumTree.sol";

/// @title The header chain of one book: one asset on one chain
interface ISettlementRegistry {
    /// @notice An epoch was anchored. The decoded header makes the chain of headers readable from logs alone.
    event EpochCommitted(uint64 indexed epoch, bytes32 indexed headerHash, Header header);
    /// @notice An epoch became final: its roots stand in the custodians and the tokens are netted.
    event EpochFinalized(uint64 indexed epoch, bytes32 indexed headerHash);
    /// @notice A committed epoch and all after it are dropped, and this header can never be committed again.
    /// @param by Who vetoed it, or who proved it false.
    /// @param proven Whether by a proof (challenge) rather than by a role (veto).
    event EpochVetoed(uint64 indexed epoch, bytes32 indexed headerHash, address indexed by, bool proven);
    /// @notice Tokens came in directly on-chain; the ledger credits them under this number.
    /// @param section 0 for a plain deposit, 1 for a lock, 2 for a stake, 3 for a compute reservation.
    /// @param kind The tier of a stake, the entity type of a reservation, else 0.
    /// @param duration Seconds that a lock or reservation is to last, else 0.
    /// @param ref The agreement, strategy or entity, as the ledger names it; empty for a deposit.
    event EntryMade(
        uint64 indexed seq,
        address indexed depositor,
        uint8 indexed section,
        uint128 amount,
        uint32 kind,
        uint64 duration,
        string ref
    );
    /// @notice An entry that no final epoch credited was paid back after the freeze.
    event EntryRepaid(uint64 indexed seq, address indexed depositor, uint128 amount);
    /// @notice The book is frozen for good: epochs after `lastFinal` are cancelled, and its positions can be escaped with.
    event Frozen(uint64 indexed lastFinal, address by);
    /// @notice Whoever holds this wallet objects to a change of the owner of the positions under this key.
    event WalletCancelled(bytes32 indexed key, address indexed wallet);
    /// @notice The accounts that sign epochs from now on, and how many of them an epoch needs.
    event AttestersSet(address[] attesters, uint8 threshold);

    // Deployment and changes
    /// @notice An account for a role is missing: name one.
    error MissingAccount(bytes32 role);
    /// @notice In a book with a challenge window nobody has two of these roles, and no attester has any: name another.
    error RolesNotSeparate(address account);
    /// @notice A demand must be servable well before it lets anyone freeze: take a shorter window.
    error WindowTooLong(uint64 challengeWindow, uint64 longest);
    /// @notice An epoch needs at least one signature where there is a window, and no more than there are attesters.
    error BadThreshold(uint8 threshold, uint256 attesters);
    /// @notice A book with a token needs a smallest amount, above 0, for which an exit can be demanded.
    error MinimumExitMissing();
    /// @notice A custodian does not know this registry, this token, its section or its counterpart.
    error NotWired(address custodian, uint8 section);

    // Everywhere
    /// @notice The book is frozen: claim payouts, escape with positions, have entries repaid.
    error BookFrozen(uint64 frozenAt);
    /// @notice Only a custodian of this book calls this.
    error OnlyCustodian(address caller);

    // Commit, in the order of the checks
    /// @notice A word of the header has bits above its member's width: encode it as its types say.
    error DirtyHeader();
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
    /// @notice Exactly this header was vetoed or proven false: close the epoch anew.
    error HeaderVetoed(bytes32 headerHash);
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
    /// @notice A section has more leaves than its custodian can count.
    error TooManyLeaves(uint8 section, uint64 count, uint64 most);
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
    /// @notice The epoch can still be challenged and vetoed: finalize it at this time.
    error WindowOpen(uint64 epoch, uint64 until);

    // Veto and challenge
    /// @notice The epoch with this header is not committed, or final already.
    error NotPending(uint64 epoch, bytes32 headerHash);
    /// @notice Only guardian and committer veto; everybody else brings a proof: `challengeNode`, `challengeLeaves`.
    error NotGuardianOrCommitter(address caller);
    /// @notice The header is not that of a committed epoch in the ring.
    error NotInRing(uint64 epoch, bytes32 headerHash);
    /// @notice What was shown agrees with the format, or is not in the header: nothing to veto.
    error NoContradiction(uint64 epoch, uint8 section);

    // Entries, freeze, and claims against older epochs
    /// @notice The header is not that of a final epoch in the ring.
    error NotFinal(uint64 epoch, bytes32 headerHash);
    /// @notice Entries are possible from the first final epoch on: finalize one.
    error EntriesNotOpen();
    /// @notice An entry is of at least one base unit.
    error EmptyEntry();
    /// @notice A name of more than 128 bytes.
    error NameTooLong(uint256 length);
    /// @notice There is no such entry that waits: it was credited in a final epoch, repaid, or never made.
    error NotWaiting(uint64 seq);
    /// @notice The entry waits for less than a week: come back at this time.
    error NotOverdue(uint64 seq, uint64 notBefore);
    /// @notice Entries are repaid from a frozen book only: until then the ledger credits every one of them.
    error BookNotFrozen();

    /// @notice Anchors the successor of the last committed epoch. Committer role, not while paused.
    /// @param previousHeader The last committed header; all zero before the first epoch.
    /// @param header The new header.
    function commit(Header calldata previousHeader, Header calldata header) external;

    /// @notice Makes the oldest committed epoch final: its sections stand in the custodians, and it nets the tokens.
    /// Anyone may call once the challenge window since the commit's block is over, also while paused.
    /// @param header The header committed for epoch `lastFinal + 1`.
    /// @param signatures EIP-712 `Attest(bytes32 headerHash)` (domain Anchorbook, 1, chain id, registry) of at least
    /// `threshold` attesters and nobody else: 65 bytes, low s, signers ascending.
    function finalize(Header calldata header, bytes[] calldata signatures) external;

    /// @notice Drops a committed epoch that is not final, with all after it, for good. Guardian or committer.
    /// @param headerHash The header meant: a transaction that arrives late cannot hit another.
    function veto(uint64 epoch, bytes32 headerHash) external;

    /// @notice Vetoes an epoch by a node of one of its trees that the format does not allow at its place. Anyone.
    /// @param header The header of a committed epoch that is not final.
    function challengeNode(Header calldata header, NodeProof calldata proof) external;

    /// @notice Vetoes an epoch by two leaves of one section that cannot both be true: a cumulative payout that fell, an
    /// index with another key, a key at another index. Anyone.
    /// @param earlierHeader A committed header in the ring, final or not; may be the later one itself.
    /// @param laterHeader The header of a committed epoch that is not final: the one that goes.
    function challengeLeaves(
        Header calldata earlierHeader,
        Header calldata laterHeader,
        uint8 section,
        LeafProof calldata earlier,
        LeafProof calldata later
    ) external;

    /// @notice Freezes the book because an entry was not credited in a final epoch for 7 days. Anyone.
    function freezeForEntry(uint64 seq) external;

    /// @notice Freezes the book because a demand was not served. Custodians only: see {ISettlementCustodian-freeze}.
    function freeze() external;

    /// @notice Counts an entry whose tokens the custodian takes in the same call. Custodian of the section only.
    function recordEntry(
        address depositor,
        uint8 section,
        uint128 amount,
        uint32 kind,
        uint64 duration,
        string calldata ref
    ) external returns (uint64 seq);

    /// @notice Marks an entry as repaid and says to whom the vault pays what. Vault only, in a frozen book.
    function recordRepayment(uint64 seq) external returns (address depositor, uint128 amount);

    /// @notice Objects, as the holder of a wallet, to giving the positions under a key to another owner. Anyone may say
    /// so; it counts where the caller is the owner.
    function cancelWallet(bytes32 key) external;

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

    /// @notice The `depositSeq` of the last final epoch: entries up to it are credited for good.
    function finalDepositSeq() external view returns (uint64);

    /// @notice Base units of all entries above a `depositSeq`.
    function untakenEntries(uint64 depositSeq) external view returns (uint128);

    /// @notice Who made an entry, how much and when it was, and whether it was repaid; all 0 where there is none.
    function entryOf(uint64 seq)
        external
        view
        returns (address depositor, uint128 amount, uint64 madeAt, bool repaid);

    /// @notice Unix seconds of the freeze; 0 while the book works.
    function frozenAt() external view returns (uint64);

    /// @notice Seconds between a commit's block and its finalize in which it can be challenged and vetoed.
    function challengeWindow() external view returns (uint64);

    /// @notice The smallest amount, in base units, for which an exit can be demanded.
    function minimumExit() external view returns (uint128);

    /// @notice Signatures that an epoch needs to become final.
    function threshold() external view returns (uint8);

    /// @notice The accounts whose signatures count.
    function attesters() external view returns (address[] memory);

    /// @notice Whether this header was vetoed or proven false, and so can never be committed again.
    function vetoed(bytes32 headerHash) external view returns (bool);

    /// @notice Reverts unless this is the header of a final epoch in the ring.
    /// @return blockTime Unix seconds of the block that committed it.
    function requireFinal(uint64 epoch, bytes32 headerHash) external view returns (uint64 blockTime);

    /// @notice The book's token; 0 in a book that anchors only.
    function token() external view returns (IERC20);

    /// @notice The contract that answers for a section: its custodian, or this registry in a book without a token.
    function custodianOf(uint8 section) external view returns (address);

    /// @notice What binds a section's leaves to this book.
    function domainOf(uint8 section) external view returns (bytes32);
}
