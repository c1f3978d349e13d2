// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISectionCustodian, ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Section} from "./libraries/EpochHeader.sol";
import {BookTest} from "./BookTest.t.sol";

/// @notice settle and finalSection of the custodians
/// ├── settle: by anyone but the registry → NotRegistry; else records, and moves what it is told to its counterpart
/// └── finalSection: another custodian's section → UnknownSection
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
                sections[j].settle(1, state, 0);
            }
            vm.expectRevert(error_);
            vm.prank(callers[i]);
            vault.settle(1, state, state, [uint256(0), 0, 0]);
        }
    }

    function test_FinalSectionIsEmptyBeforeTheFirstEpoch() public view {
        (Section memory state, uint64 epoch) = escrow.finalSection(EpochHeader.LOCKS);
        assertEq(state.root, bytes32(0), "root");
        assertEq(state.sum + state.count + epoch, 0, "numbers");
    }

    function test_FinalSectionOfAnotherCustodianIsRefused() public {
        for (uint8 section = 0; section < 6; ++section) {
            if (section == EpochHeader.LOCKS) continue;
            vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, section));
            escrow.finalSection(section);
        }
        vm.expectRevert(abi.encodeWithSelector(ISettlementCustodian.UnknownSection.selector, EpochHeader.LOCKS));
        vault.finalSection(EpochHeader.LOCKS);
    }

    /// @dev C3 and V1: what the registry tells them to move goes to their counterparts.
    function testFuzz_C3_V1_TokensMoveBetweenCustodiansAlone(uint128 root, uint256 amount) public {
        Section memory state = Section({root: bytes32(uint256(root)), sum: root, count: 3});
        uint256 share = bound(amount, 0, token.SUPPLY() / 3);
        vm.prank(address(registry));
        vault.settle(9, state, state, [share, share, share]);
        for (uint8 i = 0; i < 3; ++i) {
            ISectionCustodian custodian = _sectionCustodians()[i];
            assertEq(token.balanceOf(address(custodian)), share, "shortfall");
            vm.prank(address(registry));
            custodian.settle(9, state, share);
            assertEq(token.balanceOf(address(custodian)), 0, "surplus");
            (Section memory recorded, uint64 epoch) = custodian.finalSection(EpochHeader.LOCKS + i);
            assertEq(recorded.root, state.root, "root");
            assertEq(recorded.sum, state.sum, "sum");
            assertEq(recorded.count, 3, "count");
            assertEq(epoch, 9, "epoch");
        }
        assertEq(token.balanceOf(address(vault)), token.SUPPLY(), "all back in the vault");
    }

    function _sectionCustodians() private view returns (ISectionCustodian[3] memory) {
        return [ISectionCustodian(escrow), ISectionCustodian(staking), ISectionCustodian(reserve)];
    }
}
