// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SettlementRegistry} from "./SettlementRegistry.sol";
import {TST} from "./TST.sol";
import {ISettlementCustodian, ISettlementVault} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {BookDriver} from "./BookTest.t.sol";
import {TestBase, Vm} from "./TestBase.t.sol";

/// @notice What may happen to a book, in any order: honest and dishonest commits, finalizes, pauses, strangers.
contract BookHandler is BookDriver {
    /// @dev What the book must agree with, kept apart from it.
    mapping(uint64 epoch => bytes32 headerHash) public expectedHash;
    mapping(uint64 epoch => bytes header) private _pending;
    bytes private _lastFinal;

    uint256 public refusedCommits;
    uint256 public takenOfAnything;
    uint256 public finalized;
    uint256 public mostMovesOfOneCustodian;

    constructor() {
        _deployBook();
    }

    function book() external view returns (SettlementRegistry registry_, TST token_) {
        return (registry, token);
    }

    function lastHeader() external view returns (Header memory) {
        return _last();
    }

    function lastFinalHeader() external view returns (Header memory header) {
        return _lastFinal.length == 0 ? header : abi.decode(_lastFinal, (Header));
    }

    /// @notice An honest commit: sums the supply covers, payouts that do not fall.
    function commitHonest(uint128[5] memory sums, uint64 lines) external {
        if (registry.paused()) return;
        uint256 left = token.SUPPLY();
        uint128 paid = _last().sections[EpochHeader.PAYOUTS].sum;
        sums[4] = uint128(bound(sums[4], paid, paid + (left - paid) / 100));
        left -= sums[4];
        for (uint256 i = 0; i < 4; ++i) {
            sums[i] = uint128(bound(sums[i], 0, left));
            left -= sums[i];
        }
        Header memory header = _nextWith(sums);
        header.journalSize += uint64(bound(lines, 0, 1000));
        _commit(header);
        expectedHash[header.epoch] = _hash(header);
        _pending[header.epoch] = abi.encode(header);
    }

    /// @notice A commit that owes more than is held, or lets something fall: it must be refused.
    function commitDishonest(uint8 how, uint128 amount) external {
        Header memory header = _next();
        how = uint8(bound(how, 0, 4));
        if (how == 0) header.sections[0].sum = uint128(bound(amount, token.SUPPLY() + 1, type(uint128).max));
        if (how == 0 && header.sections[0].count == 0) header.sections[0].count = 1;
        if (how == 1) header.journalSize = 0;
        if (how == 1 && _last().journalSize == 0) return;
        // 0 is right before the first epoch.
        if (how == 2) header.previous = bytes32(uint256(amount) + 1);
        if (how == 3) header.epoch = uint64(bound(amount, 0, _last().epoch));
        if (how == 4) header.depositSeq = 1 + uint64(amount % 1000);
        vm.prank(COMMITTER);
        try registry.commit(_last(), header) {
            revert("a dishonest commit was accepted");
        } catch {
            ++refusedCommits;
        }
    }

    /// @notice A header in which something that only grows is another number: whatever the contract takes, stands.
    function commitAnything(uint8 member, uint8 section, uint64 value) external {
        if (registry.paused()) return;
        (Header memory last, Header memory header) = (_last(), _next());
        Section memory changed = header.sections[section % 5];
        member = member % 4;
        if (member == 0) header.journalSize = uint64(bound(value, 0, 2 * last.journalSize));
        if (member == 1 && changed.count != 0) changed.count = uint64(bound(value, 1, 2 * changed.count));
        if (member == 2 && header.sections[4].count != 0) header.sections[4].sum = uint128(bound(value, 0, last.sections[4].sum));
        if (member == 3) header.closedAt = uint64(bound(value, last.closedAt / 2, block.timestamp));
        vm.prank(COMMITTER);
        try registry.commit(last, header) {
            _setLast(header);
            expectedHash[header.epoch] = _hash(header);
            _pending[header.epoch] = abi.encode(header);
            ++takenOfAnything;
        } catch {
            ++refusedCommits;
        }
    }

    function headerOf(uint64 epoch) external view returns (Header memory header) {
        return abi.decode(_pending[epoch], (Header));
    }

    /// @notice Makes the oldest pending epoch final, and counts the moves of each custodian.
    function finalizeNext() external {
        uint64 next = registry.lastFinal() + 1;
        if (next > registry.lastCommitted()) return;
        vm.recordLogs();
        _finalize(abi.decode(_pending[next], (Header)));
        _countMoves(vm.getRecordedLogs());
        _lastFinal = _pending[next];
        ++finalized;
    }

    function pauseOrUnpause() external {
        bool paused = registry.paused();
        vm.prank(paused ? ADMIN : GUARDIAN);
        if (paused) registry.unpause();
        else registry.pause();
    }

    function passTime(uint32 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 0, 30 days));
    }

    /// @notice Anybody tries to move tokens: nothing may happen.
    function strangerMovesTokens(address stranger, address to, uint256 amount) external {
        if (token.isCustodian(stranger)) return;
        vm.prank(stranger);
        (bool sent,) = address(token).call(abi.encodeCall(token.transfer, (to, amount)));
        vm.prank(stranger);
        (bool taken,) = address(token).call(abi.encodeCall(token.transferFrom, (address(vault), to, amount)));
        if (sent || taken) revert("a stranger moved tokens");
    }

    function _countMoves(Vm.Log[] memory logs) private {
        uint256[3] memory moves;
        address[3] memory custodians = [address(escrow), address(staking), address(reserve)];
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(token) || logs[i].topics[0] != IERC20.Transfer.selector) continue;
            for (uint256 j = 0; j < 3; ++j) {
                bytes32 custodian = bytes32(uint256(uint160(custodians[j])));
                if (logs[i].topics[1] == custodian || logs[i].topics[2] == custodian) ++moves[j];
            }
        }
        for (uint256 j = 0; j < 3; ++j) {
            if (moves[j] > mostMovesOfOneCustodian) mostMovesOfOneCustodian = moves[j];
        }
    }
}

