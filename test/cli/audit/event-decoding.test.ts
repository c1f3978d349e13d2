/** Events of the contracts as text: as the library reads them, and also where somebody sent what is no text. */
import { expect, it } from "vitest";
import { type ContractName, contractArtifact } from "#infra";
import { decodeEvent } from "../../../src/cli/audit/event-decoding.ts";

const CONTRACTS: readonly ContractName[] = [
  "SettlementRegistry",
  "SettlementVault",
  "P2PAgreementEscrow",
  "AccessTierStaking",
  "EntityComputeReserve",
];
const VALUES: Readonly<Record<string, unknown>> = {
  address: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  bytes32: `0x${"Ab".repeat(32)}`,
  bytes: "0xABcdef",
  bool: true,
  string: "agreement \u{1f600} ß",
};

function exampleOf(type: string): unknown {
  if (type in VALUES) return VALUES[type];
  return type.startsWith("uint") ? (1n << BigInt(type.slice(4))) - 3n : undefined;
}

it.each(CONTRACTS)("of %s are those that the library reads", (contract) => {
  const { abi } = contractArtifact(contract);
  let read = 0;
  abi.forEachEvent((fragment) => {
    const values = fragment.inputs.map(({ type }) =>
      type === "address[]" ? [VALUES.address] : exampleOf(type),
    );
    if (values.includes(undefined)) return;
    const { topics, data } = abi.encodeEventLog(fragment, values);
    const expected = fragment.inputs.flatMap(({ name, type }, place) => {
      const value = String(values[place]);
      return type === "address[]" ? [] : [[name, type === "string" ? value : value.toLowerCase()] as const];
    });
    expect(decodeEvent(contract, topics, data)).toEqual({
      name: fragment.name,
      args: Object.fromEntries(expected),
    });
    read++;
  });
  expect(read).toBeGreaterThan(2);
});

it("are read where a name is no text", () => {
  const { abi } = contractArtifact("SettlementRegistry");
  const depositor = VALUES.address;
  const { topics, data } = abi.encodeEventLog("EntryMade", [7n, depositor, 1n, 5n, 0n, 60n, "name"]);
  const bad = data.replace("6e616d65", "6effff65");
  expect(() => abi.parseLog({ topics, data: bad })?.args.ref).toThrow("deferred error");
  expect(decodeEvent("SettlementRegistry", topics, bad)?.args).toMatchObject({ seq: "7", amount: "5" });
});

it("are null where the contract has no such event, and refused where they are cut off", () => {
  const { abi } = contractArtifact("SettlementVault");
  const { topics, data } = abi.encodeEventLog("Claimed", [VALUES.bytes32, VALUES.address, 5n, 7n]);
  expect(decodeEvent("SettlementRegistry", topics, data)).toBeNull();
  expect(() => decodeEvent("SettlementVault", topics, data.slice(0, -64))).toThrow("cut off");
  expect(() => decodeEvent("SettlementVault", topics.slice(0, 2), data)).toThrow("cut off");
});
