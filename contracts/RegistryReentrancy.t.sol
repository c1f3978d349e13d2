// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SettlementRegistry} from "./SettlementRegistry.sol";
import {Header} from "./libraries/EpochHeader.sol";
import {BookTest} from "./BookTest.t.sol";

/// @notice A token that calls back in the middle of every transfer, before and after balances change.
contract ReentrantToken is ERC20 {
    address private _target;
    bytes private _data;
    bool private _lies;

    uint256 public calls;
    uint256 public successes;
    bytes4 public lastError;

    constructor(address vault) ERC20("Reentrant", "RE") {
        _mint(vault, 1_000_000 ether);
    }

    function callBack(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    /// @dev From now on a transfer answers false and moves nothing.
    function lie() external {
        _lies = true;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (_lies) return false;
        _reenter();
        super.transfer(to, amount);
        _reenter();
        return true;
    }

    function _reenter() private {
        if (_target == address(0)) return;
        (bool ok, bytes memory answer) = _target.call(_data);
        ++calls;
        if (ok) ++successes;
        else lastError = bytes4(answer);
    }
}

/// @notice A book of a hostile token: neither commit nor finalize can be entered again from inside a netting.
contract RegistryReentrancyTest is BookTest {
    ReentrantToken private hostile;

    function setUp() public override {
        vm.warp(START);
        address[6] memory planned = _plan();
        hostile = new ReentrantToken(planned[1]);
        _deployBehind(planned);
    }

    function _roles() internal view override returns (SettlementRegistry.Roles memory) {
        return SettlementRegistry.Roles({admin: ADMIN, committer: address(hostile), guardian: GUARDIAN});
    }

    function test_AttackFinalizeInsideANettingFails() public {
        Header memory first = _commitAsToken(_nextWith([uint128(1), 10 ether, 20 ether, 30 ether, 0]));
        Header memory second = _commitAsToken(_nextWith([uint128(1), 0, 20 ether, 0, 0]));
        hostile.callBack(address(registry), abi.encodeCall(registry.finalize, (second, new bytes[](0))));
        _finalize(first);
        _assertBlocked(6); // three moves, twice each
        assertEq(registry.lastFinal(), 1, "one epoch is final");
        _finalize(second);
        assertEq(hostile.balanceOf(address(staking)), 20 ether, "and the next one nets as ever");
        assertEq(hostile.balanceOf(address(escrow)) + hostile.balanceOf(address(reserve)), 0, "surpluses went");
    }

    function test_AttackCommitInsideANettingFails() public {
        Header memory first = _commitAsToken(_nextWith([uint128(1), 10 ether, 0, 0, 0]));
        hostile.callBack(address(registry), abi.encodeCall(registry.commit, (_last(), _next())));
        _finalize(first);
        _assertBlocked(2);
        assertEq(registry.lastCommitted(), 1, "nothing was committed");
        vm.prank(address(hostile));
        registry.commit(_last(), _next());
        assertEq(registry.lastCommitted(), 2, "afterwards it is possible");
    }

    function test_ATransferThatAnswersFalseStopsTheFinalize() public {
        Header memory first = _commitAsToken(_nextWith([uint128(1), 10 ether, 0, 0, 0]));
        hostile.lie();
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(hostile)));
        registry.finalize(first, new bytes[](0));
        assertEq(registry.lastFinal(), 0, "not final");
    }

    function _commitAsToken(Header memory header) private returns (Header memory) {
        vm.prank(address(hostile));
        registry.commit(_last(), header);
        _setLast(header);
        return header;
    }

    function _assertBlocked(uint256 calls) private view {
        assertEq(hostile.calls(), calls, "calls back");
        assertEq(hostile.successes(), 0, "that succeeded");
        bytes4 expected = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        assertEq(bytes32(hostile.lastError()), bytes32(expected), "error");
    }
}
