// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Section} from "../libraries/EpochHeader.sol";
import {Leaf, Node} from "../libraries/SumTree.sol";

/// @title What every custodian answers
/// @notice A custodian holds the tokens of its sections and their last final roots.
interface ISettlementCustodian {
    /// @notice The call came from another address than the registry.
    error NotRegistry(address caller);
    /// @notice The section belongs to another custodian, or to none.
    error UnknownSection(uint8 section);

    /// @notice The only contract that may settle sections here.
    function registry() external view returns (address);

    /// @notice The book's token.
    function token() external view returns (IERC20);

    /// @notice Whether this custodian answers for the section.
    function holds(uint8 section) external view returns (bool);

    /// @notice The section's root, sum and count in its last final epoch, and that epoch (0 before the first).
    function finalSection(uint8 section) external view returns (Section memory state, uint64 epoch);

    /// @notice Whether the leaf is in the section's last final root. Never reverts on a well-formed question.
    /// @param siblings The other child at each level, leaf level first.
    function verify(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external view returns (bool);
}

/// @title A custodian of one section, whose tokens are netted against the vault
interface ISectionCustodian is ISettlementCustodian {
    /// @notice The vault that surpluses go to.
    function vault() external view returns (address);

    /// @notice Records a final section and sends what the section no longer needs to the vault. Registry only.
    /// @param surplus Tokens above the section's sum, in base units; 0 for no move.
    function settle(uint64 epoch, Section calldata state, uint256 surplus) external;
}

/// @title The vault: custodian of balances and payouts, and the source of every shortfall
interface ISettlementVault is ISettlementCustodian {
    /// @notice The custodian of the locks section.
    function escrow() external view returns (address);

    /// @notice The custodian of the stakes section.
    function staking() external view returns (address);

    /// @notice The custodian of the compute section.
    function reserve() external view returns (address);

    /// @notice Records the final balances and payouts and fills the shortfalls of the other custodians. Registry only.
    /// @param shortfalls Tokens that escrow, staking and reserve (in this order) lack, in base units.
    function settle(uint64 epoch, Section calldata balances, Section calldata payouts, uint256[3] calldata shortfalls)
        external;
}
