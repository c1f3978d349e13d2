// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {Section} from "./libraries/EpochHeader.sol";
import {FinalSection, FinalSections} from "./libraries/FinalSection.sol";
import {Leaf, Node, SumTree} from "./libraries/SumTree.sol";

/// @title What all custodians share: the last final roots, the proofs against them, and the way in
/// @notice Tokens leave by the registry's netting and by proofs alone; no role and no owner can move them.
/// @dev Invariant C1: a final section changes only by the registry, when an epoch becomes final.
abstract contract SettlementCustodian is ISettlementCustodian, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

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
    function finalSection(uint8 section) external view returns (bytes28 fingerprint, uint32 count) {
        if (!holds(section)) revert UnknownSection(section);
        FinalSection last = _final[section];
        return (bytes28(last.fingerprint()), uint32(last.count()));
    }

    /// @inheritdoc ISettlementCustodian
    function isFinalSection(uint8 section, Section calldata state) external view returns (bool) {
        return holds(section) && _isFinal(section, state);
    }

    /// @inheritdoc ISettlementCustodian
    function verify(uint8 section, Leaf calldata leaf, Node[] calldata siblings) external view returns (bool) {
        return holds(section) && _isFinal(section, leaf, siblings);
    }

    /// @dev Whether the leaf is in the section's last final root.
    function _isFinal(uint8 section, Leaf calldata leaf, Node[] calldata siblings) internal view returns (bool) {
        return _final[section].contains(_domain(section), leaf, siblings);
    }

    /// @dev Whether these are root, sum and count of the section's last final epoch.
    function _isFinal(uint8 section, Section calldata state) internal view returns (bool) {
        return _final[section].equals(state);
    }

    function _domain(uint8 section) internal view returns (bytes32) {
        return SumTree.domain(address(this), address(token), section);
    }

    function _registry() internal view returns (ISettlementRegistry) {
        return ISettlementRegistry(registry);
    }

    /// @dev The section of the last final epoch.
    function _finalOf(uint8 section) internal view returns (FinalSection) {
        return _final[section];
    }

    function _record(uint8 section, Section calldata state) internal returns (FinalSection last) {
        last = FinalSections.pack(state);
        _final[section] = last;
    }

    /// @dev A direct entry: counted by the registry, its tokens taken from the caller into the vault, where they wait.
    function _enter(
        address vault_,
        uint8 section,
        uint128 amount,
        uint32 kind,
        uint64 duration,
        string memory ref
    ) internal nonReentrant returns (uint64 seq) {
        seq = _registry().recordEntry(msg.sender, section, amount, kind, duration, ref);
        uint256 before = token.balanceOf(vault_);
        token.safeTransferFrom(msg.sender, vault_, amount);
        uint256 received = token.balanceOf(vault_) - before;
        if (received != amount) revert NotReceived(amount, received);
    }
}
