// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SettlementRegistry} from "./SettlementRegistry.sol";
import {SettlementVault} from "./SettlementVault.sol";
import {TST} from "./TST.sol";
import {ISettlementCustodian} from "./interfaces/ISettlementCustodian.sol";
import {EpochHeader, Header} from "./libraries/EpochHeader.sol";
import {LeafProof} from "./libraries/Fraud.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {Vm} from "./TestBase.t.sol";
import {WindowDriver} from "./RegistryAttest.t.sol";

/// @notice A whole book in motion: users, operator, guardian and attacker act in any order, on a book with a window and
/// attesters, behind which a small ledger owes every token there is. It keeps its own account of what must be true, and
/// reverts where the book disagrees.
contract LedgerHandler is WindowDriver {
    uint8 private constant BALANCES = EpochHeader.BALANCES;
    uint8 private constant PAYOUTS = EpochHeader.PAYOUTS;
    uint64 private constant USERS = 4;
    address private constant TREASURY = address(0x7EA5);

    /// @dev The wallet of a user; the last has none linked, so its positions have no owner on the chain.
    address[4] private _wallets = [address(0xA11CE), address(0xB0B), address(0xCA401), address(0)];

    mapping(uint64 epoch => bool) private _dishonest;
    mapping(uint64 seq => address) public depositorOf;

    uint256 public escapedTotal;
    uint256 public repaidTotal;
    uint256 public claimedTotal;
    uint256 public attacks;
    /// @notice Attacks on a frozen book with leaves of epochs that the freeze cancelled.
    uint256 public cancelledClaims;
    uint256 public cancelledEscapes;
    uint256 public vetoes;
    uint256 public frozenRuns;
    /// @notice Books that a user's own demand froze at the end, with nobody else doing anything.
    uint256 public frozenByUsers;
    bool public left;

    constructor() {
        _deployBook();
        // The treasury, and each user's balance, lock, stake, reservation and payout: all tokens are owed to somebody.
        _open(BALANCES, TREASURY, 996_000 ether);
        for (uint64 user = 0; user < USERS; ++user) {
            _open(BALANCES, _wallets[user], 1000 ether);
            for (uint8 section = 1; section < 5; ++section) _open(section, _wallets[user], 0);
        }
        _settleEpoch();
    }

    // ── the operator ────────────────────────────────────────────────────────────────────────────────────────────────

    /// @notice Users act on the ledger: amounts move between sections and users, and are withdrawn.
    function usersAct(uint8 from, uint8 to, uint8 section, uint128 amount, uint32 duration) external {
        uint64 user = from % USERS;
        section = section % 5;
        Leaf storage balance = positions[BALANCES][1 + user];
        amount = uint128(bound(amount, 0, balance.amount));
        balance.amount -= amount;
        if (section == 0) positions[BALANCES][1 + to % USERS].amount += amount;
        else if (section == PAYOUTS) _withdraw(user, amount);
        else {
            positions[section][user].amount += amount;
            positions[section][user].validUntil = uint64(block.timestamp + bound(duration, 0, 500 days));
        }
    }

    /// @notice A lock, stake or reservation ends and returns to the balance.
    function positionEnds(uint8 section, uint8 user) external {
        Leaf storage position = positions[1 + section % 3][user % USERS];
        positions[BALANCES][1 + user % USERS].amount += position.amount;
        position.amount = 0;
    }

    /// @notice Credits the next entry that waits.
    function creditEntry() external {
        if (_frozen() || depositSeq >= registry.lastEntry()) return;
        (address depositor, uint128 amount,,) = registry.entryOf(++depositSeq);
        for (uint64 user = 0; user < 3; ++user) {
            if (_wallets[user] == depositor) positions[BALANCES][1 + user].amount += amount;
        }
    }

    /// @notice Closes an epoch over the ledger as it is, due demands swept into payouts first.
    function commitHonest() external {
        if (_stopped()) return;
        _sweepDue();
        Header memory header = _commitEpoch();
        _dishonest[header.epoch] = false;
    }

    /// @notice Closes an epoch in which a user's cumulative payout fell, or a key is somebody else's. The chain takes it:
    /// attesters will not sign it, and anyone can have it vetoed.
    function commitDishonest(uint8 user, bool swap) external {
        if (_stopped()) return;
        Leaf storage payout = positions[PAYOUTS][user % USERS];
        (bytes32 key, uint128 amount) = (payout.key, payout.amount);
        if (!swap && amount < 2) return;
        // What one payout lacks another has, so that the sums do not tell.
        if (swap) payout.key = keccak256(abi.encode("swapped", ++attacks));
        else (payout.amount, positions[PAYOUTS][(user + 1) % USERS].amount) =
            (amount - 1, positions[PAYOUTS][(user + 1) % USERS].amount + 1);
        Header memory header = _commitEpoch();
        _dishonest[header.epoch] = true;
        if (swap) payout.key = key;
        else (payout.amount, positions[PAYOUTS][(user + 1) % USERS].amount) =
            (amount, positions[PAYOUTS][(user + 1) % USERS].amount - 1);
    }

    /// @notice Owes more than is held, by any section: refused.
    function commitUnbacked(uint8 section, uint128 amount) external {
        if (_stopped()) return;
        Header memory header = _close();
        section = section % 5;
        header.sections[section].sum += uint128(bound(amount, 1 + _slack(header), type(uint64).max));
        if (header.sections[section].count == 0) return;
        Header memory last = _last();
        vm.prank(COMMITTER);
        try registry.commit(last, header) {
            revert("an epoch that owes more than is held was committed");
        } catch {
            ++attacks;
        }
    }

    /// @notice Makes the oldest pending epoch final, if attesters would sign it.
    function finalizeNext() external {
        uint64 next = registry.lastFinal() + 1;
        if (_frozen() || next > registry.lastCommitted() || _dishonest[next]) return;
        uint64 until = registry.committedAt(next) + registry.challengeWindow();
        if (block.timestamp < until) vm.warp(until);
        _finalize(_header(next));
    }

    /// @notice Deletes a demand that a final epoch has met.
    function serve(uint8 section, uint8 index) external {
        section = section % 4;
        uint64 place = section == 0 ? index % (USERS + 1) : index % USERS;
        uint64 epoch = registry.lastFinal();
        (, uint64 demandedAt,,) = _custodian(section).demandOf(section, place);
        (Leaf memory leaf,) = _proof(epoch, section, place);
        if (_frozen() || demandedAt == 0 || leaf.amount != 0 || registry.committedAt(epoch) <= demandedAt) return;
        _serve(epoch, section, place);
    }

    // ── the guardian, and those who watch ───────────────────────────────────────────────────────────────────────────

    function veto(uint8 back) external {
        uint64 last = registry.lastCommitted();
        if (_frozen() || last == registry.lastFinal()) return;
        uint64 epoch = last - uint64(bound(back, 0, last - registry.lastFinal() - 1));
        bytes32 headerHash = registry.headerHashOf(epoch);
        vm.prank(GUARDIAN);
        registry.veto(epoch, headerHash);
        _stepBack(epoch);
    }

    /// @notice Challenges a dishonest epoch that is pending, and fails to challenge an honest one.
    function challenge(uint8 user) external {
        if (_frozen()) return;
        uint64 index = user % USERS;
        for (uint64 epoch = registry.lastFinal() + 1; epoch <= registry.lastCommitted(); ++epoch) {
            (Header memory earlier, Header memory later) = (_header(epoch - 1), _header(epoch));
            LeafProof memory before = _leafProof(epoch - 1, PAYOUTS, index);
            LeafProof memory now_ = _leafProof(epoch, PAYOUTS, index);
            bool contradicts = before.leaf.key != now_.leaf.key || now_.leaf.amount < before.leaf.amount;
            bool preceded = epoch - 1 > registry.lastFinal() && _dishonest[epoch - 1];
            if (contradicts && !_dishonest[epoch] && !preceded) revert("an honest epoch contradicts its predecessor");
            vm.prank(ANYONE);
            try registry.challengeLeaves(earlier, later, PAYOUTS, before, now_) {
                if (!contradicts) revert("an epoch without contradiction was vetoed");
                _stepBack(epoch);
                return;
            } catch {
                if (contradicts) revert("a contradiction was not enough");
            }
        }
    }

    function pauseOrUnpause() external {
        bool paused = registry.paused();
        vm.prank(paused ? ADMIN : GUARDIAN);
        if (paused) registry.unpause();
        else registry.pause();
    }

    function passTime(uint32 seconds_) external {
        _pass(bound(seconds_, 0, 10 days));
    }

    // ── users ───────────────────────────────────────────────────────────────────────────────────────────────────────

    /// @notice Claims against the newest final epoch, or one of the last few, as the owner.
    function claim(uint8 user, uint8 back) external watched {
        uint64 index = user % USERS;
        uint64 newest = registry.lastFinal();
        uint64 epoch = newest - uint64(bound(back, 0, newest > 3 ? 3 : newest - 1));
        (Leaf memory leaf,) = _proof(epoch, PAYOUTS, index);
        uint128 before = vault.paid(leaf.key);
        if (leaf.owner == address(0) || leaf.amount <= before) return;
        uint128 amount = _claim(epoch == newest ? ANYONE : leaf.owner, epoch, index);
        if (amount != leaf.amount - before) revert("a claim paid another amount");
        claimedTotal += amount;
    }

    function enter(uint8 user, uint8 how, uint128 amount) external watched {
        address wallet = _wallets[user % 3];
        uint256 available = token.getAvailableBalance(wallet);
        if (_stopped() || available == 0) return;
        amount = uint128(bound(amount, 1, available));
        vm.prank(wallet);
        uint64 seq;
        if (how % 4 == 0) seq = vault.deposit(amount);
        else if (how % 4 == 1) seq = escrow.lockForAgreement(amount, 7 days, "agreement");
        else if (how % 4 == 2) seq = staking.stakeForTier(1, amount, "strategy");
        else seq = reserve.reserveForEntity(1, amount, 30 days, "entity");
        depositorOf[seq] = wallet;
    }

    function demand(uint8 section, uint8 index) external {
        section = section % 4;
        uint64 place = section == 0 ? 1 + index % USERS : index % USERS;
        (Leaf memory leaf,) = _proof(registry.lastFinal(), section, place);
        (, uint64 demandedAt,,) = _custodian(section).demandOf(section, place);
        if (_frozen() || leaf.owner == address(0) || leaf.amount < 1 ether || demandedAt != 0) return;
        uint64 due = _demand(leaf.owner, section, place);
        if (due > block.timestamp + 366 days) revert("due too late");
    }

    /// @notice The two steps to a freeze, each as early as it is possible.
    function pressFreeze(uint8 section, uint8 index) external {
        section = section % 4;
        uint64 place = section == 0 ? 1 + index % USERS : index % USERS;
        ISettlementCustodian custodian = _custodian(section);
        (, uint64 demandedAt, uint64 due, uint64 freezableAt) = custodian.demandOf(section, place);
        if (_frozen() || demandedAt == 0) return;
        if (freezableAt == 0) {
            if (block.timestamp < due + 7 days) return;
            custodian.requestFreeze(section, place);
        } else if (block.timestamp >= freezableAt) {
            custodian.freeze(section, place);
            ++frozenRuns;
        }
    }

    function pressFreezeForEntry() external {
        uint64 seq = registry.finalDepositSeq() + 1;
        if (_frozen() || seq > registry.lastEntry()) return;
        (,, uint64 madeAt,) = registry.entryOf(seq);
        if (block.timestamp < madeAt + 7 days) return;
        registry.freezeForEntry(seq);
        ++frozenRuns;
    }

    /// @notice One position of a frozen book is paid to its owner.
    function escape(uint8 section, uint8 index) public watched {
        section = section % 4;
        uint64 place = section == 0 ? index % (USERS + 1) : index % USERS;
        (Leaf memory leaf,) = _proof(registry.lastFinal(), section, place);
        if (!_frozen() || leaf.owner == address(0) || _custodian(section).escaped(section, place)) return;
        uint64 frozenAt = registry.frozenAt();
        uint64 latest = frozenAt + 366 days;
        uint64 from = leaf.validUntil < latest ? leaf.validUntil : latest;
        if (block.timestamp < from) return;
        uint256 before = token.balanceOf(leaf.owner);
        _escape(section, place);
        if (token.balanceOf(leaf.owner) - before != leaf.amount) revert("an escape paid another amount");
        escapedTotal += leaf.amount;
    }

    function repay(uint8 which) public watched {
        uint64 first = registry.finalDepositSeq() + 1;
        uint64 last = registry.lastEntry();
        if (!_frozen() || first > last) return;
        uint64 seq = uint64(bound(which, first, last));
        (address depositor, uint128 amount,, bool repaid) = registry.entryOf(seq);
        if (repaid) return;
        if (depositor != depositorOf[seq]) revert("another depositor");
        uint256 before = token.balanceOf(depositor);
        vault.repayEntry(seq);
        if (token.balanceOf(depositor) - before != amount) revert("a repayment of another amount");
        repaidTotal += amount;
    }

    // ── the attacker ────────────────────────────────────────────────────────────────────────────────────────────────

    /// @notice Whatever somebody without a right tries, in whatever state the book is: none of it may succeed.
    function attack(uint8 how, uint8 which, uint128 amount) external watched {
        how = how % 9;
        uint64 index = which % USERS;
        uint64 newest = registry.lastFinal();
        uint64 notFinal = newest + 1 + which % (_last().epoch - newest + 1);
        if (notFinal > _last().epoch) notFinal = newest;
        if (how == 0) _mustFail(address(vault), _claimCall(notFinal, index, positions[PAYOUTS][index].amount + 1 + amount % 1000));
        if (how == 1 && notFinal != newest) _payoutMustFail(notFinal, index);
        (Leaf memory leaf, Node[] memory siblings) = _proof(newest, BALANCES, index);
        if (how == 2 && (!_frozen() || vault.escaped(BALANCES, index))) {
            _mustFail(address(vault), abi.encodeCall(vault.escape, (BALANCES, leaf, siblings)));
        }
        if (how == 3) _mustFail(address(vault), abi.encodeCall(vault.demandExit, (BALANCES, leaf, siblings)));
        if (how == 4) _mustFail(address(registry), abi.encodeCall(registry.finalize, (_header(notFinal), new bytes[](0))));
        if (how == 5) _mustFail(address(registry), abi.encodeCall(registry.commit, (_last(), _next())));
        if (how == 6) _mustFail(address(token), abi.encodeCall(token.transfer, (ANYONE, 1)));
        uint64 credited = registry.finalDepositSeq();
        if (how == 7) _mustFail(address(vault), abi.encodeCall(vault.repayEntry, (uint64(bound(which, 0, credited)))));
        if (how == 8 && notFinal != newest) _escapeMustFail(notFinal, uint8(amount % 4), index);
    }

    /// @dev P6: what an epoch owes that is not final, or was cancelled by a freeze, is not paid under its own number nor
    /// under the last final one's.
    function _payoutMustFail(uint64 epoch, uint64 index) private {
        // What stands in both is paid as what is final.
        if (!_differs(epoch, PAYOUTS)) return;
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, PAYOUTS, index);
        _mustFail(address(vault), abi.encodeCall(vault.claim, (epoch, leaf, siblings)));
        _mustFail(address(vault), abi.encodeCall(vault.claim, (registry.lastFinal(), leaf, siblings)));
        if (_frozen()) ++cancelledClaims;
    }

    function _escapeMustFail(uint64 epoch, uint8 section, uint64 index) private {
        if (_frozen() && !_differs(epoch, section)) return;
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, section, index);
        _mustFail(address(_custodian(section)), abi.encodeCall(ISettlementCustodian.escape, (section, leaf, siblings)));
        if (_frozen()) ++cancelledEscapes;
    }

    function _differs(uint64 epoch, uint8 section) private view returns (bool) {
        return _header(epoch).sections[section].root != _header(registry.lastFinal()).sections[section].root;
    }

    // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

    /// @notice Exits are possible in every state there is: from here a user alone freezes the book, and everyone leaves.
    /// The operator does nothing any more, and what was not final is worth nothing.
    function everyoneLeaves() external {
        if (left) return;
        if (!_frozen()) _freezeAlone();
        _pass(367 days);
        uint64 last = registry.lastFinal();
        for (uint64 i = 0; i < USERS && _last().epoch > last; ++i) {
            _payoutMustFail(_last().epoch, i);
            for (uint8 section = 0; section < 4; ++section) _escapeMustFail(_last().epoch, section, i);
        }
        for (uint8 section = 0; section < 4; ++section) {
            for (uint8 i = 0; i < positions[section].length; ++i) escape(section, i);
        }
        for (uint64 i = 0; i < USERS; ++i) {
            (Leaf memory leaf,) = _proof(last, PAYOUTS, i);
            if (leaf.owner != address(0) && leaf.amount > vault.paid(leaf.key)) claimedTotal += _claim(ANYONE, last, i);
        }
        for (uint64 seq = registry.finalDepositSeq() + 1; seq <= registry.lastEntry(); ++seq) repay(uint8(seq));
        if (_held() != _unownedAtTheEnd()) revert("somebody's tokens are still there, or somebody else's are gone");
        left = true;
    }

    /// @dev One user who has anything demands it, from the last section to the first; where nobody has, the treasury's
    /// wallet does, whose balance comes last of all and is always there.
    function _freezeAlone() private {
        for (uint8 after_ = 4; after_ > 0; --after_) {
            uint8 section = after_ - 1;
            for (uint64 behind = uint64(positions[section].length); behind > 0; --behind) {
                uint64 i = behind - 1;
                (Leaf memory leaf,) = _proof(registry.lastFinal(), section, i);
                if (leaf.owner == address(0) || leaf.amount < 1 ether) continue;
                (, uint64 demandedAt,, uint64 freezableAt) = _custodian(section).demandOf(section, i);
                if (demandedAt == 0) _demand(leaf.owner, section, i);
                if (freezableAt == 0) _freezeFor(section, i);
                else {
                    vm.warp(block.timestamp < freezableAt ? freezableAt : block.timestamp);
                    _custodian(section).freeze(section, i);
                }
                if (leaf.owner != TREASURY) ++frozenByUsers;
                return;
            }
        }
        revert("the treasury alone has enough");
    }

    /// @dev What the last final epoch owes to positions without an owner, beside the tokens that back nothing.
    function _unownedAtTheEnd() private view returns (uint256 total) {
        Header memory header = _header(registry.lastFinal());
        uint256 liabilities = 0;
        for (uint8 section = 0; section < 5; ++section) {
            liabilities += header.sections[section].sum;
            for (uint64 i = 0; i < positions[section].length; ++i) {
                (Leaf memory leaf,) = _proof(registry.lastFinal(), section, i);
                if (leaf.owner == address(0)) total += leaf.amount;
            }
        }
        // Everything there is: the supply, with what was entered again counted once more.
        uint256 entered = registry.untakenEntries(0) - registry.untakenEntries(registry.finalDepositSeq());
        if (liabilities != token.SUPPLY() + entered) revert("the ledger lost or made tokens");
    }

    // ── what the handler needs ──────────────────────────────────────────────────────────────────────────────────────

    /// @dev No transfer of the action goes from one holder to another.
    modifier watched() {
        vm.recordLogs();
        _;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(token) || logs[i].topics[0] != IERC20.Transfer.selector) continue;
            address from = address(uint160(uint256(logs[i].topics[1])));
            address to = address(uint160(uint256(logs[i].topics[2])));
            if (!token.isCustodian(from) && !token.isCustodian(to)) revert("tokens moved between two users");
        }
    }

    function book() external view returns (SettlementRegistry, SettlementVault, TST) {
        return (registry, vault, token);
    }

    function finalHeader() external view returns (Header memory) {
        return _header(registry.lastFinal());
    }

    function finalLeaf(uint8 section, uint64 index) external view returns (Leaf memory leaf) {
        (leaf,) = _proof(registry.lastFinal(), section, index);
    }

    function positionCount(uint8 section) external view returns (uint256) {
        return positions[section].length;
    }

    function _withdraw(uint64 user, uint128 amount) private {
        // Without a wallet nothing can be withdrawn.
        if (_wallets[user] == address(0)) positions[BALANCES][1 + user].amount += amount;
        else positions[PAYOUTS][user].amount += amount;
    }

    function _sweepDue() private {
        for (uint8 section = 0; section < 4; ++section) {
            for (uint64 i = 0; i < positions[section].length; ++i) {
                (, uint64 demandedAt, uint64 due,) = _custodian(section).demandOf(section, i);
                if (demandedAt == 0 || block.timestamp < due) continue;
                _sweep(section, i, section == 0 ? i - 1 : i);
            }
        }
    }

    function _stepBack(uint64 epoch) private {
        ++vetoes;
        _setLast(_header(epoch - 1));
    }

    function _frozen() private view returns (bool) {
        return registry.frozenAt() != 0;
    }

    function _stopped() private view returns (bool) {
        return _frozen() || registry.paused() || registry.lastCommitted() > registry.lastFinal() + 10;
    }

    function _held() private view returns (uint256 held) {
        for (uint8 section = 0; section < 4; ++section) held += token.balanceOf(registry.custodianOf(section));
    }

    /// @dev By how much a header's liabilities may still grow.
    function _slack(Header memory header) private view returns (uint256) {
        uint256 owed = 0;
        for (uint8 section = 0; section < 5; ++section) owed += header.sections[section].sum;
        owed -= registry.totalPaid();
        return _held() - registry.untakenEntries(header.depositSeq) - owed;
    }

    function _claimCall(uint64 epoch, uint64 index, uint128 amount) private view returns (bytes memory) {
        (Leaf memory leaf, Node[] memory siblings) = _proof(epoch, PAYOUTS, index);
        leaf.amount = amount;
        return abi.encodeCall(vault.claim, (epoch, leaf, siblings));
    }

    function _mustFail(address target, bytes memory call) private {
        vm.prank(address(0xBAD));
        (bool ok,) = target.call(call);
        if (ok) revert("an attack succeeded");
        ++attacks;
    }
}
