// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessTierStaking} from "./AccessTierStaking.sol";
import {EntityComputeReserve} from "./EntityComputeReserve.sol";
import {P2PAgreementEscrow} from "./P2PAgreementEscrow.sol";
import {SettlementRegistry} from "./SettlementRegistry.sol";
import {SettlementVault} from "./SettlementVault.sol";
import {TST} from "./TST.sol";
import {ISectionCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {Custodians} from "./libraries/BookWiring.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {TestBase} from "./TestBase.t.sol";
import {TreeBuilder} from "./TreeBuilder.t.sol";

/// @notice Deploys a TST book, commits and finalizes epochs of it.
abstract contract BookDriver is TestBase {
    address internal constant ADMIN = address(0xA0);
    address internal constant COMMITTER = address(0xC0);
    address internal constant GUARDIAN = address(0x60);
    address internal constant ANYONE = address(0xBEEF);
    uint256 internal constant START = 1_769_000_000;

    TST internal token;
    SettlementVault internal vault;
    P2PAgreementEscrow internal escrow;
    AccessTierStaking internal staking;
    EntityComputeReserve internal reserve;
    SettlementRegistry internal registry;

    /// @dev The last committed header, encoded: the compiler's older pipeline, which builds tests many times faster,
    /// cannot copy a header to storage.
    bytes private _lastEncoded;

    function _deployBook() internal {
        vm.warp(START);
        address[6] memory planned = _plan();
        token = TST(create("TST", abi.encode(planned[1], planned[2], planned[3], planned[4])));
        _deployBehind(planned);
    }

    /// @dev Addresses of the next six contracts this one creates: token, vault, escrow, staking, reserve, registry.
    function _plan() internal view returns (address[6] memory planned) {
        uint64 nonce = vm.getNonce(address(this));
        for (uint256 i = 0; i < 6; ++i) planned[i] = vm.computeCreateAddress(address(this), nonce + i);
    }

    /// @dev All but the token, which may be another one than TST.
    function _deployBehind(address[6] memory planned) internal {
        vault = _createVault(planned[5], planned[0], [planned[2], planned[3], planned[4]]);
        escrow = P2PAgreementEscrow(_createSection("P2PAgreementEscrow", planned[5], planned[0], planned[1]));
        staking = AccessTierStaking(_createSection("AccessTierStaking", planned[5], planned[0], planned[1]));
        reserve = EntityComputeReserve(_createSection("EntityComputeReserve", planned[5], planned[0], planned[1]));
        registry = _createRegistry(_roles(), planned[0], _custodians());
    }

    function _createVault(address registry_, address token_, address[3] memory others) internal returns (SettlementVault) {
        bytes memory arguments = abi.encode(registry_, token_, others[0], others[1], others[2]);
        return SettlementVault(create("SettlementVault", arguments));
    }

    function _createSection(string memory name, address registry_, address token_, address vault_)
        internal
        returns (address)
    {
        return create(name, abi.encode(registry_, token_, vault_));
    }

    function _createRegistry(
        SettlementRegistry.Roles memory roles,
        address token_,
        Custodians memory custodians
    ) internal returns (SettlementRegistry) {
        return SettlementRegistry(create("SettlementRegistry", abi.encode(roles, token_, custodians, _rules())));
    }

    /// @dev Final at once, no signatures, exits from 1 TST on.
    function _rules() internal view virtual returns (SettlementRegistry.Rules memory) {
        return SettlementRegistry.Rules({
            challengeWindow: 0,
            minimumExit: 1 ether,
            attesters: new address[](0),
            threshold: 0
        });
    }

    function _roles() internal view virtual returns (SettlementRegistry.Roles memory) {
        return SettlementRegistry.Roles({admin: ADMIN, committer: COMMITTER, guardian: GUARDIAN});
    }

    function _custodians() internal view returns (Custodians memory) {
        return Custodians({
            vault: ISettlementVault(vault),
            escrow: ISectionCustodian(escrow),
            staking: ISectionCustodian(staking),
            reserve: ISectionCustodian(reserve)
        });
    }

    /// @dev The last committed header; all zero before the first.
    function _last() internal view returns (Header memory header) {
        if (_lastEncoded.length != 0) header = abi.decode(_lastEncoded, (Header));
    }

    function _setLast(Header memory header) internal {
        _lastEncoded = abi.encode(header);
    }

    function _hash(Header memory header) internal pure returns (bytes32) {
        return keccak256(abi.encode(header));
    }

    /// @dev A valid successor of the last committed header: same sections, one journal line more.
    function _next() internal view returns (Header memory header) {
        Header memory last = _last();
        header = _last();
        header.previous = last.epoch == 0 ? bytes32(0) : _hash(last);
        header.version = 1;
        header.chainId = block.chainid;
        header.registry = address(registry);
        header.epoch = last.epoch + 1;
        header.journalRoot = keccak256(abi.encode("journal", header.epoch));
        header.journalSize = last.journalSize + 1;
        header.dataHash = keccak256(abi.encode("data", header.epoch));
        header.closedAt = uint64(block.timestamp);
    }

    /// @dev A successor with sections of these sums; each has a root and one leaf more than before where it is not 0.
    function _nextWith(uint128[5] memory sums) internal view returns (Header memory header) {
        header = _next();
        for (uint256 i = 0; i < 5; ++i) {
            if (sums[i] == 0 && header.sections[i].count == 0) continue;
            bytes32 root = keccak256(abi.encode("root", header.epoch, i));
            header.sections[i] = Section({root: root, sum: sums[i], count: header.sections[i].count + 1});
        }
    }

    function _commit(Header memory header) internal virtual {
        Header memory last = _last();
        vm.prank(COMMITTER);
        registry.commit(last, header);
        _setLast(header);
    }

    function _finalize(Header memory header) internal {
        bytes[] memory signatures = _signatures(header);
        vm.prank(ANYONE);
        registry.finalize(header, signatures);
    }

    /// @dev What `_finalize` brings along.
    function _signatures(Header memory) internal view virtual returns (bytes[] memory) {
        return new bytes[](0);
    }

    /// @dev Expects `commit(previous, header)` by the committer to revert with exactly this error.
    function _commitReverts(Header memory previous, Header memory header, bytes memory error_) internal {
        vm.expectRevert(error_);
        vm.prank(COMMITTER);
        registry.commit(previous, header);
    }

    function _commitReverts(Header memory header, bytes memory error_) internal {
        _commitReverts(_last(), header, error_);
    }

    /// @dev R5 for the last final header.
    function _assertNetted(Header memory header) internal view {
        assertEq(token.balanceOf(address(escrow)), header.sections[EpochHeader.LOCKS].sum, "escrow holds its sum");
        assertEq(token.balanceOf(address(staking)), header.sections[EpochHeader.STAKES].sum, "staking holds its sum");
        assertEq(token.balanceOf(address(reserve)), header.sections[EpochHeader.COMPUTE].sum, "reserve holds its sum");
        uint256 elsewhere = uint256(header.sections[EpochHeader.LOCKS].sum) + header.sections[EpochHeader.STAKES].sum
            + header.sections[EpochHeader.COMPUTE].sum;
        assertEq(token.balanceOf(address(vault)), token.SUPPLY() - elsewhere, "the vault holds the rest");
    }

    function _leaf(uint64 index, uint128 amount) internal pure returns (Leaf memory) {
        return Leaf({
            index: index,
            owner: address(0),
            key: keccak256(abi.encode("key", index)),
            amount: amount,
            validUntil: 1_800_000_000,
            kind: 1,
            quantity: 0
        });
    }

    /// @dev Leaves 0 … count-1 with amounts 1 TST, 2 TST, …
    function _leaves(uint64 count) internal pure returns (Leaf[] memory leaves) {
        leaves = new Leaf[](count);
        for (uint64 i = 0; i < count; ++i) leaves[i] = _leaf(i, uint128(i + 1) * 1 ether);
    }

    function _tree(uint8 section, Leaf[] memory leaves, uint256 index)
        internal
        view
        returns (Section memory state, Node[] memory siblings)
    {
        return TreeBuilder.build(registry.domainOf(section), leaves, index);
    }
}

/// @notice A test that starts with a deployed book.
abstract contract BookTest is BookDriver {
    function setUp() public virtual {
        _deployBook();
    }
}
