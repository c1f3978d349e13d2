// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {BookTest} from "./BookTest.t.sol";

/// @notice finalize, in a book without window and attesters (with them: RegistryAttest)
/// ├── not the next epoch, or none committed → NotNextToFinalize
/// ├── another header than the committed one → WrongHeader
/// ├── more owed than held → LiabilitiesExceedCustody
/// └── else the sections stand in the custodians and the tokens are netted, whoever calls
contract RegistryFinalizeTest is BookTest {
    function test_FinalizeKeepsEverySectionInItsCustodian() public {
        Header memory first = _nextWith([uint128(900_000 ether), 10 ether, 20 ether, 30 ether, 40 ether]);
        _commit(first);
        vm.expectEmit(address(registry));
        emit ISettlementRegistry.EpochFinalized(1, _hash(first));
        _finalize(first);
        assertEq(registry.lastFinal(), 1, "last final");
        _assertFinal(first);
        _assertNetted(first);
    }

    function test_FinalizeNeedsTheNextCommittedEpoch() public {
        bytes4 error_ = ISettlementRegistry.NotNextToFinalize.selector;
        Header memory zero;
        _finalizeReverts(zero, abi.encodeWithSelector(error_, 1, 0, 0));
        Header memory first = _next();
        _finalizeReverts(first, abi.encodeWithSelector(error_, 1, 1, 0));
        _commit(first);
        Header memory second = _next();
        _commit(second);
        _finalizeReverts(second, abi.encodeWithSelector(error_, 1, 2, 2));
        _finalize(first);
        _finalizeReverts(first, abi.encodeWithSelector(error_, 2, 1, 2));
        _finalize(second);
        _finalizeReverts(second, abi.encodeWithSelector(error_, 3, 2, 2));
    }

    function test_FinalizeNeedsTheCommittedHeader() public {
        Header memory first = _next();
        _commit(first);
        Header memory other = first;
        bytes32 committed = _hash(first);
        other.sections[1] = Section({root: keccak256("root"), sum: 1, count: 1});
        _finalizeReverts(
            other, abi.encodeWithSelector(ISettlementRegistry.WrongHeader.selector, 1, committed, _hash(other))
        );
    }

    /// @dev R4 at finalize: tokens that left custody between commit and finalize stop it.
    function test_R4_RefusesMoreOwedThanHeld() public {
        Header memory first = _nextWith([uint128(token.SUPPLY()), 0, 0, 0, 0]);
        _commit(first);
        vm.prank(address(vault));
        token.transfer(ANYONE, 1);
        _finalizeReverts(
            first,
            abi.encodeWithSelector(
                ISettlementRegistry.LiabilitiesExceedCustody.selector, token.SUPPLY(), token.SUPPLY() - 1
            )
        );
        assertEq(registry.lastFinal(), 0, "not final");
    }

    /// @dev R5: surpluses of some fill the shortfalls of others, also where the vault itself has nothing to give.
    function test_R5_NettingMovesSurplusesFirst() public {
        uint128 supply = uint128(token.SUPPLY());
        Header memory header = _nextWith([uint128(0), supply, 0, 0, 0]);
        _commit(header);
        _finalize(header);
        _assertNetted(header);
        header = _nextWith([uint128(0), 0, supply - 7, 7, 0]);
        _commit(header);
        _finalize(header);
        _assertNetted(header);
        header = _nextWith([supply - 3, 1, 1, 1, 0]);
        _commit(header);
        _finalize(header);
        _assertNetted(header);
    }

    /// @dev R5: tokens that reached a custodian in another way go to the vault with the next epoch.
    function test_R5_StrayTokensGoToTheVault() public {
        vm.prank(address(vault));
        token.transfer(address(reserve), 1000);
        Header memory header = _nextWith([uint128(1), 2, 3, 4, 5]);
        _commit(header);
        _finalize(header);
        _assertNetted(header);
    }

    function testFuzz_R4_R5_AnySumsNet(uint128[5] memory before, uint128[5] memory afterwards) public {
        Header memory header = _nextWith(_within(before));
        _commit(header);
        _finalize(header);
        _assertNetted(header);
        afterwards = _within(afterwards);
        // Payouts are cumulative; the rest may move freely.
        uint128 paid = header.sections[EpochHeader.PAYOUTS].sum;
        if (afterwards[4] < paid) (afterwards[4], afterwards[0]) = (paid, 0);
        header = _nextWith(_within(afterwards));
        if (header.sections[EpochHeader.PAYOUTS].sum < paid) return;
        _commit(header);
        _finalize(header);
        _assertNetted(header);
        _assertFinal(header);
    }

    /// @dev Scales sums down until the supply covers them.
    function _within(uint128[5] memory sums) private view returns (uint128[5] memory) {
        uint256 total = 0;
        for (uint256 i = 0; i < 5; ++i) total += sums[i];
        uint256 supply = token.SUPPLY();
        if (total <= supply) return sums;
        for (uint256 i = 0; i < 5; ++i) sums[i] = uint128(uint256(sums[i]) * supply / total);
        return sums;
    }

    function _assertFinal(Header memory header) private view {
        for (uint8 i = 0; i < 5; ++i) {
            ISettlementCustodian custodian = ISettlementCustodian(registry.custodianOf(i));
            assertTrue(custodian.isFinalSection(i, header.sections[i]), "section");
        }
        assertEq(vault.finalPayouts(), header.sections[EpochHeader.PAYOUTS].sum, "payouts");
    }

    function _finalizeReverts(Header memory header, bytes memory error_) private {
        vm.expectRevert(error_);
        registry.finalize(header, new bytes[](0));
    }
}
