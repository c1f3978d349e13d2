// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EpochHeader, Header, Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {BookTest} from "./BookTest.t.sol";
import {WindowTest} from "./RegistryAttest.t.sol";
import {TreeBuilder} from "./TreeBuilder.t.sol";

/// @notice Whole transactions, with intrinsic gas and calldata, in steady state: every ring slot was used before, and
/// every custodian holds tokens and a root. Kept in `snapshots/` and compared on every run.
contract GasTest is BookTest {
    uint256 private constant LIMIT = 250_000;

    function setUp() public override {
        _deployBook();
        uint128[5] memory sums = [uint128(700_000 ether), 10_000 ether, 20_000 ether, 30_000 ether, 5000 ether];
        for (uint256 i = 0; i <= registry.RING_SLOTS(); ++i) {
            Header memory header = _nextWith(sums);
            header.sections[0].count += 100_000;
            _commit(header);
            _finalize(header);
        }
    }

    function test_EpochThatMovesNothing() public {
        _measure([uint128(700_000 ether), 10_000 ether, 20_000 ether, 30_000 ether, 5000 ether], "no move");
    }

    function test_EpochWithThreeShortfalls() public {
        _measure([uint128(600_000 ether), 11_000 ether, 21_000 ether, 31_000 ether, 6000 ether], "three shortfalls");
    }

    function test_EpochWithThreeSurpluses() public {
        _measure([uint128(600_000 ether), 9000 ether, 19_000 ether, 29_000 ether, 6000 ether], "three surpluses");
    }

    function test_EpochWithOneSurplusAndTwoShortfalls() public {
        _measure([uint128(600_000 ether), 9000 ether, 21_000 ether, 31_000 ether, 6000 ether], "one and two");
    }

    function test_EpochOfAMillionPositions() public {
        Header memory header = _nextWith([uint128(600_000 ether), 11_000 ether, 21_000 ether, 31_000 ether, 6000 ether]);
        for (uint256 i = 0; i < 5; ++i) header.sections[i].count += 1_000_000;
        _measure(header, "a million positions");
    }

    function test_VerifyInAMillionLeaves() public {
        Header memory header = _next();
        (Leaf memory leaf, Node[] memory siblings) = _deepProof(header.sections[EpochHeader.LOCKS]);
        _commit(header);
        assertTrue(registry.verifyIn(header, EpochHeader.LOCKS, leaf, siblings), "proof");
        vm.snapshotGasLastCall("SettlementRegistry", "verifyIn, depth 20");
        _finalize(header);
        assertTrue(escrow.verify(EpochHeader.LOCKS, leaf, siblings), "proof");
        vm.snapshotGasLastCall("P2PAgreementEscrow", "verify, depth 20");
    }

    /// @dev Another key was claimed before, so that neither the total nor the vault is new. Anyone sends it.
    function test_ClaimAtDepth20() public {
        _firstClaim();
        (Header memory header, Leaf memory leaf, Node[] memory siblings) = _settlePayout(9 ether, 2);
        vm.prank(ANYONE);
        vault.claim(header.epoch, leaf, siblings);
        _assertClaim("claim, depth 20, new wallet", 115_000);
        (header, leaf, siblings) = _settlePayout(11 ether, 2);
        vm.prank(ANYONE);
        vault.claim(header.epoch, leaf, siblings);
        _assertClaim("claim, depth 20, repeat", 85_000);
    }

    /// @dev Against payouts that others have followed, by the owner, of whom nobody else has to know.
    function test_ClaimOfAnOlderEpochAtDepth20() public {
        _firstClaim();
        (Header memory header, Leaf memory leaf, Node[] memory siblings) = _settlePayout(9 ether, 2);
        _settlePayout(10 ether, 3);
        vm.prank(leaf.owner);
        vault.claim(header.epoch, leaf, siblings);
        _assertClaim("claim, older epoch, depth 20, new wallet", 115_000);
        (header, leaf, siblings) = _settlePayout(11 ether, 2);
        _settlePayout(12 ether, 3);
        vm.prank(leaf.owner);
        vault.claim(header.epoch, leaf, siblings);
        _assertClaim("claim, older epoch, depth 20, repeat", 85_000);
    }

    function _assertClaim(string memory name, uint256 limit) private {
        uint256 gas = vm.snapshotGasLastCall("SettlementVault", name);
        assertTrue(gas <= limit, "a claim costs at most 115,000 to a new wallet, 85,000 repeated");
    }

    function _firstClaim() private {
        (Header memory header, Leaf memory leaf, Node[] memory siblings) = _settlePayout(7 ether, 1);
        vm.prank(ANYONE);
        vault.claim(header.epoch, leaf, siblings);
    }

    function _settlePayout(uint128 amount, uint256 key)
        private
        returns (Header memory header, Leaf memory leaf, Node[] memory siblings)
    {
        (header, leaf, siblings) = _payout(amount, key);
        _commit(header);
        _finalize(header);
    }

    /// @dev A header whose payouts hold this leaf under a path of 20 siblings, as in a tree of a million.
    function _payout(uint128 amount, uint256 key)
        private
        view
        returns (Header memory header, Leaf memory leaf, Node[] memory siblings)
    {
        header = _next();
        header.sections[0].sum -= 100 ether;
        leaf = Leaf({
            index: 0,
            owner: address(uint160(uint256(keccak256(abi.encode("wallet", key))))),
            key: keccak256(abi.encode("payout", key)),
            amount: amount,
            validUntil: 0,
            kind: 0,
            quantity: 0
        });
        siblings = new Node[](20);
        bytes32 hash = TreeBuilder.leafHash(registry.domainOf(EpochHeader.PAYOUTS), leaf);
        uint128 sum = amount;
        for (uint256 i = 0; i < 20; ++i) {
            siblings[i] = Node({hash: keccak256(abi.encode("sibling", i)), sum: uint128(300 ether + i * 7 ether)});
            hash = keccak256(abi.encodePacked(bytes1(0x01), hash, sum, siblings[i].hash, siblings[i].sum));
            sum += siblings[i].sum;
        }
        header.sections[EpochHeader.PAYOUTS] = Section({root: hash, sum: sum, count: 1_000_000});
    }

    function _measure(uint128[5] memory sums, string memory name) private {
        _measure(_nextWith(sums), name);
    }

    function _measure(Header memory header, string memory name) private {
        Header memory previous = _last();
        vm.prank(COMMITTER);
        registry.commit(previous, header);
        uint256 commitGas = vm.snapshotGasLastCall("SettlementRegistry", string.concat("commit, ", name));
        vm.prank(ANYONE);
        registry.finalize(header, new bytes[](0));
        uint256 finalizeGas = vm.snapshotGasLastCall("SettlementRegistry", string.concat("finalize, ", name));
        assertTrue(commitGas + finalizeGas <= LIMIT, "an epoch costs at most 250,000");
        _assertNetted(header);
    }

    /// @dev A proof of depth 20 in a section that is made to fit it.
    function _deepProof(Section memory section) private view returns (Leaf memory leaf, Node[] memory siblings) {
        leaf = _leaf(0, 1 ether);
        siblings = new Node[](20);
        Section memory pair;
        (pair,) = _tree(EpochHeader.LOCKS, _leaves(1), 0);
        (bytes32 hash, uint128 sum) = (pair.root, pair.sum);
        for (uint256 i = 0; i < 20; ++i) {
            siblings[i] = Node({hash: keccak256(abi.encode("sibling", i)), sum: 3});
            hash = keccak256(abi.encodePacked(bytes1(0x01), hash, sum, siblings[i].hash, siblings[i].sum));
            sum += 3;
        }
        (section.root, section.sum, section.count) = (hash, sum, 1_000_000);
    }
}

