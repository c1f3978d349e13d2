// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Header, Section} from "../libraries/EpochHeader.sol";
import {Leaf, Node} from "../libraries/SumTree.sol";

/// @title What every custodian answers
/// @notice A custodian holds the tokens of its sections, and knows their last final roots when it sees them.
interface ISettlementCustodian {
    /// @notice An owner demands that a position be paid out. `due` is fixed for good.
    event ExitDemanded(
        uint8 indexed section,
        uint64 indexed index,
        bytes32 indexed key,
        address owner,
        uint128 amount,
        uint64 due
    );
    /// @notice A final epoch shows the demanded position at 0: the demand is gone.
    event DemandServed(uint8 indexed section, uint64 indexed index, bytes32 indexed key, uint64 epoch);
    /// @notice A demand is a week overdue: from `freezableAt` on anyone can freeze the book, unless it is served first.
    event FreezeRequested(uint8 indexed section, uint64 indexed index, uint64 freezableAt);
    /// @notice A position of the last final epoch was paid to its owner after the freeze.
    event Escaped(
        uint8 indexed section, uint64 indexed index, bytes32 indexed key, address owner, uint128 amount
    );

    // Roots and proofs
    /// @notice The call came from another address than the registry.
    error NotRegistry(address caller);
    /// @notice The section belongs to another custodian, or to none: ask the registry's `custodianOf`.
    error UnknownSection(uint8 section);
    /// @notice The leaf is not in the root it is held against: take leaf and siblings of one proof, of that epoch.
    error NotProven(uint8 section, uint64 index);
    /// @notice The position has no linked wallet: only an owner can be paid on-chain.
    error NoOwner(uint8 section, uint64 index);

    // Exits
    /// @notice Only the leaf's owner can do this: send it from that wallet.
    error NotOwner(address owner, address caller);
    /// @notice The position is smaller than what can be demanded.
    error BelowMinimum(uint128 amount, uint128 minimum);
    /// @notice The position's demand stands already, with this due time.
    error AlreadyDemanded(uint8 section, uint64 index, uint64 due);
    /// @notice The position has no open demand.
    error NoDemand(uint8 section, uint64 index);
    /// @notice The position is not at 0 in this epoch, or is another's: show the demanded one, emptied.
    error NotEmptied(bytes32 key, uint128 amount);
    /// @notice The epoch was committed before the demand was made: serve it with a later one.
    error CommittedBeforeDemand(uint64 committedAt, uint64 demandedAt);
    /// @notice Too early: come back at this time.
    error TooEarly(uint64 notBefore);
    /// @notice The freeze was requested already: it is possible from this time on.
    error AlreadyRequested(uint64 freezableAt);
    /// @notice Nobody requested the freeze for this demand yet: call `requestFreeze` and wait a day.
    error FreezeNotRequested(uint8 section, uint64 index);
    /// @notice The position was paid already.
    error AlreadyEscaped(uint8 section, uint64 index);
    /// @notice Escapes need a frozen book: while it works, demand an exit.
    error NotFrozen();

    // Entries
    /// @notice The token delivered another amount than was sent: this book takes only tokens that move what they say.
    error NotReceived(uint256 expected, uint256 received);

    /// @notice The only contract that may settle sections here.
    function registry() external view returns (address);

    /// @notice The book's token.
    function token() external view returns (IERC20);

    /// @notice Whether this custodian answers for the section.
    function holds(uint8 section) external view returns (bool);

    /// @notice What is kept of the section in the registry's last final epoch; all 0 before the first.
    /// @return fingerprint The first 28 bytes of keccak256(root ‖ sum), 32 bytes each.
    /// @return count The number of leaves.
    function finalSection(uint8 section) external view returns (bytes28 fingerprint, uint32 count);

    /// @notice Whether these are root, sum and count of the section in the registry's last final epoch.
    function isFinalSection(uint8 section, Section calldata state) external view returns (bool);

