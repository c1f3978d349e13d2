// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The direct on-chain entries of a book: one sequence, with running totals
/// @notice The total up to any entry is stored with it, so that what waits above a `depositSeq` is a difference of two
/// words, however many entries there are.
/// @dev The states of an entry, which the registry and its vault see to:
///
///   from       by                                     to          when
///   none       an entry of any custodian, depositor   waiting     there is a final epoch; not paused, not frozen
///   waiting    finalize, anyone                       credited    that epoch's depositSeq has come to it
///   waiting    repayEntry, anyone                     repaid      the book is frozen
///   credited, repaid                                              for ever, and never both
library EntryQueue {
    struct Entry {
        address depositor;
        uint64 madeAt;
        bool repaid;
        uint128 amount;
        /// Base units of this entry and all before it.
        uint128 runningTotal;
    }

    /// @notice Base units of the entries above `taken`, up to `last`.
    function waiting(mapping(uint64 seq => Entry) storage entries, uint64 taken, uint64 last)
        internal
        view
        returns (uint128)
    {
        return taken >= last ? 0 : entries[last].runningTotal - entries[taken].runningTotal;
    }

    /// @notice Appends an entry behind `last`.
    function append(mapping(uint64 seq => Entry) storage entries, uint64 last, address depositor, uint128 amount)
        internal
        returns (uint64 seq)
    {
        seq = last + 1;
        entries[seq] = Entry({
            depositor: depositor,
            madeAt: uint64(block.timestamp),
            repaid: false,
            amount: amount,
            runningTotal: entries[last].runningTotal + amount
        });
    }
}
