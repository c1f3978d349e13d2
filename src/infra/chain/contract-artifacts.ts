/** The compiled contracts as committed in `contracts/compiled.json`, read once when first asked for. */
import { readFileSync } from "node:fs";
import { type EventFragment, Interface, type JsonFragment } from "ethers";

export type ContractName =
  | "TST"
  | "SettlementRegistry"
  | "SettlementVault"
  | "P2PAgreementEscrow"
  | "AccessTierStaking"
  | "EntityComputeReserve";

/** Each one's place is its distance from the sender's first nonce; in a book without a token there is the last alone. */
export const IN_ORDER_OF_CREATION = [
  "TST",
  "SettlementVault",
  "P2PAgreementEscrow",
  "AccessTierStaking",
  "EntityComputeReserve",
  "SettlementRegistry",
] as const satisfies readonly ContractName[];

export interface ContractArtifact {
  readonly abi: Interface;
  /** Creation bytecode, without constructor arguments. */
  readonly bytecode: string;
}

const COMPILED = new URL("../../../contracts/compiled.json", import.meta.url);

let artifacts: ReadonlyMap<string, ContractArtifact> | undefined;

export function contractArtifact(name: ContractName): ContractArtifact {
  artifacts ??= readCompiled();
  const artifact = artifacts.get(name);
  if (!artifact) throw new Error(`contracts/compiled.json holds no ${name}`);
  return artifact;
}

const eventsOf = new Map<ContractName, ReadonlyMap<string, EventFragment>>();

/** A contract's events by their topic, in lower case: the library hashes the names of all anew for each log. */
export function contractEvents(name: ContractName): ReadonlyMap<string, EventFragment> {
  let events = eventsOf.get(name);
  if (!events) {
    const found = new Map<string, EventFragment>();
    contractArtifact(name).abi.forEachEvent((fragment) => found.set(fragment.topicHash, fragment));
    eventsOf.set(name, found);
    events = found;
  }
  return events;
}

function readCompiled(): ReadonlyMap<string, ContractArtifact> {
  const compiled = JSON.parse(readFileSync(COMPILED, "utf8")) as Record<
    string,
    { abi: JsonFragment[]; bytecode: string }
  >;
  return new Map(
    Object.entries(compiled).map(([name, { abi, bytecode }]) => [
      name,
      { abi: new Interface(abi), bytecode },
    ]),
  );
}