    /// @notice Whether the leaf is in the section's last final root. Never reverts on a well-formed question.
    /// @param siblings The other child at each level, leaf level first.
    function verify(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external view returns (bool);

    /// @notice Demands that a position of the newest final epoch be paid out. Its owner only; possible while paused.
    /// Once due, every closing of an epoch moves the whole position into the owner's payouts, which `claim` pays.
    /// @param section A section of this custodian, payouts excepted: those are claimed.
    /// @return due Unix seconds: now, or the leaf's `validUntil` where that is later, at most 366 days from now.
    function demandExit(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external returns (uint64 due);

    /// @notice Deletes a demand that was met. Anyone, until the book is frozen.
    /// @param header A final header still in the registry's ring, committed after the demand.
    /// @param leaf The demanded position in that epoch: same index and key, amount 0.
    function serve(uint8 section, Header calldata header, Leaf calldata leaf, Node[] calldata siblings) external;

    /// @notice Announces the freeze of a book whose operator left a demand unserved for 7 days after it was due. Anyone.
    /// @return freezableAt Unix seconds from which `freeze` is possible, 24 hours from now.
    function requestFreeze(uint8 section, uint64 index) external returns (uint64 freezableAt);

    /// @notice Freezes the book for a demand that is still unserved 24 hours after `requestFreeze`. Anyone.
    function freeze(uint8 section, uint64 index) external;

    /// @notice Pays a position of the last final epoch to its owner, once, in a frozen book. Anyone, also while paused.
    /// Not before the leaf's `validUntil`, but at most 366 days after the freeze.
    /// @param section A section of this custodian, payouts excepted: those are claimed.
    function escape(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external;

    /// @notice The open demand of a position; all 0 where there is none.
    /// @return key The position's key.
    /// @return demandedAt Unix seconds.
    /// @return due Unix seconds from which it is to be paid.
    /// @return freezableAt Unix seconds from which the book can be frozen for it; 0 where nobody requested that.
    function demandOf(uint8 section, uint64 index)
        external
        view
        returns (bytes32 key, uint64 demandedAt, uint64 due, uint64 freezableAt);

    /// @notice Whether a position was paid by `escape`.
    function escaped(uint8 section, uint64 index) external view returns (bool);
}

/// @title A custodian of one section, whose tokens are netted against the vault
interface ISectionCustodian is ISettlementCustodian {
    /// @notice The vault that surpluses and direct entries go to.
    function vault() external view returns (address);

    /// @notice Keeps a section that became final and sends what it no longer needs to the vault. Registry only.
    /// @param surplus Tokens above the section's sum, in base units; 0 for no move.
    function settle(Section calldata state, uint256 surplus) external;
}

/// @title The vault: custodian of balances and payouts, and the source of every shortfall
interface ISettlementVault is ISettlementCustodian {
    /// @notice Cumulative payouts of a key were paid up to `total`.
    event Claimed(bytes32 indexed key, address indexed owner, uint128 amount, uint128 total);

    /// @notice Everything the leaf says was paid before: withdraw more, or claim against a newer epoch.
    error NothingToClaim(bytes32 key, uint128 paid);
    /// @notice Claims would exceed the cumulative payouts of the last final epoch.
    error ClaimsExceedPayouts(uint256 paid, uint128 payouts);

    /// @notice Number of final epochs, the newest among them, whose payouts can be claimed.
    function CLAIM_EPOCHS() external view returns (uint64);

    /// @notice The custodian of the locks section.
    function escrow() external view returns (address);

    /// @notice The custodian of the stakes section.
    function staking() external view returns (address);

    /// @notice The custodian of the compute section.
    function reserve() external view returns (address);

    /// @notice Keeps balances and payouts that became final and fills the shortfalls of the others. Registry only.
    /// @param shortfalls Tokens that escrow, staking and reserve (in this order) lack, in base units.
    function settle(
        uint64 epoch,
        Section calldata balances,
        Section calldata payouts,
        uint256[3] calldata shortfalls
    ) external;

    /// @notice Pays what the leaf's cumulative payout is above what its key was paid before, to the leaf's owner.
    /// Possible in every state of the book. Anyone against the newest final payouts, the owner alone against older ones.
    /// @param epoch The final epoch whose payouts hold the leaf, no older than `CLAIM_EPOCHS`. Where they are the newest
    /// final ones it is not looked at.
    /// @return amount Base units paid.
    function claim(uint64 epoch, Leaf calldata leaf, Node[] calldata siblings) external returns (uint128 amount);

    /// @notice Puts tokens of the caller into the book: the ledger credits them to the wallet's user.
    /// @return seq The entry's number.
    function deposit(uint128 amount) external returns (uint64 seq);

    /// @notice Pays an entry that no final epoch has credited back to its depositor, once, in a frozen book. Anyone.
    function repayEntry(uint64 seq) external;

    /// @notice Base units ever paid out by claims.
    function totalPaid() external view returns (uint128);

    /// @notice The cumulative payouts of the last final epoch, in base units: the most that all claims together take.
    function finalPayouts() external view returns (uint128);

    /// @notice Base units of cumulative payouts that a key was paid.
    function paid(bytes32 key) external view returns (uint128);
}
