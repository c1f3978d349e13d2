// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ISectionCustodian, ISettlementCustodian, ISettlementVault} from "../interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "../interfaces/ISettlementRegistry.sol";
import {EpochHeader} from "./EpochHeader.sol";

/// @notice The custodians of balances and payouts, locks, stakes and compute.
struct Custodians {
    ISettlementVault vault;
    ISectionCustodian escrow;
    ISectionCustodian staking;
    ISectionCustodian reserve;
}

/// @title Whether the parts of a book know each other
/// @notice Used once, by the registry's constructor: a registry that exists is wired.
library BookWiring {
    /// @notice Reverts unless the custodians know each other, the token and this registry; or, in a book without a
    /// token, unless there are none.
    function requireWired(IERC20 token, Custodians memory custodians) internal view {
        if (address(token) == address(0)) return _requireNone(custodians);
        ISettlementVault vault = custodians.vault;
        _requireKnows(vault, token, EpochHeader.BALANCES);
        _requireKnows(vault, token, EpochHeader.PAYOUTS);
        _requireSection(custodians.escrow, token, vault, vault.escrow(), EpochHeader.LOCKS);
        _requireSection(custodians.staking, token, vault, vault.staking(), EpochHeader.STAKES);
        _requireSection(custodians.reserve, token, vault, vault.reserve(), EpochHeader.COMPUTE);
    }

    function _requireNone(Custodians memory custodians) private pure {
        _requireAbsent(address(custodians.vault), EpochHeader.BALANCES);
        _requireAbsent(address(custodians.escrow), EpochHeader.LOCKS);
        _requireAbsent(address(custodians.staking), EpochHeader.STAKES);
        _requireAbsent(address(custodians.reserve), EpochHeader.COMPUTE);
    }

    function _requireAbsent(address custodian, uint8 section) private pure {
        if (custodian != address(0)) revert ISettlementRegistry.NotWired(custodian, section);
    }

    function _requireSection(
        ISectionCustodian custodian,
        IERC20 token,
        ISettlementVault vault,
        address knownToVault,
        uint8 section
    ) private view {
        _requireKnows(custodian, token, section);
        if (custodian.vault() != address(vault) || knownToVault != address(custodian)) {
            revert ISettlementRegistry.NotWired(address(custodian), section);
        }
    }

    function _requireKnows(ISettlementCustodian custodian, IERC20 token, uint8 section) private view {
        if (
            address(custodian).code.length == 0 || custodian.registry() != address(this)
                || address(custodian.token()) != address(token) || !custodian.holds(section)
        ) revert ISettlementRegistry.NotWired(address(custodian), section);
    }
}
