// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Header, Section} from "./libraries/EpochHeader.sol";
import {Leaf, Node} from "./libraries/SumTree.sol";
import {TestBase} from "./TestBase.t.sol";
import {LibraryHarness, TreeBuilder} from "./TreeBuilder.t.sol";

/// @notice The golden vectors, computed from the format's text by another hand, hold the Solidity side to it too.
contract GoldenVectorsTest is TestBase {
    /// @dev Objects are decoded with their members in alphabetical order; decimal strings stay strings.
    struct JsonLeaf {
        string amount;
        string index;
        bytes32 key;
        string kind;
        address owner;
        string quantity;
        string validUntil;
    }

    struct JsonNode {
        bytes32 hash;
        string sum;
    }

    LibraryHarness private harness;
    string private json;
    string[5] private names = ["balances", "locks", "stakes", "compute", "payouts"];

    function setUp() public {
        harness = new LibraryHarness();
        json = vm.readFile("test/vectors/settlement-v1.json");
        vm.chainId(vm.parseJsonUint(json, ".chain_id"));
    }

    function test_DomainsAreTheVectors() public view {
        for (uint8 section = 0; section < 5; ++section) {
            assertEq(_domain(section), vm.parseJsonBytes32(json, string.concat(".domains.", names[section])), "domain");
        }
    }

    function test_LeavesRootsSumsAndProofsAreTheVectors_Balances() public view {
        _checkTrees(0);
    }

    function test_LeavesRootsSumsAndProofsAreTheVectors_Locks() public view {
        _checkTrees(1);
    }

    function test_LeavesRootsSumsAndProofsAreTheVectors_Stakes() public view {
        _checkTrees(2);
    }

    function test_LeavesRootsSumsAndProofsAreTheVectors_Compute() public view {
        _checkTrees(3);
    }

    function test_LeavesRootsSumsAndProofsAreTheVectors_Payouts() public view {
        _checkTrees(4);
    }

    function test_HeaderHashesAndEncodingsAreTheVectors() public view {
        uint256 checked = 0;
        for (uint256 i = 0; vm.keyExistsJson(json, _element(".headers", i)); ++i) {
            string memory path = _element(".headers", i);
            Header memory header = _header(string.concat(path, ".header"));
            bytes memory encoded = vm.parseJsonBytes(json, string.concat(path, ".abi_encoded"));
            assertEq(keccak256(abi.encode(header)), keccak256(encoded), "encoding");
            assertEq(
                harness.headerHash(header), vm.parseJsonBytes32(json, string.concat(path, ".header_hash")), "header hash"
            );
            ++checked;
        }
        assertTrue(checked >= 3, "headers were checked");
    }

    function _checkTrees(uint8 section) private view {
        uint256 checked = 0;
        for (uint256 i = 0; vm.keyExistsJson(json, _element(".trees", i)); ++i) {
            string memory path = _element(".trees", i);
            string memory name = vm.parseJsonString(json, string.concat(path, ".section"));
            if (keccak256(bytes(name)) != harness.nameHash(section)) continue;
            _checkTree(path, _domain(section));
            ++checked;
        }
        assertTrue(checked >= 8, "trees of the section were checked");
    }

    function _checkTree(string memory path, bytes32 domain) private view {
        Section memory section = Section({
            root: vm.parseJsonBytes32(json, string.concat(path, ".root")),
            sum: uint128(vm.parseJsonUint(json, string.concat(path, ".sum"))),
            count: uint64(vm.parseJsonUint(json, string.concat(path, ".count")))
        });
        Leaf[] memory leaves = section.count == 0 ? new Leaf[](0) : _leaves(string.concat(path, ".leaves"));
        assertEq(leaves.length, section.count, "count");
        (Section memory built,) = TreeBuilder.build(domain, leaves, 0);
        assertEq(built.root, section.root, "root");
        assertEq(built.sum, section.sum, "sum");
        if (section.count == 0) return;

        bytes32[] memory hashes = vm.parseJsonBytes32Array(json, string.concat(path, ".leaf_hashes"));
        for (uint256 i = 0; i < leaves.length; ++i) {
            assertEq(harness.leafHash(domain, leaves[i]), hashes[i], "leaf hash");
        }
        Node[] memory siblings =
            section.count == 1 ? new Node[](0) : _siblings(string.concat(path, ".proof_of_last"));
        Leaf memory last = leaves[leaves.length - 1];
        assertTrue(harness.contains(section, domain, last, siblings), "proof of the last leaf");
        last.amount += 1;
        assertFalse(harness.contains(section, domain, last, siblings), "proof of another amount");
    }

    function _leaves(string memory path) private view returns (Leaf[] memory leaves) {
        JsonLeaf[] memory parsed = abi.decode(vm.parseJson(json, path), (JsonLeaf[]));
        leaves = new Leaf[](parsed.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = Leaf({
                index: uint64(vm.parseUint(parsed[i].index)),
                owner: parsed[i].owner,
                key: parsed[i].key,
                amount: uint128(vm.parseUint(parsed[i].amount)),
                validUntil: uint64(vm.parseUint(parsed[i].validUntil)),
                kind: uint32(vm.parseUint(parsed[i].kind)),
                quantity: uint32(vm.parseUint(parsed[i].quantity))
            });
        }
    }

    function _siblings(string memory path) private view returns (Node[] memory siblings) {
        JsonNode[] memory parsed = abi.decode(vm.parseJson(json, path), (JsonNode[]));
        siblings = new Node[](parsed.length);
        for (uint256 i = 0; i < parsed.length; ++i) {
            siblings[i] = Node({hash: parsed[i].hash, sum: uint128(vm.parseUint(parsed[i].sum))});
        }
    }

    function _header(string memory path) private view returns (Header memory header) {
        header.version = uint32(_uint(path, ".version"));
        header.chainId = _uint(path, ".chain_id");
        header.registry = vm.parseJsonAddress(json, string.concat(path, ".registry"));
        header.epoch = uint64(_uint(path, ".epoch"));
        header.previous = vm.parseJsonBytes32(json, string.concat(path, ".previous"));
        for (uint256 i = 0; i < 5; ++i) {
            string memory section = string.concat(path, ".sections[", vm.toString(i), "]");
            header.sections[i] = Section({
                root: vm.parseJsonBytes32(json, string.concat(section, ".root")),
                sum: uint128(_uint(section, ".sum")),
                count: uint64(_uint(section, ".count"))
            });
        }
        header.journalRoot = vm.parseJsonBytes32(json, string.concat(path, ".journal_root"));
        header.journalSize = uint64(_uint(path, ".journal_size"));
        header.depositSeq = uint64(_uint(path, ".deposit_seq"));
        header.dataHash = vm.parseJsonBytes32(json, string.concat(path, ".data_hash"));
        header.closedAt = uint64(_uint(path, ".closed_at"));
    }

    function _element(string memory list, uint256 i) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(i), "]");
    }

    function _uint(string memory path, string memory member) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(path, member));
    }

    function _domain(uint8 section) private view returns (bytes32) {
        address custodian = vm.parseJsonAddress(json, string.concat(".custodians.", names[section]));
        return harness.domain(custodian, vm.parseJsonAddress(json, ".asset"), section);
    }
}
