// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ISectionCustodian, ISettlementCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node, SumTree} from "./libraries/SumTree.sol";

/// @title SettlementRegistry
/// @notice Anchors the epochs of one book and nets its tokens. It is deployed last and refuses to exist unless every
/// custodian is wired to it. A book without a token (token and custodians all 0) anchors and holds nothing.
/// @dev Invariants, each tested under its number:
/// R1 `lastFinal <= lastCommitted <= lastFinal + 512`, so a ring slot is reused only for an epoch that is long final.
/// R2 every committed header names the hash of its predecessor: the chain has no gap and no fork.
/// R3 nothing that only grows ever falls from one header to the next: counts, journal, entries, payouts, closing time.
/// R4 at every commit and every finalize, what the sections owe is at most what the custodians hold.
/// R5 after a finalize escrow, staking and reserve hold exactly their sections' sums, and the vault the rest.
/// R6 a finalize moves each custodian's tokens at most once, whatever the number of positions.
contract SettlementRegistry is ISettlementRegistry, AccessControl, Pausable, ReentrancyGuardTransient {
    using EpochHeader for Header;

    /// @notice The accounts that get the three roles at deployment.
    struct Roles {
        address admin;
        address committer;
        address guardian;
    }

    /// @notice The custodians of balances and payouts, locks, stakes and compute.
    struct Custodians {
        ISettlementVault vault;
        ISectionCustodian escrow;
        ISectionCustodian staking;
        ISectionCustodian reserve;
    }

    /// @dev One committed epoch. The slot of epoch n is reused by epoch n + RING_SLOTS.
    struct Slot {
        bytes32 headerHash;
        uint64 committedAt;
    }

    /// @notice May commit epochs.
    bytes32 public constant COMMITTER_ROLE = keccak256("COMMITTER_ROLE");
    /// @notice May pause commits. The admin ends a pause.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @notice Number of epochs whose headers can be proven against.
    uint64 public constant RING_SLOTS = 1024;
    /// @notice Number of epochs that may wait to become final.
    uint64 public constant MAX_PENDING = 512;
    /// @notice How far, in seconds, an epoch's closing time may be ahead of the block that commits it.
    uint64 public constant MAX_CLOCK_SKEW = 15 minutes;

    /// @inheritdoc ISettlementRegistry
    IERC20 public immutable token;
    /// @notice Custodian of balances and payouts.
    ISettlementVault public immutable vault;
    /// @notice Custodian of locks.
    ISectionCustodian public immutable escrow;
    /// @notice Custodian of stakes.
    ISectionCustodian public immutable staking;
    /// @notice Custodian of compute reservations.
    ISectionCustodian public immutable reserve;

    // Packed behind Pausable's flag: one word.
    /// @inheritdoc ISettlementRegistry
    uint64 public lastCommitted;
    /// @inheritdoc ISettlementRegistry
    uint64 public lastFinal;

    // One word. Claims and direct entries come with a later version and are what changes these; until then both are 0.
    /// @inheritdoc ISettlementRegistry
    uint128 public totalPaid;
    /// @inheritdoc ISettlementRegistry
    uint64 public lastEntry;

    Slot[RING_SLOTS] private _ring;

    /// @param roles Who administers, commits and guards; none may be 0.
    /// @param token_ The book's token, or 0.
    /// @param custodians The book's custodians, deployed already; all 0 in a book without a token.
    /// @param challengeWindow Seconds between commit and finalize; this version takes 0 only.
    /// @param attesters Accounts that sign epochs; this version takes none.
    /// @param threshold Signatures an epoch needs; this version takes 0 only.
    constructor(
        Roles memory roles,
        IERC20 token_,
        Custodians memory custodians,
        uint64 challengeWindow,
        address[] memory attesters,
        uint8 threshold
    ) {
        if (challengeWindow != 0) revert ChallengeWindowNotSupported(challengeWindow);
        if (attesters.length != 0 || threshold != 0) revert AttestersNotSupported(attesters.length, threshold);
        if (roles.admin == address(0)) revert MissingAccount(DEFAULT_ADMIN_ROLE);
        if (roles.committer == address(0)) revert MissingAccount(COMMITTER_ROLE);
        if (roles.guardian == address(0)) revert MissingAccount(GUARDIAN_ROLE);
        _grantRole(DEFAULT_ADMIN_ROLE, roles.admin);
        _grantRole(COMMITTER_ROLE, roles.committer);
        _grantRole(GUARDIAN_ROLE, roles.guardian);

        token = token_;
        vault = custodians.vault;
        escrow = custodians.escrow;
        staking = custodians.staking;
        reserve = custodians.reserve;
        _requireWired(token_, custodians);
    }

    /// @inheritdoc ISettlementRegistry
    function commit(Header calldata previousHeader, Header calldata header)
        external
        onlyRole(COMMITTER_ROLE)
        whenNotPaused
        nonReentrant
    {
        uint64 last = lastCommitted;
        if (header.epoch != last + 1) revert WrongEpoch(last + 1, header.epoch);
        _requirePredecessor(last, previousHeader, header);
        if (header.version != EpochHeader.VERSION) revert WrongVersion(EpochHeader.VERSION, header.version);
        if (header.chainId != block.chainid) revert WrongChain(block.chainid, header.chainId);
        if (header.registry != address(this)) revert WrongRegistry(address(this), header.registry);
        if (header.epoch > lastFinal + MAX_PENDING) revert TooManyPendingEpochs(header.epoch, lastFinal);
        _requireGrowth(previousHeader, header);
        if (!_anchorsOnly()) _requireBacked(header, _holdings());

        bytes32 headerHash = header.hash();
        lastCommitted = header.epoch;
        _ring[header.epoch % RING_SLOTS] = Slot({headerHash: headerHash, committedAt: uint64(block.timestamp)});
        // Encoding the decoded header also refuses words with dirty upper bits.
        emit EpochCommitted(header.epoch, headerHash, header);
    }

    /// @inheritdoc ISettlementRegistry
    function finalize(Header calldata header, bytes[] calldata signatures) external nonReentrant {
        if (signatures.length != 0) revert UnexpectedSignatures(signatures.length);
        uint64 next = lastFinal + 1;
        if (header.epoch != next || next > lastCommitted) {
            revert NotNextToFinalize(next, header.epoch, lastCommitted);
        }
        bytes32 committed = _ring[next % RING_SLOTS].headerHash;
        bytes32 headerHash = header.hash();
        if (headerHash != committed) revert WrongHeader(next, committed, headerHash);

        lastFinal = next;
        if (!_anchorsOnly()) _settle(header);
        emit EpochFinalized(next, headerHash);
    }

    /// @notice Stops commits. Guardian role. Finalizing and every view go on.
    function pause() external onlyRole(GUARDIAN_ROLE) {
        _pause();
    }

    /// @notice Lets commits go on. Admin role.
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @inheritdoc ISettlementRegistry
    function verifyIn(Header calldata header, uint8 section, Leaf calldata leaf, Node[] calldata siblings)
        external
        view
        returns (bool)
    {
        if (section >= EpochHeader.SECTIONS) return false;
        // An epoch that is not in the ring answers 0, and no header hashes to 0.
        if (header.hash() != headerHashOf(header.epoch)) return false;
        return SumTree.contains(header.sections[section], domainOf(section), leaf, siblings);
    }

    /// @inheritdoc ISettlementRegistry
    function headerHashOf(uint64 epoch) public view returns (bytes32) {
        return _inRing(epoch) ? _ring[epoch % RING_SLOTS].headerHash : bytes32(0);
    }

    /// @inheritdoc ISettlementRegistry
    function committedAt(uint64 epoch) external view returns (uint64) {
        return _inRing(epoch) ? _ring[epoch % RING_SLOTS].committedAt : 0;
    }

    /// @inheritdoc ISettlementRegistry
    function custodianOf(uint8 section) public view returns (address) {
        if (section >= EpochHeader.SECTIONS) revert ISettlementCustodian.UnknownSection(section);
        if (_anchorsOnly()) return address(this);
        if (section == EpochHeader.LOCKS) return address(escrow);
        if (section == EpochHeader.STAKES) return address(staking);
        if (section == EpochHeader.COMPUTE) return address(reserve);
        return address(vault);
    }

    /// @inheritdoc ISettlementRegistry
    function domainOf(uint8 section) public view returns (bytes32) {
        return SumTree.domain(custodianOf(section), address(token), section);
    }

    /// @dev R2. Compare-and-set: a transaction made on another predecessor cannot act.
    function _requirePredecessor(uint64 last, Header calldata previousHeader, Header calldata header) private view {
        bytes32 previousHash = previousHeader.hash();
        bytes32 expectedHash = last == 0 ? EpochHeader.NO_HEADER : _ring[last % RING_SLOTS].headerHash;
        if (previousHash != expectedHash) revert WrongPreviousHeader(expectedHash, previousHash);
        bytes32 expectedLink = last == 0 ? bytes32(0) : expectedHash;
        if (header.previous != expectedLink) revert WrongPrevious(expectedLink, header.previous);
    }

    /// @dev R3.
    function _requireGrowth(Header calldata previous, Header calldata header) private view {
        if (header.closedAt < previous.closedAt) revert ClosedBeforePredecessor(previous.closedAt, header.closedAt);
        uint64 latest = uint64(block.timestamp) + MAX_CLOCK_SKEW;
        if (header.closedAt > latest) revert ClosedInFuture(latest, header.closedAt);
        if (header.journalSize < previous.journalSize) revert JournalShrank(previous.journalSize, header.journalSize);
        if (header.depositSeq < previous.depositSeq) revert DepositSeqFell(previous.depositSeq, header.depositSeq);
        if (header.depositSeq > lastEntry) revert DepositSeqAhead(lastEntry, header.depositSeq);
        for (uint8 i = 0; i < EpochHeader.SECTIONS; ++i) {
            Section calldata section = header.sections[i];
            if (section.count < previous.sections[i].count) {
                revert CountFell(i, previous.sections[i].count, section.count);
            }
            if (section.count == 0 && (section.root != 0 || section.sum != 0)) {
                revert EmptySectionNotZero(i, section.root, section.sum);
            }
        }
        uint128 paidBefore = previous.sections[EpochHeader.PAYOUTS].sum;
        uint128 paid = header.sections[EpochHeader.PAYOUTS].sum;
        if (paid < paidBefore) revert PayoutsFell(paidBefore, paid);
    }

    /// @dev R4. Entries above `depositSeq` will be taken off what is held: they are owed, but in no section yet.
    function _requireBacked(Header calldata header, uint256[4] memory holdings) private view {
        uint256 owed = 0;
        for (uint256 i = 0; i < EpochHeader.SECTIONS; ++i) owed += header.sections[i].sum;
        owed -= totalPaid;
        uint256 held = holdings[0] + holdings[1] + holdings[2] + holdings[3];
        if (owed > held) revert LiabilitiesExceedCustody(owed, held);
    }

    /// @dev R5 and R6. Surpluses go to the vault first, so that it can always fill the shortfalls.
    function _settle(Header calldata header) private {
        uint256[4] memory holdings = _holdings();
        _requireBacked(header, holdings);
        uint256[3] memory shortfalls;
        shortfalls[0] = _settleSection(escrow, header.epoch, header.sections[EpochHeader.LOCKS], holdings[1]);
        shortfalls[1] = _settleSection(staking, header.epoch, header.sections[EpochHeader.STAKES], holdings[2]);
        shortfalls[2] = _settleSection(reserve, header.epoch, header.sections[EpochHeader.COMPUTE], holdings[3]);
        vault.settle(
            header.epoch, header.sections[EpochHeader.BALANCES], header.sections[EpochHeader.PAYOUTS], shortfalls
        );
    }

    function _settleSection(ISectionCustodian custodian, uint64 epoch, Section calldata section, uint256 holding)
        private
        returns (uint256 shortfall)
    {
        uint256 surplus = holding > section.sum ? holding - section.sum : 0;
        custodian.settle(epoch, section, surplus);
        return section.sum > holding ? section.sum - holding : 0;
    }

    /// @dev Base units held by vault, escrow, staking and reserve.
    function _holdings() private view returns (uint256[4] memory holdings) {
        holdings[0] = token.balanceOf(address(vault));
        holdings[1] = token.balanceOf(address(escrow));
        holdings[2] = token.balanceOf(address(staking));
        holdings[3] = token.balanceOf(address(reserve));
    }

    function _anchorsOnly() private view returns (bool) {
        return address(token) == address(0);
    }

    function _inRing(uint64 epoch) private view returns (bool) {
        uint64 last = lastCommitted;
        return epoch != 0 && epoch <= last && last - epoch < RING_SLOTS;
    }

    /// @dev Custodians that know each other and this registry; or none at all in a book without a token.
    function _requireWired(IERC20 token_, Custodians memory custodians) private view {
        if (address(token_) == address(0)) {
            if (address(custodians.vault) != address(0)) revert NotWired(address(custodians.vault), EpochHeader.BALANCES);
            if (address(custodians.escrow) != address(0)) revert NotWired(address(custodians.escrow), EpochHeader.LOCKS);
            if (address(custodians.staking) != address(0)) {
                revert NotWired(address(custodians.staking), EpochHeader.STAKES);
            }
            if (address(custodians.reserve) != address(0)) {
                revert NotWired(address(custodians.reserve), EpochHeader.COMPUTE);
            }
            return;
        }
        ISettlementVault vault_ = custodians.vault;
        _requireKnows(vault_, token_, EpochHeader.BALANCES);
        _requireKnows(vault_, token_, EpochHeader.PAYOUTS);
        _requireSection(custodians.escrow, token_, vault_, vault_.escrow(), EpochHeader.LOCKS);
        _requireSection(custodians.staking, token_, vault_, vault_.staking(), EpochHeader.STAKES);
        _requireSection(custodians.reserve, token_, vault_, vault_.reserve(), EpochHeader.COMPUTE);
    }

    function _requireSection(
        ISectionCustodian custodian,
        IERC20 token_,
        ISettlementVault vault_,
        address knownToVault,
        uint8 section
    ) private view {
        _requireKnows(custodian, token_, section);
        if (custodian.vault() != address(vault_) || knownToVault != address(custodian)) {
            revert NotWired(address(custodian), section);
        }
    }

    function _requireKnows(ISettlementCustodian custodian, IERC20 token_, uint8 section) private view {
        if (
            address(custodian).code.length == 0 || custodian.registry() != address(this)
                || address(custodian.token()) != address(token_) || !custodian.holds(section)
        ) revert NotWired(address(custodian), section);
    }
}
