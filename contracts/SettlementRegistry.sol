// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {DelayedRoles} from "./DelayedRoles.sol";
import {EpochRing} from "./EpochRing.sol";
import {ISectionCustodian, ISettlementCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {Attestation} from "./libraries/Attestation.sol";
import {BookWiring, Custodians} from "./libraries/BookWiring.sol";
import {EntryQueue} from "./libraries/EntryQueue.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {Fraud, LeafProof, NodeProof} from "./libraries/Fraud.sol";
import {Leaf, Node, SumTree} from "./libraries/SumTree.sol";

/// @title SettlementRegistry
/// @notice Anchors the epochs of one book, makes them final and nets its tokens. It is deployed last and refuses to
/// exist unless every custodian is wired to it. A book without a token (token and custodians all 0) anchors and holds
/// nothing: no liabilities, netting, entries, claims, demands or freeze.
/// @dev The states of an epoch and of a book, and R1 to R3, stand at {EpochRing}. Invariants, each tested under its number:
/// R4 at every commit and every finalize, what the sections owe is at most what the custodians hold beside the entries
///    that wait.
/// R5 after a finalize escrow, staking and reserve hold exactly their sections' sums, and the vault the rest.
/// R6 a finalize moves each custodian's tokens at most once, whatever the number of positions.
/// R7 an epoch becomes final only after its window, with k signatures, and never after a veto of it or a freeze.
/// R8 an entry is credited by a final epoch or repaid after a freeze, never both.
contract SettlementRegistry is DelayedRoles, EIP712, EpochRing, ReentrancyGuardTransient {
    using Attestation for Attestation.Set;
    using EntryQueue for mapping(uint64 seq => EntryQueue.Entry);
    using EpochHeader for Header;

    /// @notice The accounts that get the three roles at deployment.
    struct Roles {
        address admin;
        address committer;
        address guardian;
    }

    /// @notice What a book is deployed with; attesters and threshold can change later, after the delay.
    struct Rules {
        /// Seconds between commit and finalize, at most 3 days.
        uint64 challengeWindow;
        /// Base units; above 0 in a book with a token.
        uint128 minimumExit;
        address[] attesters;
        /// Signatures an epoch needs: at least 1 where there is a window.
        uint8 threshold;
    }

    /// @notice May commit epochs, and veto what it committed.
    bytes32 public constant COMMITTER_ROLE = keccak256("COMMITTER_ROLE");
    /// @notice May pause commits and entries, and veto epochs. The admin ends a pause.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @notice A demand is served by an epoch that is final within 7 days: a window takes less than half of them.
    uint64 public constant MAX_CHALLENGE_WINDOW = 3 days;
    /// @notice Seconds in which a final epoch must credit an entry, before anyone may freeze the book for it.
    uint64 public constant CREDIT_WITHIN = 7 days;
    /// @notice Longest name of an agreement, strategy or entity in an entry, in bytes.
    uint256 public constant MAX_NAME_BYTES = 128;

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
    /// @inheritdoc ISettlementRegistry
    uint64 public immutable challengeWindow;
    /// @inheritdoc ISettlementRegistry
    uint128 public immutable minimumExit;

    Attestation.Set private _attesters;
    mapping(uint64 seq => EntryQueue.Entry) private _entries;

    /// @param roles Who administers, commits and guards; none may be 0, and with a window all three differ.
    /// @param token_ The book's token, or 0.
    /// @param custodians The book's custodians, deployed already; all 0 in a book without a token.
    /// @param rules Window, smallest exit, attesters and threshold.
    constructor(Roles memory roles, IERC20 token_, Custodians memory custodians, Rules memory rules)
        EIP712("Anchorbook", "1")
    {
        if (rules.challengeWindow > MAX_CHALLENGE_WINDOW) {
            revert WindowTooLong(rules.challengeWindow, MAX_CHALLENGE_WINDOW);
        }
        if (address(token_) != address(0) && rules.minimumExit == 0) revert MinimumExitMissing();
        if (roles.admin == address(0)) revert MissingAccount(DEFAULT_ADMIN_ROLE);
        if (roles.committer == address(0)) revert MissingAccount(COMMITTER_ROLE);
        if (roles.guardian == address(0)) revert MissingAccount(GUARDIAN_ROLE);
        token = token_;
        vault = custodians.vault;
        escrow = custodians.escrow;
        staking = custodians.staking;
        reserve = custodians.reserve;
        challengeWindow = rules.challengeWindow;
        minimumExit = rules.minimumExit;

        _grantRole(DEFAULT_ADMIN_ROLE, roles.admin);
        _grantRole(COMMITTER_ROLE, roles.committer);
        _grantRole(GUARDIAN_ROLE, roles.guardian);
        _setAttesters(rules.attesters, rules.threshold);
        BookWiring.requireWired(token_, custodians);
    }

    /// @inheritdoc ISettlementRegistry
    function commit(Header calldata previousHeader, Header calldata header)
        external
        onlyRole(COMMITTER_ROLE)
        whenNotPaused
        whenNotFrozen
        nonReentrant
    {
        _requireSuccessor(previousHeader, header);
        if (!_anchorsOnly()) _requireBacked(header, _holdings());
        _append(header);
    }

    /// @inheritdoc ISettlementRegistry
    function finalize(Header calldata header, bytes[] calldata signatures) external whenNotFrozen nonReentrant {
        (uint64 next, bytes32 headerHash, Slot storage slot) = _requireNextToFinalize(header);
        if (challengeWindow != 0) {
            uint64 until = slot.committedAt + challengeWindow;
            if (block.timestamp < until) revert WindowOpen(next, until);
        }
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(Attestation.TYPEHASH, headerHash)));
        _attesters.requireSigned(threshold, digest, signatures);

        _lastFinal = uint40(next);
        _finalDepositSeq = uint40(header.depositSeq);
        if (!_anchorsOnly()) _settle(header);
        emit EpochFinalized(next, headerHash);
    }

    /// @inheritdoc ISettlementRegistry
    function veto(uint64 epoch, bytes32 headerHash) external whenNotFrozen nonReentrant {
        if (!hasRole(GUARDIAN_ROLE, msg.sender) && !hasRole(COMMITTER_ROLE, msg.sender)) {
            revert NotGuardianOrCommitter(msg.sender);
        }
        _requirePending(epoch, headerHash);
        _drop(epoch, headerHash, false);
    }

    /// @inheritdoc ISettlementRegistry
    function challengeNode(Header calldata header, NodeProof calldata proof) external whenNotFrozen nonReentrant {
        bytes32 headerHash = header.hash();
        _requirePending(header.epoch, headerHash);
        if (!Fraud.isBadNode(header.sections[proof.section], domainOf(proof.section), proof)) {
            revert NoContradiction(header.epoch, proof.section);
        }
        _drop(header.epoch, headerHash, true);
    }

    /// @inheritdoc ISettlementRegistry
    function challengeLeaves(
        Header calldata earlierHeader,
        Header calldata laterHeader,
        uint8 section,
        LeafProof calldata earlier,
        LeafProof calldata later
    ) external whenNotFrozen nonReentrant {
        bytes32 headerHash = laterHeader.hash();
        _requirePending(laterHeader.epoch, headerHash);
        if (
            earlierHeader.epoch > laterHeader.epoch
                || !verifyIn(earlierHeader, section, earlier.leaf, earlier.siblings)
                || !verifyIn(laterHeader, section, later.leaf, later.siblings)
                || !Fraud.contradict(section, earlier.leaf, later.leaf)
        ) revert NoContradiction(laterHeader.epoch, section);
        _drop(laterHeader.epoch, headerHash, true);
    }

    /// @notice Stops commits and entries. Guardian role. Finalizing, claims, exits and every view go on.
    function pause() external onlyRole(GUARDIAN_ROLE) {
        _pause();
    }

    /// @notice Lets commits and entries go on. Admin role.
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @inheritdoc ISettlementRegistry
    function freeze() external whenNotFrozen nonReentrant {
        if (!_isCustodian(msg.sender)) revert OnlyCustodian(msg.sender);
        _freeze();
    }

    /// @inheritdoc ISettlementRegistry
    function freezeForEntry(uint64 seq) external whenNotFrozen nonReentrant {
        _requireWaiting(seq);
        uint64 overdueAt = _entries[seq].madeAt + CREDIT_WITHIN;
        if (block.timestamp < overdueAt) revert NotOverdue(seq, overdueAt);
        _freeze();
    }

    /// @inheritdoc ISettlementRegistry
    function recordEntry(
        address depositor,
        uint8 section,
        uint128 amount,
        uint32 kind,
        uint64 duration,
        string calldata ref
    ) external whenNotPaused whenNotFrozen nonReentrant returns (uint64 seq) {
        if (!_isCustodian(msg.sender) || msg.sender != custodianOf(section)) revert OnlyCustodian(msg.sender);
        if (_lastFinal == 0) revert EntriesNotOpen();
        if (amount == 0) revert EmptyEntry();
        if (bytes(ref).length > MAX_NAME_BYTES) revert NameTooLong(bytes(ref).length);
        seq = _entries.append(_lastEntry, depositor, amount);
        _lastEntry = uint40(seq);
        emit EntryMade(seq, depositor, section, amount, kind, duration, ref);
    }

    /// @inheritdoc ISettlementRegistry
    function recordRepayment(uint64 seq) external nonReentrant returns (address depositor, uint128 amount) {
        if (msg.sender != address(vault)) revert OnlyCustodian(msg.sender);
        if (_frozenAt == 0) revert BookNotFrozen();
        _requireWaiting(seq);
        EntryQueue.Entry storage entry = _entries[seq];
        entry.repaid = true;
        (depositor, amount) = (entry.depositor, entry.amount);
        emit EntryRepaid(seq, depositor, amount);
    }

    /// @inheritdoc ISettlementRegistry
    function cancelWallet(bytes32 key) external {
        emit WalletCancelled(key, msg.sender);
    }

    /// @notice Replaces all attesters and the number of signatures an epoch needs; as a change only.
    function setAttesters(address[] calldata members, uint8 threshold_) external onlyAsChange {
        _setAttesters(members, threshold_);
    }

    /// @inheritdoc ISettlementRegistry
    function verifyIn(Header calldata header, uint8 section, Leaf calldata leaf, Node[] calldata siblings)
        public
        view
        returns (bool)
    {
        if (section >= EpochHeader.SECTIONS) return false;
        if (!_isCommitted(header.epoch, header.hash())) return false;
        return SumTree.contains(header.sections[section], domainOf(section), leaf, siblings);
    }

    /// @inheritdoc ISettlementRegistry
    function untakenEntries(uint64 depositSeq) external view returns (uint128) {
        return _entries.waiting(depositSeq, _lastEntry);
    }

    /// @inheritdoc ISettlementRegistry
    function entryOf(uint64 seq)
        external
        view
        returns (address depositor, uint128 amount, uint64 madeAt, bool repaid)
    {
        EntryQueue.Entry storage entry = _entries[seq];
        return (entry.depositor, entry.amount, entry.madeAt, entry.repaid);
    }

    /// @inheritdoc ISettlementRegistry
    function lastEntry() external view returns (uint64) {
        return _lastEntry;
    }

    /// @inheritdoc ISettlementRegistry
    function finalDepositSeq() external view returns (uint64) {
        return _finalDepositSeq;
    }

    /// @inheritdoc ISettlementRegistry
    function totalPaid() external view returns (uint128) {
        return _anchorsOnly() ? 0 : vault.totalPaid();
    }

    /// @inheritdoc ISettlementRegistry
    function attesters() external view returns (address[] memory) {
        return _attesters.members;
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

    /// @dev R4. The tokens of entries above `depositSeq` are owed to their depositors, but stand in no section yet.
    function _requireBacked(Header calldata header, uint256[4] memory holdings) private view {
        Section[5] calldata sections = header.sections;
        uint256 owed = 0;
        for (uint256 i = 0; i < EpochHeader.SECTIONS; ++i) owed += sections[i].sum;
        owed -= vault.totalPaid();
        uint256 held = holdings[0] + holdings[1] + holdings[2] + holdings[3];
        held -= _entries.waiting(header.depositSeq, _lastEntry);
        if (owed > held) revert LiabilitiesExceedCustody(owed, held);
    }

    /// @dev R5 and R6. Surpluses go to the vault first, so that it can always fill the shortfalls.
    function _settle(Header calldata header) private {
        uint256[4] memory holdings = _holdings();
        _requireBacked(header, holdings);
        uint256[3] memory shortfalls;
        shortfalls[0] = _settleSection(escrow, header.sections[EpochHeader.LOCKS], holdings[1]);
        shortfalls[1] = _settleSection(staking, header.sections[EpochHeader.STAKES], holdings[2]);
        shortfalls[2] = _settleSection(reserve, header.sections[EpochHeader.COMPUTE], holdings[3]);
        vault.settle(
            header.epoch, header.sections[EpochHeader.BALANCES], header.sections[EpochHeader.PAYOUTS], shortfalls
        );
    }

    function _settleSection(ISectionCustodian custodian, Section calldata section, uint256 holding)
        private
        returns (uint256 shortfall)
    {
        uint256 surplus = holding > section.sum ? holding - section.sum : 0;
        custodian.settle(section, surplus);
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

    /// @dev Of this book; the registry itself is none, also where it stands in for them.
    function _isCustodian(address account) private view returns (bool) {
        return account == address(vault) || account == address(escrow) || account == address(staking)
            || account == address(reserve);
    }

    /// @dev R8. An entry that no final epoch has credited and that was not repaid.
    function _requireWaiting(uint64 seq) private view {
        if (seq <= _finalDepositSeq || seq > _lastEntry || _entries[seq].repaid) revert NotWaiting(seq);
    }

    function _setAttesters(address[] memory members, uint8 threshold_) private {
        if (threshold_ > members.length || (threshold_ == 0 && challengeWindow != 0)) {
            revert BadThreshold(threshold_, members.length);
        }
        _attesters.replace(members);
        for (uint256 i = 0; i < members.length; ++i) _requireSeparate(members[i], 0);
        threshold = threshold_;
        emit AttestersSet(members, threshold_);
    }

    /// @dev Where there is a window somebody must be able to object in it: see `_requireSeparate`.
    function _grantRole(bytes32 role, address account) internal override returns (bool granted) {
        granted = super._grantRole(role, account);
        _requireSeparate(account, 1);
    }

    /// @dev In a book with a window: no account has more than `allowed` of the three roles, and an attester none.
    function _requireSeparate(address account, uint256 allowed) private view {
        if (challengeWindow == 0) return;
        uint256 roles = 0;
        if (hasRole(DEFAULT_ADMIN_ROLE, account)) ++roles;
        if (hasRole(COMMITTER_ROLE, account)) ++roles;
        if (hasRole(GUARDIAN_ROLE, account)) ++roles;
        if (roles > allowed || (roles != 0 && _attesters.isMember[account])) revert RolesNotSeparate(account);
    }

    function _isChange(bytes4 selector) internal pure override returns (bool) {
        return selector == this.setAttesters.selector || super._isChange(selector);
    }
}