/// @notice The numbered invariants, after any sequence of the handler's actions.
contract InvariantsTest is TestBase {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    BookHandler private handler;
    SettlementRegistry private registry;
    TST private token;

    function setUp() public {
        handler = new BookHandler();
        (registry, token) = handler.book();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = BookHandler.commitHonest.selector;
        selectors[1] = BookHandler.commitHonest.selector;
        selectors[2] = BookHandler.commitDishonest.selector;
        selectors[3] = BookHandler.finalizeNext.selector;
        selectors[4] = BookHandler.finalizeNext.selector;
        selectors[5] = BookHandler.pauseOrUnpause.selector;
        selectors[6] = BookHandler.passTime.selector;
        selectors[7] = BookHandler.strangerMovesTokens.selector;
        selectors[8] = BookHandler.commitAnything.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    function invariant_T1_TheSupplyIsFixed() public view {
        assertEq(token.totalSupply(), token.SUPPLY(), "supply");
    }

    function invariant_T2_AllTokensAreInCustody() public view {
        assertEq(_held(), token.SUPPLY(), "tokens outside the custodians");
    }

    function invariant_R1_FinalFollowsCommittedWithinTheLimit() public view {
        assertTrue(registry.lastFinal() <= registry.lastCommitted(), "final <= committed");
        assertTrue(registry.lastCommitted() - registry.lastFinal() <= registry.MAX_PENDING(), "pending");
    }

    function invariant_R2_TheRingHoldsTheChainOfHeaders() public view {
        Header memory newest = handler.lastHeader();
        assertEq(registry.lastCommitted(), newest.epoch, "epoch");
        for (uint64 epoch = 1; epoch <= newest.epoch; ++epoch) {
            assertEq(registry.headerHashOf(epoch), handler.expectedHash(epoch), "hash");
        }
        if (newest.epoch > 1) assertEq(newest.previous, handler.expectedHash(newest.epoch - 1), "link");
    }

    function invariant_R3_WhatOnlyGrowsNeverFalls() public view {
        uint64 last = registry.lastCommitted();
        if (last < 2) return;
        (Header memory before, Header memory header) = (handler.headerOf(last - 1), handler.headerOf(last));
        for (uint8 section = 0; section < 5; ++section) {
            assertTrue(header.sections[section].count >= before.sections[section].count, "count");
        }
        assertTrue(header.sections[EpochHeader.PAYOUTS].sum >= before.sections[EpochHeader.PAYOUTS].sum, "payouts");
        assertTrue(header.journalSize >= before.journalSize, "journal");
        assertTrue(header.depositSeq >= before.depositSeq, "entries");
        assertTrue(header.closedAt >= before.closedAt, "closing time");
    }

    function invariant_R4_OwedIsAtMostHeld() public view {
        Header[2] memory headers = [handler.lastHeader(), handler.lastFinalHeader()];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 owed = 0;
            for (uint256 j = 0; j < 5; ++j) owed += headers[i].sections[j].sum;
            assertTrue(owed - registry.totalPaid() <= _held(), "owed <= held");
        }
    }

    function invariant_R5_C2_CustodiansHoldTheirFinalSums() public view {
        Header memory header = handler.lastFinalHeader();
        uint256 elsewhere = 0;
        for (uint8 section = 1; section < 4; ++section) {
            uint256 sum = header.sections[section].sum;
            assertEq(token.balanceOf(registry.custodianOf(section)), sum, "custodian holds its sum");
            elsewhere += sum;
        }
        assertEq(token.balanceOf(registry.custodianOf(0)), token.SUPPLY() - elsewhere, "the vault holds the rest");
    }

    function invariant_C1_CustodiansKnowTheFinalSections() public view {
        Header memory header = handler.lastFinalHeader();
        for (uint8 section = 0; section < 5; ++section) {
            ISettlementCustodian custodian = ISettlementCustodian(registry.custodianOf(section));
            bool known = custodian.isFinalSection(section, header.sections[section]);
            assertTrue(known == (header.epoch != 0), "the last final section");
        }
        uint128 payouts = ISettlementVault(registry.custodianOf(EpochHeader.PAYOUTS)).finalPayouts();
        assertEq(payouts, header.sections[EpochHeader.PAYOUTS].sum, "what can be claimed");
    }

    function invariant_R6_OneMovePerCustodianAndEpoch() public view {
        assertTrue(handler.mostMovesOfOneCustodian() <= 1, "moves");
    }

    function _held() private view returns (uint256) {
        return token.balanceOf(registry.custodianOf(0)) + token.balanceOf(registry.custodianOf(1))
            + token.balanceOf(registry.custodianOf(2)) + token.balanceOf(registry.custodianOf(3));
    }
}
