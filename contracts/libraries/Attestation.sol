// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title The accounts that sign epochs, and what counts as their signatures
/// @notice An attester signs the EIP-712 struct `Attest(bytes32 headerHash)`, in the domain Anchorbook, version 1, chain
/// id, registry. Its meaning: the data behind this header was mirrored, recomputed and agrees with journal and chain.
library Attestation {
    /// @notice The EIP-712 type of what is signed.
    bytes32 internal constant TYPEHASH = keccak256("Attest(bytes32 headerHash)");

    struct Set {
        address[] members;
        mapping(address account => bool) isMember;
    }

    /// @notice Fewer signatures than the book asks for: collect more.
    error TooFewSignatures(uint256 needed, uint256 given);
    /// @notice The signer is no attester of this book, or signed another header: leave the signature out.
    error NotAttester(address signer);
    /// @notice Signatures go in ascending order of their signers, each signer once: sort them.
    error SignersNotAscending(address previous, address signer);
    /// @notice An attester is missing or named twice.
    error BadAttester(address attester);

    /// @notice Replaces all attesters.
    function replace(Set storage set, address[] memory members) internal {
        address[] storage old = set.members;
        for (uint256 i = 0; i < old.length; ++i) set.isMember[old[i]] = false;
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i] == address(0) || set.isMember[members[i]]) revert BadAttester(members[i]);
            set.isMember[members[i]] = true;
        }
        set.members = members;
    }

    /// @notice Reverts unless at least `threshold` members signed and nobody else did.
    /// @param digest The EIP-712 digest.
    /// @param signatures 65 bytes each, low s, signers ascending, so that none can count twice.
    function requireSigned(Set storage set, uint256 threshold, bytes32 digest, bytes[] calldata signatures) internal view {
        if (signatures.length < threshold) revert TooFewSignatures(threshold, signatures.length);
        address previous = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recoverCalldata(digest, signatures[i]);
            if (signer <= previous) revert SignersNotAscending(previous, signer);
            if (!set.isMember[signer]) revert NotAttester(signer);
            previous = signer;
        }
    }
}
