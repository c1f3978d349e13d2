// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {TST} from "./TST.sol";
import {TestBase} from "./TestBase.t.sol";

/// @notice TST
/// ├── deployment: a custodian missing or twice → BadCustodian; else the whole supply is in the vault
/// ├── transfer: by a holder → TransferDisabled; by a custodian → moves its own tokens
/// ├── transferFrom: by anyone else → NotCustodian; to anyone else → NotIntoCustody; else moves into custody
/// └── approve: always ApprovalDisabled
contract TSTTest is TestBase {
    address private constant VAULT = address(0x11);
    address private constant ESCROW = address(0x12);
    address private constant STAKING = address(0x13);
    address private constant RESERVE = address(0x14);
    address private constant HOLDER = address(0x21);

    TST private token;

    function setUp() public {
        token = TST(create("TST", abi.encode(VAULT, ESCROW, STAKING, RESERVE)));
    }

    function test_DeploymentPutsTheWholeSupplyIntoTheVault() public view {
        assertEq(token.totalSupply(), 1_000_000 ether, "supply");
        assertEq(token.balanceOf(VAULT), 1_000_000 ether, "vault");
        assertEq(token.decimals(), 18, "decimals");
        assertEq(keccak256(bytes(token.symbol())), keccak256("TST"), "symbol");
        assertEq(token.vault(), VAULT, "vault");
        assertEq(token.escrow(), ESCROW, "escrow");
        assertEq(token.staking(), STAKING, "staking");
        assertEq(token.reserve(), RESERVE, "reserve");
    }

    function test_DeploymentRefusesAMissingOrDoubledCustodian() public {
        address[4] memory good = [VAULT, ESCROW, STAKING, RESERVE];
        for (uint256 i = 0; i < 4; ++i) {
            address[4] memory bad = good;
            bad[i] = address(0);
            _deployReverts(bad, address(0));
            for (uint256 j = i + 1; j < 4; ++j) {
                bad = good;
                bad[j] = bad[i];
                _deployReverts(bad, bad[i]);
            }
        }
    }

    function test_HolderCannotTransfer() public {
        _give(HOLDER, 5);
        vm.expectRevert(abi.encodeWithSelector(TST.TransferDisabled.selector, HOLDER));
        vm.prank(HOLDER);
        token.transfer(VAULT, 1);
    }

    function test_HolderCannotApprove() public {
        vm.expectRevert(abi.encodeWithSelector(TST.ApprovalDisabled.selector, HOLDER, ESCROW));
        vm.prank(HOLDER);
        token.approve(ESCROW, 1);
        // Nor can a custodian.
        vm.expectRevert(abi.encodeWithSelector(TST.ApprovalDisabled.selector, VAULT, ESCROW));
        vm.prank(VAULT);
        token.approve(ESCROW, 1);
    }

    function test_EveryCustodianMovesItsOwnTokens() public {
        address[4] memory custodians = [VAULT, ESCROW, STAKING, RESERVE];
        for (uint256 i = 0; i < 4; ++i) {
            assertTrue(token.isCustodian(custodians[i]), "custodian");
            if (i != 0) _give(custodians[i], 7);
            vm.prank(custodians[i]);
            assertTrue(token.transfer(HOLDER, 7), "answers true");
        }
        assertEq(token.balanceOf(HOLDER), 28, "holder");
    }

    function test_CustodianCannotSendMoreThanItHas() public {
        bytes memory error_ =
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ESCROW, uint256(0), uint256(1));
        vm.expectRevert(error_);
        vm.prank(ESCROW);
        token.transfer(VAULT, 1);
    }

    function test_CustodianTakesFromAnAccountWithoutAllowanceIntoCustody() public {
        _give(HOLDER, 5);
        vm.prank(ESCROW);
        assertTrue(token.transferFrom(HOLDER, VAULT, 5), "answers true");
        assertEq(token.balanceOf(HOLDER), 0, "holder");
        assertEq(token.balanceOf(VAULT), token.SUPPLY(), "vault");
    }

    function test_NobodyElseTakesFromAnAccount() public {
        _give(HOLDER, 5);
        vm.expectRevert(abi.encodeWithSelector(TST.NotCustodian.selector, HOLDER));
        vm.prank(HOLDER);
        token.transferFrom(HOLDER, VAULT, 5);
    }

    function test_NothingIsTakenToAnotherAccount() public {
        _give(HOLDER, 5);
        vm.expectRevert(abi.encodeWithSelector(TST.NotIntoCustody.selector, address(0x99)));
        vm.prank(ESCROW);
        token.transferFrom(HOLDER, address(0x99), 5);
    }

    /// @dev T1 and T2: whoever calls, the supply stays and an outsider moves nothing.
    function testFuzz_T1_T2_OutsidersMoveNothing(address caller, address from, address to, uint256 amount) public {
        vm.assume(!token.isCustodian(caller));
        _give(HOLDER, 1 ether);
        uint256 fromBefore = token.balanceOf(from);
        (bool sent,) = _callAs(caller, abi.encodeCall(token.transfer, (to, amount)));
        (bool taken,) = _callAs(caller, abi.encodeCall(token.transferFrom, (from, to, amount)));
        (bool approved,) = _callAs(caller, abi.encodeCall(token.approve, (to, amount)));
        assertFalse(sent || taken || approved, "an outsider acted");
        assertEq(token.balanceOf(from), fromBefore, "balance");
        assertEq(token.totalSupply(), token.SUPPLY(), "supply");
        assertEq(token.allowance(from, caller), 0, "allowance");
    }

    function _give(address to, uint256 amount) private {
        vm.prank(VAULT);
        token.transfer(to, amount);
    }

    function _callAs(address caller, bytes memory data) private returns (bool ok, bytes memory answer) {
        vm.prank(caller);
        return address(token).call(data);
    }

    /// @dev Behind a call, because it is a call that is expected to revert.
    function createToken(address[4] calldata c) external returns (address) {
        return create("TST", abi.encode(c[0], c[1], c[2], c[3]));
    }

    function _deployReverts(address[4] memory c, address named) private {
        vm.expectRevert(abi.encodeWithSelector(TST.BadCustodian.selector, named));
        this.createToken(c);
    }
}
