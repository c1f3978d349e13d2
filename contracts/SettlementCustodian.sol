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
    /// @dev Packed by hand into two words, written once each: `numbers` is sum (128 bits), count (64), epoch (64).
    struct FinalSection {
        bytes32 root;
        uint256 numbers;
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
        return _read(section);
    }

    /// @inheritdoc ISettlementCustodian
    function verify(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external view returns (bool) {
        if (!holds(section)) return false;
        (Section memory state,) = _read(section);
        return SumTree.contains(state, SumTree.domain(address(this), address(token), section), leaf, siblings);
    }

    function _read(uint8 section) private view returns (Section memory state, uint64 epoch) {
        FinalSection memory last = _final[section];
        state = Section({root: last.root, sum: uint128(last.numbers >> 128), count: uint64(last.numbers >> 64)});
        epoch = uint64(last.numbers);
    }

    function _record(uint8 section, uint64 epoch, Section calldata state) internal {
        FinalSection storage last = _final[section];
        last.root = state.root;
        last.numbers = uint256(state.sum) << 128 | uint256(state.count) << 64 | epoch;
    }
}
