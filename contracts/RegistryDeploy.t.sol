// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SettlementRegistry} from "./SettlementRegistry.sol";
import {ISectionCustodian, ISettlementCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {Attestation} from "./libraries/Attestation.sol";
import {Custodians} from "./libraries/BookWiring.sol";
import {BookTest} from "./BookTest.t.sol";

/// @notice A vault that answers for balances alone.
contract VaultWithoutPayouts {
    address public immutable registry;
    address public immutable token;

    constructor(address registry_, address token_) {
        (registry, token) = (registry_, token_);
    }

    function holds(uint8 section) external pure returns (bool) {
        return section == 0;
    }
}

/// @notice Deployment of the registry
/// ├── a window that is too long, a threshold that nobody or everybody meets, a doubled attester → its error
/// ├── with a window: an account with two roles, or an attester with one → RolesNotSeparate
/// ├── no admin, committer or guardian → MissingAccount
/// ├── with a token: a custodian without code, of another registry, token, section or counterpart → NotWired
/// ├── without a token: any custodian → NotWired
/// └── else it exists, empty
contract RegistryDeployTest is BookTest {
    /// @dev What the parts of a book are told about each other.
    struct Wiring {
        IERC20 escrowToken;
        address stakingRegistry;
        address reserveVault;
        address vaultsEscrow;
        address vaultsStaking;
        address vaultsReserve;
    }

    function test_ADeployedBookIsWiredAndEmpty() public {
        address[5] memory custodians =
            [address(vault), address(escrow), address(staking), address(reserve), address(vault)];
        for (uint8 section = 0; section < 5; ++section) {
            assertEq(registry.custodianOf(section), custodians[section], "custodian");
            assertTrue(ISettlementCustodian(custodians[section]).holds(section), "holds");
        }
        assertEq(address(registry.token()), address(token), "token");
        assertEq(registry.lastCommitted(), 0, "committed");
        assertEq(registry.lastFinal(), 0, "final");
        assertEq(registry.totalPaid(), 0, "paid");
        assertEq(registry.lastEntry(), 0, "entries");
        assertEq(registry.headerHashOf(0), bytes32(0), "epoch 0");
        assertEq(registry.headerHashOf(1), bytes32(0), "epoch 1");
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.NotFinal.selector, 0, bytes32(0)));
        registry.requireFinal(0, 0);
        assertTrue(registry.hasRole(registry.DEFAULT_ADMIN_ROLE(), ADMIN), "admin");
        assertTrue(registry.hasRole(registry.COMMITTER_ROLE(), COMMITTER), "committer");
        assertTrue(registry.hasRole(registry.GUARDIAN_ROLE(), GUARDIAN), "guardian");
        assertFalse(registry.hasRole(registry.DEFAULT_ADMIN_ROLE(), address(this)), "the deployer has no role");
    }

    function test_UnknownSectionHasNoCustodian() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, uint8(5)));
        registry.custodianOf(5);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, uint8(255)));
        registry.domainOf(255);
    }

    function test_RefusesAWindowInWhichADemandCannotBeServed() public {
        SettlementRegistry.Rules memory rules = _rules();
        (rules.challengeWindow, rules.attesters, rules.threshold) = (3 days + 1, _someAttesters(2), 1);
        bytes4 error_ = ISettlementRegistry.WindowTooLong.selector;
        _deployReverts(_roles(), rules, abi.encodeWithSelector(error_, 3 days + 1, 3 days));
        rules.challengeWindow = 3 days;
        create("SettlementRegistry", abi.encode(_roles(), address(0), _none(), rules));
    }

    function test_RefusesAThresholdThatNoSetOfAttestersMeets() public {
        bytes4 error_ = ISettlementRegistry.BadThreshold.selector;
        SettlementRegistry.Rules memory rules = _rules();
        rules.threshold = 1;
        _deployReverts(_roles(), rules, abi.encodeWithSelector(error_, 1, 0));
        (rules.attesters, rules.threshold) = (_someAttesters(2), 3);
        _deployReverts(_roles(), rules, abi.encodeWithSelector(error_, 3, 2));
    }

    /// @dev A window in which nobody looks would look like protection and be none.
    function test_RefusesAWindowWithoutSignatures() public {
        SettlementRegistry.Rules memory rules = _rules();
        rules.challengeWindow = 1;
        _deployReverts(_roles(), rules, abi.encodeWithSelector(ISettlementRegistry.BadThreshold.selector, 0, 0));
    }

    function test_RefusesAnAttesterThatIsMissingOrNamedTwice() public {
        bytes4 error_ = Attestation.BadAttester.selector;
        SettlementRegistry.Rules memory rules = _rules();
        rules.attesters = _someAttesters(2);
        rules.attesters[1] = address(0);
        _deployReverts(_roles(), rules, abi.encodeWithSelector(error_, address(0)));
        rules.attesters[1] = rules.attesters[0];
        _deployReverts(_roles(), rules, abi.encodeWithSelector(error_, rules.attesters[0]));
    }

    function test_RefusesABookWithATokenButNoSmallestExit() public {
        SettlementRegistry.Rules memory rules = _rules();
        rules.minimumExit = 0;
        _deployReverts(_roles(), rules, abi.encodeWithSelector(ISettlementRegistry.MinimumExitMissing.selector));
        create("SettlementRegistry", abi.encode(_roles(), address(0), _none(), rules));
    }

    function test_WithAWindowTheRolesAreDifferentAccounts() public {
        bytes4 error_ = ISettlementRegistry.RolesNotSeparate.selector;
        SettlementRegistry.Rules memory rules = _rules();
        (rules.challengeWindow, rules.attesters, rules.threshold) = (1 days, _someAttesters(2), 1);
        SettlementRegistry.Roles memory roles = _roles();
        roles.guardian = roles.committer;
        _deployReverts(roles, rules, abi.encodeWithSelector(error_, roles.committer));
        roles = _roles();
        roles.committer = roles.admin;
        _deployReverts(roles, rules, abi.encodeWithSelector(error_, roles.admin));
        roles = _roles();
        roles.committer = rules.attesters[1];
        _deployReverts(roles, rules, abi.encodeWithSelector(error_, rules.attesters[1]));
        rules.challengeWindow = 0;
        create("SettlementRegistry", abi.encode(roles, address(0), _none(), rules));
    }

    function test_RefusesAMissingAccount() public {
        bytes4 error_ = ISettlementRegistry.MissingAccount.selector;
        SettlementRegistry.Roles memory roles = _roles();
        roles.admin = address(0);
        _deployReverts(roles, _rules(), abi.encodeWithSelector(error_, registry.DEFAULT_ADMIN_ROLE()));
        roles = _roles();
        roles.committer = address(0);
        _deployReverts(roles, _rules(), abi.encodeWithSelector(error_, registry.COMMITTER_ROLE()));
        roles = _roles();
        roles.guardian = address(0);
        _deployReverts(roles, _rules(), abi.encodeWithSelector(error_, registry.GUARDIAN_ROLE()));
    }

    function test_RefusesCustodiansOfAnotherRegistry() public {
        _deployReverts(_custodians(), token, address(vault), 0);
    }

    function test_RefusesACustodianWithoutCode() public {
        Custodians memory none = _custodians();
        none.vault = ISettlementVault(address(0x99));
        _deployReverts(none, token, address(0x99), 0);
    }

    function test_RefusesAVaultThatHoldsNoPayouts() public {
        address planned = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        Custodians memory half = _custodians();
        half.vault = ISettlementVault(address(new VaultWithoutPayouts(planned, address(token))));
        _deployReverts(half, token, address(half.vault), 4);
    }

    function test_RefusesAWrongPartAnywhere() public {
        // Right all through: the helper below deploys books that exist.
        _build(_straight(), 0, false);

        Wiring memory wiring = _straight();
        wiring.escrowToken = IERC20(address(0x98));
        _build(wiring, 1, true);

        wiring = _straight();
        wiring.stakingRegistry = address(registry);
        _build(wiring, 2, true);

        wiring = _straight();
        wiring.reserveVault = address(vault);
        _build(wiring, 3, true);

        wiring = _straight();
        wiring.vaultsEscrow = address(escrow);
        _build(wiring, 1, true);

        wiring = _straight();
        wiring.vaultsStaking = address(staking);
        _build(wiring, 2, true);

        wiring = _straight();
        wiring.vaultsReserve = address(reserve);
        _build(wiring, 3, true);
    }

    function test_RefusesSwappedCustodians() public {
        uint64 nonce = vm.getNonce(address(this));
        address planned = vm.computeCreateAddress(address(this), nonce + 4);
        address[3] memory parts;
        for (uint256 i = 0; i < 3; ++i) parts[i] = vm.computeCreateAddress(address(this), nonce + 1 + i);
        ISettlementVault vault_ = _createVault(planned, address(token), parts);
        ISectionCustodian staking_ = _section("AccessTierStaking", planned, token, vault_);
        ISectionCustodian escrow_ = _section("P2PAgreementEscrow", planned, token, vault_);
        ISectionCustodian reserve_ = _section("EntityComputeReserve", planned, token, vault_);
        _deployReverts(Custodians(vault_, staking_, escrow_, reserve_), token, address(staking_), 1);
    }

    function test_ABookWithoutATokenHasNoCustodians() public {
        Custodians memory some = _custodians();
        Custodians memory none;
        none.vault = some.vault;
        _deployReverts(none, IERC20(address(0)), address(vault), 0);
        none.vault = ISettlementVault(address(0));
        none.escrow = some.escrow;
        _deployReverts(none, IERC20(address(0)), address(escrow), 1);
        none.escrow = ISectionCustodian(address(0));
        none.staking = some.staking;
        _deployReverts(none, IERC20(address(0)), address(staking), 2);
        none.staking = ISectionCustodian(address(0));
        none.reserve = some.reserve;
        _deployReverts(none, IERC20(address(0)), address(reserve), 3);
    }

    function _deployReverts(
        SettlementRegistry.Roles memory roles,
        SettlementRegistry.Rules memory rules,
        bytes memory error_
    ) private {
        bytes memory arguments = abi.encode(roles, token, _custodians(), rules);
        vm.expectRevert(error_);
        create("SettlementRegistry", arguments);
    }

    function _someAttesters(uint256 count) private pure returns (address[] memory attesters) {
        attesters = new address[](count);
        for (uint256 i = 0; i < count; ++i) attesters[i] = address(uint160(0xA77E57 + i));
    }

    function _none() private pure returns (Custodians memory none) {
        return none;
    }

    function _deployReverts(
        Custodians memory custodians,
        IERC20 token_,
        address named,
        uint8 section
    ) private {
        bytes memory arguments = abi.encode(_roles(), token_, custodians, _rules());
        vm.expectRevert(abi.encodeWithSelector(ISettlementRegistry.NotWired.selector, named, section));
        create("SettlementRegistry", arguments);
    }

    function _section(string memory name, address registry_, IERC20 token_, ISettlementVault vault_)
        private
        returns (ISectionCustodian)
    {
        return ISectionCustodian(_createSection(name, registry_, address(token_), address(vault_)));
    }

    /// @dev Zero stands for the right value, which is known only when the addresses are.
    function _straight() private pure returns (Wiring memory wiring) {
        return wiring;
    }

    /// @dev Deploys the parts as told; then the registry, which names the custodian of `section` where they are wrong.
    function _build(Wiring memory wiring, uint8 section, bool wrong) private {
        uint64 nonce = vm.getNonce(address(this));
        address[5] memory planned;
        for (uint256 i = 0; i < 5; ++i) planned[i] = vm.computeCreateAddress(address(this), nonce + i);
        address[3] memory others = [wiring.vaultsEscrow, wiring.vaultsStaking, wiring.vaultsReserve];
        for (uint256 i = 0; i < 3; ++i) if (others[i] == address(0)) others[i] = planned[1 + i];
        address stakingRegistry = wiring.stakingRegistry == address(0) ? planned[4] : wiring.stakingRegistry;
        address reserveVault = wiring.reserveVault == address(0) ? planned[0] : wiring.reserveVault;
        IERC20 escrowToken = address(wiring.escrowToken) == address(0) ? token : wiring.escrowToken;
        ISettlementVault vault_ = _createVault(planned[4], address(token), others);
        Custodians memory custodians = Custodians({
            vault: vault_,
            escrow: _section("P2PAgreementEscrow", planned[4], escrowToken, vault_),
            staking: _section("AccessTierStaking", stakingRegistry, token, vault_),
            reserve: _section("EntityComputeReserve", planned[4], token, ISettlementVault(reserveVault))
        });
        bytes memory arguments = abi.encode(_roles(), token, custodians, _rules());
        if (wrong) {
            bytes4 error_ = ISettlementRegistry.NotWired.selector;
            vm.expectRevert(abi.encodeWithSelector(error_, planned[section], section));
        }
        create("SettlementRegistry", arguments);
    }
}
