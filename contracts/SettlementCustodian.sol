// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node, SumTree} from "./libraries/SumTree.sol";

/// @title What all custodians share: the last final roots and the proofs against them
/// @notice Tokens enter and leave by the registry's netting alone; no role, no owner and no user can move them.
/// @dev Invariant C1: a final section changes only by the registry, when an epoch becomes final.
abstract contract SettlementCustodian is ISettlementCustodian {
    /// @dev Root in one word; sum, count and epoch packed into a second one.
    struct FinalSection {
        bytes32 root;
        uint128 sum;
        uint64 count;
        uint64 epoch;
    }

    /// @inheritdoc ISettlementCustodian
    address public immutable registry;
    /// @inheritdoc ISettlementCustodian
    IERC20 public immutable token;

    mapping(uint8 section => FinalSection) private _final;

    modifier onlyRegistry() {
        if (msg.sender != registry) revert NotRegistry(msg.sender);
        _;
    }

    /// @dev The registry deploys last and checks the wiring of every custodian, so a wrong address here means that
    /// there is no book. See {SettlementRegistry}.
    constructor(address registry_, IERC20 token_) {
        registry = registry_;
        token = token_;
    }

    /// @inheritdoc ISettlementCustodian
    function holds(uint8 section) public view virtual returns (bool);

    /// @inheritdoc ISettlementCustodian
    function finalSection(uint8 section) external view returns (Section memory state, uint64 epoch) {
        if (!holds(section)) revert UnknownSection(section);
        FinalSection storage last = _final[section];
        return (Section({root: last.root, sum: last.sum, count: last.count}), last.epoch);
    }

    /// @inheritdoc ISettlementCustodian
    function verify(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external view returns (bool) {
        if (!holds(section)) return false;
        FinalSection storage last = _final[section];
        Section memory state = Section({root: last.root, sum: last.sum, count: last.count});
        return SumTree.contains(state, SumTree.domain(address(this), address(token), section), leaf, siblings);
    }

    function _record(uint8 section, uint64 epoch, Section calldata state) internal {
        _final[section] = FinalSection({root: state.root, sum: state.sum, count: state.count, epoch: epoch});
    }
}
