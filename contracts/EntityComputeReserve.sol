// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EpochHeader} from "./libraries/EpochHeader.sol";
import {SectionCustodian} from "./SectionCustodian.sol";

/// @title EntityComputeReserve
/// @notice Holds the tokens reserved for compute quota (section compute).
contract EntityComputeReserve is SectionCustodian {
    /// @param registry_ The book's registry, whose address is known before it is deployed.
    /// @param token_ The book's token.
    /// @param vault_ The vault that surpluses go to.
    constructor(address registry_, IERC20 token_, address vault_)
        SectionCustodian(registry_, token_, vault_, EpochHeader.COMPUTE)
    {}

    /// @notice Brings tokens of the caller into the book, to be reserved for an entity's compute quota. Where the ledger
    /// cannot reserve them as asked they are credited to the caller's available balance.
    /// @param entityType 1 risk, 2 strategy, 3 memory.
    /// @param amount Base units.
    /// @param duration Seconds that the reservation is to last.
    /// @param entityId The entity, as the ledger names it.
    /// @return seq The entry's number.
    function reserveForEntity(uint32 entityType, uint128 amount, uint64 duration, string calldata entityId)
        external
        returns (uint64 seq)
    {
        return _enter(vault, EpochHeader.COMPUTE, amount, entityType, duration, entityId);
    }
}
