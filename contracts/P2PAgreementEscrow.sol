// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EpochHeader} from "./libraries/EpochHeader.sol";
import {SectionCustodian} from "./SectionCustodian.sol";

/// @title P2PAgreementEscrow
/// @notice Holds the tokens locked for P2P agreements (section locks).
contract P2PAgreementEscrow is SectionCustodian {
    /// @param registry_ The book's registry, whose address is known before it is deployed.
    /// @param token_ The book's token.
    /// @param vault_ The vault that surpluses go to.
    constructor(address registry_, IERC20 token_, address vault_)
        SectionCustodian(registry_, token_, vault_, EpochHeader.LOCKS)
    {}

    /// @notice Brings tokens of the caller into the book, to be locked for an agreement. Where the ledger cannot lock
    /// them as asked they are credited to the caller's available balance.
    /// @param amount Base units.
    /// @param duration Seconds that the lock is to last.
    /// @param agreementId The agreement, as the ledger names it.
    /// @return seq The entry's number.
    function lockForAgreement(uint128 amount, uint64 duration, string calldata agreementId)
        external
        returns (uint64 seq)
    {
        return _enter(vault, EpochHeader.LOCKS, amount, 0, duration, agreementId);
    }
}
