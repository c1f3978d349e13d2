// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ISettlementRegistry} from "./interfaces/ISettlementRegistry.sol";
import {Attestation} from "./libraries/Attestation.sol";
import {Header} from "./libraries/EpochHeader.sol";
import {SettlementRegistry} from "./SettlementRegistry.sol";
import {LedgerDriver} from "./LedgerDriver.t.sol";

/// @notice A book with a challenge window of a day and 2 of 3 attesters.
abstract contract WindowDriver is LedgerDriver {
    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function _rules() internal view virtual override returns (SettlementRegistry.Rules memory) {
        address[] memory attesters = new address[](3);
        uint256[3] memory keys = _keys();
        for (uint256 i = 0; i < 3; ++i) attesters[i] = vm.addr(keys[i]);
        return SettlementRegistry.Rules({
            challengeWindow: 1 days,
            minimumExit: 1 ether,
            attesters: attesters,
            threshold: 2
        });
    }

    /// @dev Private keys of the attesters, in ascending order of their addresses.
    function _keys() internal pure returns (uint256[3] memory keys) {
        keys = [uint256(0xA1), 0xA2, 0xA3];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(keys[i]) > vm.addr(keys[j])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
    }

    /// @dev The first two attesters sign.
    function _signatures(Header memory header) internal view override returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        for (uint256 i = 0; i < 2; ++i) signatures[i] = _sign(_keys()[i], _hash(header));
    }

    function _sign(uint256 key, bytes32 headerHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _digest(headerHash, address(registry)));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Written apart from the contract, from the text of EIP-712.
    function _digest(bytes32 headerHash, address registry_) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain =
            keccak256(abi.encode(typeHash, keccak256("Anchorbook"), keccak256("1"), block.chainid, registry_));
        bytes32 message = keccak256(abi.encode(keccak256("Attest(bytes32 headerHash)"), headerHash));
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }
}

/// @notice A test that starts with such a book.
abstract contract WindowTest is WindowDriver {
    function setUp() public virtual {
        _deployBook();
    }
}

