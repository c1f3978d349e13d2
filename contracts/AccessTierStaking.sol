// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EpochHeader} from "./libraries/EpochHeader.sol";
import {SectionCustodian} from "./SectionCustodian.sol";

/// @title AccessTierStaking
/// @notice Holds the tokens staked for access tiers (section stakes).
contract AccessTierStaking is SectionCustodian {
    /// @param registry_ The book's registry, whose address is known before it is deployed.
    /// @param token_ The book's token.
    /// @param vault_ The vault that surpluses go to.
    constructor(address registry_, IERC20 token_, address vault_)
        SectionCustodian(registry_, token_, vault_, EpochHeader.STAKES)
    {}

    /// @notice Brings tokens of the caller into the book, to be staked for a tier. What a tier needs is the ledger's
    /// knowledge; where the ledger cannot stake them as asked they are credited to the caller's available balance.
    /// @param tier The tier asked for.
    /// @param amount Base units.
    /// @param strategyId The strategy, as the ledger names it.
    /// @return seq The entry's number.
    function stakeForTier(uint32 tier, uint128 amount, string calldata strategyId) external returns (uint64 seq) {
        return _enter(vault, EpochHeader.STAKES, amount, tier, 0, strategyId);
    }
}
