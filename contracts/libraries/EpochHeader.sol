// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The sum tree of one section: its root, the sum of its amounts and the number of its leaves.
struct Section {
    bytes32 root;
    uint128 sum;
    uint64 count;
}

/// @notice What one epoch anchors. Every member is static, so its ABI encoding is 25 words in a row.
struct Header {
    uint32 version;
    uint256 chainId;
    address registry;
    uint64 epoch;
    bytes32 previous;
    Section[5] sections;
    bytes32 journalRoot;
    uint64 journalSize;
    uint64 depositSeq;
    bytes32 dataHash;
    uint64 closedAt;
}

/// @title Epoch headers and section numbers, format version 1
/// @notice `headerHash = keccak256(abi.encode(header))`.
library EpochHeader {
    /// @notice The format version this library reads.
    uint32 internal constant VERSION = 1;
    /// @notice Number of sections in a header.
    uint8 internal constant SECTIONS = 5;
    /// @notice Positions of the sections in a header, and the custodian of each:
    /// balances and payouts are the vault's, locks the escrow's, stakes the staking contract's, compute the reserve's.
    uint8 internal constant BALANCES = 0;
    uint8 internal constant LOCKS = 1;
    uint8 internal constant STAKES = 2;
    uint8 internal constant COMPUTE = 3;
    uint8 internal constant PAYOUTS = 4;

    /// @notice Size of an encoded header in bytes: 10 single words and 5 sections of 3 words.
    uint256 internal constant ENCODED_BYTES = 25 * 32;
    /// @notice Hash of a header whose every word is zero: what stands before the first epoch.
    bytes32 internal constant NO_HEADER = 0xee0a1a26c607ab52c6308165995365f7951a185fccca4b76c847b8860d9fea7a;

    /// @notice The header hash, taken straight from calldata, where a static struct already is its ABI encoding.
    /// @dev Words are hashed as sent, also with dirty upper bits. Such a hash equals that of no clean header, so
    /// comparing it with a stored hash is safe; `commit` stores that of a clean header only.
    function hash(Header calldata header) internal pure returns (bytes32 headerHash) {
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            calldatacopy(pointer, header, ENCODED_BYTES)
            headerHash := keccak256(pointer, ENCODED_BYTES)
        }
    }

    /// @notice Whether every member has its type's width: no word of the calldata has bits above it.
    /// @dev Of two calldata that would read as one header only the clean one passes.
    function isClean(Header calldata header) internal pure returns (bool clean) {
        assembly ("memory-safe") {
            // epoch, journalSize, depositSeq, closedAt and the counts have 64 bits, the sums 128.
            let narrow := or(calldataload(add(header, 0x60)), calldataload(add(header, 0x2a0)))
            narrow := or(narrow, or(calldataload(add(header, 0x2c0)), calldataload(add(header, 0x300))))
            let sums := 0
            for { let section := add(header, 0xa0) } lt(section, add(header, 0x280)) { section := add(section, 0x60) } {
                sums := or(sums, calldataload(add(section, 0x20)))
                narrow := or(narrow, calldataload(add(section, 0x40)))
            }
            let dirty := or(shr(32, calldataload(header)), shr(160, calldataload(add(header, 0x40))))
            clean := iszero(or(dirty, or(shr(64, narrow), shr(128, sums))))
        }
    }

    /// @notice Logs EpochCommitted(uint64 indexed epoch, bytes32 indexed headerHash, Header header) of a clean header,
    /// whose calldata already is the event's data.
    function emitCommitted(Header calldata header, bytes32 topic, bytes32 headerHash) internal {
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            calldatacopy(pointer, header, ENCODED_BYTES)
            log3(pointer, ENCODED_BYTES, topic, calldataload(add(header, 0x60)), headerHash)
        }
    }

    /// @notice keccak256 of a section's name, as it enters the domain of its leaves. Zero for an unknown number.
    function nameHash(uint8 section) internal pure returns (bytes32) {
        if (section == BALANCES) return keccak256("balances");
        if (section == LOCKS) return keccak256("locks");
        if (section == STAKES) return keccak256("stakes");
        if (section == COMPUTE) return keccak256("compute");
        if (section == PAYOUTS) return keccak256("payouts");
        return 0;
    }
}