/// @notice finalize, in a book with a window and attesters
/// ├── before the window is over → WindowOpen
/// ├── fewer signatures than the threshold → TooFewSignatures
/// ├── somebody else's, or of another header, registry or chain → NotAttester; malleable → ECDSA's error
/// ├── one signer twice, or out of order → SignersNotAscending
/// └── else final, with the threshold or more
contract RegistryAttestTest is WindowTest {
    function test_R7_FinalWhenTheWindowIsOverAndEnoughSigned() public {
        Header memory header = _commitEpoch();
        uint64 until = uint64(block.timestamp) + 1 days;
        bytes[] memory signatures = _signatures(header);
        _finalizeReverts(header, signatures, abi.encodeWithSelector(ISettlementRegistry.WindowOpen.selector, 1, until));
        _pass(1 days - 1);
        _finalizeReverts(header, signatures, abi.encodeWithSelector(ISettlementRegistry.WindowOpen.selector, 1, until));
        _pass(1);
        _finalize(header);
        assertEq(registry.lastFinal(), 1, "final");
    }

    /// @dev The window counts from the block of the commit, not from the closing time that the operator writes.
    function test_AttackBackdatedClosingDoesNotShortenTheWindow() public {
        Header memory header = _close();
        header.closedAt = 1;
        _commit(header);
        uint64 until = uint64(block.timestamp) + 1 days;
        _finalizeReverts(
            header, _signatures(header), abi.encodeWithSelector(ISettlementRegistry.WindowOpen.selector, 1, until)
        );
    }

    function test_EveryEpochHasItsOwnWindow() public {
        Header memory first = _commitEpoch();
        _pass(1 hours);
        Header memory second = _commitEpoch();
        uint64 until = uint64(block.timestamp) + 1 days;
        _pass(23 hours);
        _finalize(first);
        _finalizeReverts(
            second, _signatures(second), abi.encodeWithSelector(ISettlementRegistry.WindowOpen.selector, 2, until)
        );
        _pass(1 hours);
        _finalize(second);
    }

    function test_TheWindowsLimitOfPendingEpochsStands() public {
        for (uint256 i = 0; i < 512; ++i) _commit(_next());
        _commitReverts(_next(), abi.encodeWithSelector(ISettlementRegistry.TooManyPendingEpochs.selector, 513, 0));
    }

    function test_FewerSignaturesThanTheThresholdAreRefused() public {
        Header memory header = _committedAndDue();
        bytes4 error_ = Attestation.TooFewSignatures.selector;
        _finalizeReverts(header, new bytes[](0), abi.encodeWithSelector(error_, 2, 0));
        bytes[] memory one = new bytes[](1);
        one[0] = _sign(_keys()[0], _hash(header));
        _finalizeReverts(header, one, abi.encodeWithSelector(error_, 2, 1));
    }

    function test_AllAttestersMaySign() public {
        Header memory header = _committedAndDue();
        bytes[] memory all = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) all[i] = _sign(_keys()[i], _hash(header));
        registry.finalize(header, all);
        assertEq(registry.lastFinal(), 1, "final");
    }

    function test_AttackOneAttesterSigningTwiceFails() public {
        Header memory header = _committedAndDue();
        bytes[] memory twice = new bytes[](2);
        twice[0] = _sign(_keys()[1], _hash(header));
        twice[1] = twice[0];
        address signer = vm.addr(_keys()[1]);
        bytes4 error_ = Attestation.SignersNotAscending.selector;
        _finalizeReverts(header, twice, abi.encodeWithSelector(error_, signer, signer));
        twice[1] = _sign(_keys()[0], _hash(header));
        _finalizeReverts(header, twice, abi.encodeWithSelector(error_, signer, vm.addr(_keys()[0])));
    }

    function test_AttackSignatureOfAStrangerFails() public {
        Header memory header = _committedAndDue();
        uint256 stranger = 0xBAD;
        bytes[] memory signatures = new bytes[](3);
        uint256[3] memory keys = _keys();
        // Wherever in the order its address comes.
        uint256 place = 0;
        for (uint256 i = 0; i < 2; ++i) {
            if (place == i && vm.addr(stranger) < vm.addr(keys[i])) signatures[place++] = _sign(stranger, _hash(header));
            signatures[place++] = _sign(keys[i], _hash(header));
        }
        if (place == 2) signatures[2] = _sign(stranger, _hash(header));
        _finalizeReverts(
            header, signatures, abi.encodeWithSelector(Attestation.NotAttester.selector, vm.addr(stranger))
        );
    }

    function test_AttackSignatureOfAnotherHeaderRegistryOrChainFails() public {
        Header memory header = _committedAndDue();
        bytes32 headerHash = _hash(header);
        bytes32[3] memory digests;
        digests[0] = _digest(keccak256("another header"), address(registry));
        digests[1] = _digest(headerHash, address(vault));
        digests[2] = headerHash; // the bare hash, as a wallet would sign a plain transaction's
        for (uint256 i = 0; i < 3; ++i) _refused(header, digests[i]);
        vm.chainId(block.chainid + 1);
        bytes32 there = _digest(headerHash, address(registry));
        vm.chainId(header.chainId);
        _refused(header, there);
    }

    /// @dev On a fork of the chain signatures of this chain are worth nothing, though the header is anchored there too.
    function test_AttackFinalizeOnAForkedChainFails() public {
        Header memory header = _committedAndDue();
        bytes[] memory signatures = _signatures(header);
        vm.chainId(block.chainid + 1);
        (bool ok,) = address(registry).call(abi.encodeCall(registry.finalize, (header, signatures)));
        assertFalse(ok, "signatures of another chain");
    }

    function test_AttackMalleableSignatureFails() public {
        Header memory header = _committedAndDue();
        bytes[] memory signatures = _signatures(header);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys()[0], _digest(_hash(header), address(registry)));
        bytes32 high = bytes32(ORDER - uint256(s));
        signatures[0] = abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27));
        _finalizeReverts(header, signatures, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, high));
        signatures[0] = abi.encodePacked(r, s);
        _finalizeReverts(
            header, signatures, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, uint256(64))
        );
    }

    function test_AttackNeitherOperatorNorGuardianFinalizesWithoutAttesters() public {
        Header memory header = _committedAndDue();
        address[3] memory callers = [ADMIN, COMMITTER, GUARDIAN];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 2, 0));
            vm.prank(callers[i]);
            registry.finalize(header, new bytes[](0));
        }
    }

    function test_TheRulesCanBeRead() public view {
        assertEq(registry.challengeWindow(), 1 days, "window");
        assertEq(registry.minimumExit(), 1 ether, "minimum");
        assertEq(registry.threshold(), 2, "threshold");
        address[] memory attesters = registry.attesters();
        assertEq(attesters.length, 3, "attesters");
        for (uint256 i = 0; i < 3; ++i) assertEq(attesters[i], vm.addr(_keys()[i]), "attester");
    }

    function _committedAndDue() private returns (Header memory header) {
        header = _commitEpoch();
        _pass(1 days);
    }

    /// @dev Signatures of real attesters over something else name accounts that are none.
    function _refused(Header memory header, bytes32 digest) private {
        bytes[] memory signatures = new bytes[](2);
        for (uint256 i = 0; i < 2; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys()[i], digest);
            signatures[i] = abi.encodePacked(r, s, v);
        }
        (bool ok,) = address(registry).call(abi.encodeCall(registry.finalize, (header, signatures)));
        assertFalse(ok, "signatures over something else");
    }

    function _finalizeReverts(Header memory header, bytes[] memory signatures, bytes memory error_) private {
        vm.expectRevert(error_);
        vm.prank(ANYONE);
        registry.finalize(header, signatures);
    }
}
