// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {CustodianExits} from "./CustodianExits.sol";
import {ISectionCustodian, ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {Section} from "./libraries/EpochHeader.sol";
import {SettlementCustodian} from "./SettlementCustodian.sol";

/// @title A custodian of exactly one section
/// @dev Invariant C2: after an epoch became final it holds exactly the section's sum.
/// Invariant C3: its tokens go to the vault, or after a freeze to the owners of its positions, and nowhere else.
abstract contract SectionCustodian is CustodianExits, ISectionCustodian {
    using SafeERC20 for IERC20;

    /// @inheritdoc ISectionCustodian
    address public immutable vault;

    uint8 private immutable _section;

    constructor(address registry_, IERC20 token_, address vault_, uint8 section_)
        SettlementCustodian(registry_, token_)
    {
        vault = vault_;
        _section = section_;
    }

    /// @inheritdoc ISettlementCustodian
    function holds(uint8 section) public view override(SettlementCustodian, ISettlementCustodian) returns (bool) {
        return section == _section;
    }

    /// @inheritdoc ISectionCustodian
    function settle(Section calldata state, uint256 surplus) external onlyRegistry {
        _record(_section, state);
        if (surplus != 0) token.safeTransfer(vault, surplus);
    }
}