/// @notice The same for a book as it is meant to run: a window of a day, and the signatures of 2 of 3 attesters.
contract AttestedGasTest is WindowTest {
    uint256 private constant LIMIT = 250_000;

    function setUp() public override {
        _deployBook();
        uint128[5] memory sums = [uint128(700_000 ether), 10_000 ether, 20_000 ether, 30_000 ether, 5000 ether];
        for (uint256 i = 0; i <= registry.RING_SLOTS(); ++i) {
            Header memory header = _nextWith(sums);
            header.sections[0].count += 100_000;
            _commit(header);
            _pass(1 days);
            _finalize(header);
        }
    }

    function test_EpochThatMovesNothing() public {
        _measure([uint128(700_000 ether), 10_000 ether, 20_000 ether, 30_000 ether, 5000 ether], "no move");
    }

    function test_EpochWithThreeShortfalls() public {
        _measure([uint128(600_000 ether), 11_000 ether, 21_000 ether, 31_000 ether, 6000 ether], "three shortfalls");
    }

    function _measure(uint128[5] memory sums, string memory name) private {
        Header memory header = _nextWith(sums);
        Header memory previous = _last();
        vm.prank(COMMITTER);
        registry.commit(previous, header);
        name = string.concat("window, 2 signatures, ", name);
        uint256 commitGas = vm.snapshotGasLastCall("SettlementRegistry", string.concat("commit, ", name));
        _pass(1 days);
        bytes[] memory signatures = _signatures(header);
        vm.prank(ANYONE);
        registry.finalize(header, signatures);
        uint256 finalizeGas = vm.snapshotGasLastCall("SettlementRegistry", string.concat("finalize, ", name));
        assertTrue(commitGas + finalizeGas <= LIMIT, "an epoch of two signatures costs at most 250,000");
    }
}
