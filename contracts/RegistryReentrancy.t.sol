// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SettlementRegistry} from "./SettlementRegistry.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {LeafProof, NodeProof} from "./libraries/Fraud.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {LedgerTest} from "./LedgerDriver.t.sol";

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

    /// @dev Delivers less than it says, where it was told to keep something; more, where that is below 0.
    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        _reenter();
        _transfer(from, to, uint256(int256(amount) - _kept));
        _reenter();
        return true;
    }

    int256 private _kept;

    function keep(int256 amount) external {
        _kept = amount;
    }

    function _reenter() private {
        if (_target == address(0)) return;
        (bool ok, bytes memory answer) = _target.call(_data);
        ++calls;
        if (ok) ++successes;
        else lastError = bytes4(answer);
    }
}

/// @notice A book of a hostile token: nothing that moves tokens can be entered again while it moves them.
contract RegistryReentrancyTest is LedgerTest {
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

    /// @dev Attack: a reentrant token, inside a netting: everything else that changes which epochs stand, each in a state in
    /// which it would be taken outside.
    function test_AttackVetoChallengeFreezeOrEntryInsideANettingFails() public {
        Header memory last = _ledgerEpoch();
        _claim(ANYONE, 1, 0);
        vm.prank(ALICE);
        vault.deposit(2 ether);
        _demand(ALICE, EpochHeader.LOCKS, 0);
        _pass(7 days);
        escrow.requestFreeze(EpochHeader.LOCKS, 0);
        _pass(24 hours);

        NodeProof memory node;
        LeafProof memory leaf;
        for (uint256 i = 0; i < 5; ++i) {
            positions[EpochHeader.LOCKS][0].amount -= 1 ether;
            Header memory header = _commitAsToken(_close());
            address target = i == 0 ? address(escrow) : address(registry);
            bytes memory data = [
                abi.encodeCall(escrow.lockForAgreement, (1, 0, "")),
                abi.encodeCall(registry.veto, (header.epoch, _hash(header))),
                abi.encodeCall(registry.challengeNode, (header, node)),
                abi.encodeCall(registry.challengeLeaves, (last, header, 0, leaf, leaf)),
                abi.encodeCall(registry.freezeForEntry, (1))
            ][i];
            hostile.callBack(target, data);
            _finalize(header);
            _assertBlocked(2 * (i + 1));
            last = header;
        }
        positions[EpochHeader.LOCKS][0].amount -= 1 ether;
        Header memory next = _commitAsToken(_close());
        hostile.callBack(address(escrow), abi.encodeCall(escrow.freeze, (EpochHeader.LOCKS, 0)));
        _finalize(next);
        _assertBlocked(12);
        assertEq(registry.lastFinal(), 7, "every one is final");
        escrow.freeze(EpochHeader.LOCKS, 0);
        assertEq(registry.frozenAt(), block.timestamp, "afterwards it is possible");
    }

    /// @dev Attack: a reentrant token, inside a claim: the same claim again, and an epoch made final meanwhile.
    function test_AttackClaimInsideAClaimFails() public {
        Header memory first = _ledgerEpoch();
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, EpochHeader.PAYOUTS, 0);
        hostile.callBack(address(vault), abi.encodeCall(vault.claim, (1, leaf, siblings)));
        vault.claim(1, leaf, siblings);
        _assertBlocked(2);
        assertEq(hostile.balanceOf(ALICE), 5 ether, "paid once");
    }

    function test_AttackFinalizeInsideAClaimFails() public {
        _ledgerEpoch();
        Header memory second = _commitAsToken(_close());
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, EpochHeader.PAYOUTS, 0);
        hostile.callBack(address(registry), abi.encodeCall(registry.finalize, (second, new bytes[](0))));
        vault.claim(1, leaf, siblings);
        _assertBlocked(2);
        assertEq(registry.lastFinal(), 1, "not in the middle of a claim");
    }

    /// @dev A claim while tokens are on their way between custodians is paid, once, and the books hold afterwards.
    function test_AttackClaimInsideANettingPaysOnce() public {
        _ledgerEpoch();
        positions[EpochHeader.LOCKS][0].amount = 3 ether;
        Header memory second = _commitAsToken(_close());
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, EpochHeader.PAYOUTS, 0);
        hostile.callBack(address(vault), abi.encodeCall(vault.claim, (1, leaf, siblings)));
        _finalize(second);
        assertTrue(hostile.successes() <= 1, "once at most");
        assertEq(hostile.balanceOf(ALICE), vault.totalPaid(), "as counted");
        assertEq(hostile.balanceOf(address(escrow)), 3 ether, "netted");
        assertEq(hostile.balanceOf(address(vault)), 1_000_000 ether - 3 ether - vault.totalPaid(), "the rest");
    }

    function test_AttackEscapeInsideAnEscapeFails() public {
        _ledgerEpoch();
        (Leaf memory leaf, Node[] memory siblings) = _proof(1, EpochHeader.LOCKS, 0);
        vm.prank(ALICE);
        escrow.demandExit(EpochHeader.LOCKS, leaf, siblings);
        _freezeFor(EpochHeader.LOCKS, 0);
        hostile.callBack(address(escrow), abi.encodeCall(escrow.escape, (EpochHeader.LOCKS, leaf, siblings)));
        escrow.escape(EpochHeader.LOCKS, leaf, siblings);
        _assertBlocked(2);
        assertEq(hostile.balanceOf(ALICE), 7 ether, "paid once");
    }

    function test_AttackEntryInsideAnEntryFails() public {
        _ledgerEpoch();
        _claim(ANYONE, 1, 0);
        hostile.callBack(address(vault), abi.encodeCall(vault.deposit, (1)));
        vm.prank(ALICE);
        vault.deposit(2 ether);
        _assertBlocked(2);
        assertEq(registry.lastEntry(), 1, "one entry");
    }

    function test_AttackRepaymentInsideARepaymentFails() public {
        _ledgerEpoch();
        _claim(ANYONE, 1, 0);
        vm.prank(ALICE);
        vault.deposit(2 ether);
        _pass(7 days);
        registry.freezeForEntry(1);
        hostile.callBack(address(vault), abi.encodeCall(vault.repayEntry, (1)));
        vault.repayEntry(1);
        _assertBlocked(2);
        assertEq(hostile.balanceOf(ALICE), 5 ether, "repaid once");
    }

    function test_AnEntryThatDoesNotArriveAsItIsRefused() public {
        _ledgerEpoch();
        _claim(ANYONE, 1, 0);
        int256[2] memory kept = [int256(1), -1];
        for (uint256 i = 0; i < 2; ++i) {
            hostile.keep(kept[i]);
            uint256 received = uint256(2 ether - kept[i]);
            vm.expectRevert(
                abi.encodeWithSelector(ISettlementCustodian.NotReceived.selector, uint256(2 ether), received)
            );
            vm.prank(ALICE);
            vault.deposit(2 ether);
        }
    }

    /// @dev The first epoch of a small ledger: a payout of 5 and a lock of 7, both Alice's.
    function _ledgerEpoch() private returns (Header memory header) {
        _open(EpochHeader.PAYOUTS, ALICE, 5 ether);
        _open(EpochHeader.LOCKS, ALICE, 7 ether);
        header = _commitAsToken(_close());
        _finalize(header);
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
