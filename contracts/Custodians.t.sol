// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISectionCustodian, ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Section} from "./libraries/EpochHeader.sol";
import {BookTest} from "./BookTest.t.sol";

/// @notice settle, finalSection and isFinalSection of the custodians
/// ├── settle: by anyone but the registry → NotRegistry; else keeps, and moves what it is told to its counterpart
/// ├── finalSection: another custodian's section → UnknownSection
/// └── isFinalSection: true for exactly the root, sum and count that were kept
contract CustodiansTest is BookTest {
    function test_EachCustodianHoldsItsSectionsAlone() public view {
        for (uint8 section = 0; section < 6; ++section) {
            assertTrue(vault.holds(section) == (section == 0 || section == 4), "vault");
            assertTrue(escrow.holds(section) == (section == 1), "escrow");
            assertTrue(staking.holds(section) == (section == 2), "staking");
            assertTrue(reserve.holds(section) == (section == 3), "reserve");
        }
    }

    /// @dev C1: not the admin, not the committer, not another custodian.
    function test_C1_OnlyTheRegistrySettles() public {
        Section memory state = Section({root: keccak256("root"), sum: 1, count: 1});
        address[5] memory callers = [ADMIN, COMMITTER, GUARDIAN, ANYONE, address(vault)];
        ISectionCustodian[3] memory sections = _sectionCustodians();
        for (uint256 i = 0; i < 5; ++i) {
            bytes memory error_ = abi.encodeWithSelector(ISettlementCustodian.NotRegistry.selector, callers[i]);
            for (uint256 j = 0; j < 3; ++j) {
                vm.expectRevert(error_);
                vm.prank(callers[i]);
                sections[j].settle(state, 0);
            }
            vm.expectRevert(error_);
            vm.prank(callers[i]);
            vault.settle(1, state, state, [uint256(0), 0, 0]);
        }
    }

    function test_FinalSectionIsEmptyBeforeTheFirstEpoch() public view {
        (bytes28 fingerprint, uint32 count) = escrow.finalSection(EpochHeader.LOCKS);
        assertEq(fingerprint, bytes28(0), "fingerprint");
        assertEq(count, 0, "count");
        Section memory empty;
        assertFalse(escrow.isFinalSection(EpochHeader.LOCKS, empty), "nothing is final");
        assertEq(vault.finalPayouts(), 0, "nothing can be claimed");
    }

    function test_AnEmptySectionBecomesFinal() public {
        Section memory empty;
        vm.prank(address(registry));
        escrow.settle(empty, 0);
        assertTrue(escrow.isFinalSection(EpochHeader.LOCKS, empty), "final");
        empty.count = 1;
        assertFalse(escrow.isFinalSection(EpochHeader.LOCKS, empty), "with a leaf");
    }

    /// @dev What is kept is recognised, and nothing else is: no other root, sum or count, however they hang together.
    function testFuzz_OnlyTheSectionItselfIsRecognised(Section memory state, Section memory other, uint8 same) public {
        state.count = uint64(bound(state.count, 0, type(uint32).max));
        vm.prank(address(registry));
        staking.settle(state, 0);
        assertTrue(staking.isFinalSection(EpochHeader.STAKES, state), "itself");
        (bytes28 fingerprint, uint32 count) = staking.finalSection(EpochHeader.STAKES);
        assertEq(fingerprint, bytes28(keccak256(abi.encode(state.root, state.sum))), "fingerprint");
        assertEq(count, state.count, "count");

        if (same & 1 != 0) other.root = state.root;
        if (same & 2 != 0) other.sum = state.sum;
        if (same & 4 != 0) other.count = state.count;
        bool equal = other.root == state.root && other.sum == state.sum && other.count == state.count;
        assertTrue(staking.isFinalSection(EpochHeader.STAKES, other) == equal, "another");
        // A count that agrees in the bits that are kept.
        state.count += 1 << 32;
        assertFalse(staking.isFinalSection(EpochHeader.STAKES, state), "2^32 leaves more");
        state.count = type(uint64).max;
        assertFalse(staking.isFinalSection(EpochHeader.STAKES, state), "2^64 - 1 leaves");
    }

    function test_FinalSectionOfAnotherCustodianIsRefused() public {
        for (uint8 section = 0; section < 6; ++section) {
            if (section == EpochHeader.LOCKS) continue;
            vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, section));
            escrow.finalSection(section);
        }
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, EpochHeader.LOCKS));
        vault.finalSection(EpochHeader.LOCKS);
        Section memory empty;
        assertFalse(vault.isFinalSection(EpochHeader.LOCKS, empty), "not the vault's");
    }

    /// @dev C3 and V1: what the registry tells them to move goes to their counterparts.
    function testFuzz_C3_V1_TokensMoveBetweenCustodiansAlone(uint128 root, uint256 amount) public {
        Section memory state = Section({root: bytes32(uint256(root)), sum: root, count: 3});
        uint256 share = bound(amount, 0, token.SUPPLY() / 3);
        vm.prank(address(registry));
        vault.settle(1, state, state, [share, share, share]);
        for (uint8 i = 0; i < 3; ++i) {
            ISectionCustodian custodian = _sectionCustodians()[i];
            assertEq(token.balanceOf(address(custodian)), share, "shortfall");
            vm.prank(address(registry));
            custodian.settle(state, share);
            assertEq(token.balanceOf(address(custodian)), 0, "surplus");
            assertTrue(custodian.isFinalSection(EpochHeader.LOCKS + i, state), "kept");
        }
        assertTrue(vault.isFinalSection(EpochHeader.BALANCES, state), "balances kept");
        assertTrue(vault.isFinalSection(EpochHeader.PAYOUTS, state), "payouts kept");
        assertEq(vault.finalPayouts(), state.sum, "and what can be claimed in all");
        assertEq(token.balanceOf(address(vault)), token.SUPPLY(), "all back in the vault");
    }

    function _sectionCustodians() private view returns (ISectionCustodian[3] memory) {
        return [ISectionCustodian(escrow), ISectionCustodian(staking), ISectionCustodian(reserve)];
    }
}
