/** The events of a book's contracts, out of logs as JSON-RPC has them, in the spellings in which they are kept and shown. */
import { EventFragment, getAddress, type ParamType, ZeroAddress } from "ethers";
import { ChainInconsistent } from "./chain-errors.ts";
import { type ContractName, contractArtifact, contractEvents } from "./contract-artifacts.ts";
import type { DeploymentRecord } from "./deployment.ts";
import { eventWords } from "./event-words.ts";
import type { HexText } from "./header-codec.ts";

/** A log of `eth_getLogs`. */
export interface RpcLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: string;
  readonly blockHash: string;
  readonly transactionHash: string;
  readonly logIndex: string;
  readonly removed?: boolean;
}

/**
 * Integers as decimal strings, bytes and addresses as lower-case hex, members in snake_case; null for a text that is no
 * UTF-8 or holds NUL, which anybody may send.
 */
export type EventArgs = { readonly [member: string]: EventValue };
type EventValue = string | boolean | null | EventArgs | readonly EventValue[];

export interface BookEvent {
  /** Lower case. */
  readonly contract: HexText;
  /** Its name in the contract. */
  readonly event: string;
  readonly args: EventArgs;
}

/** Lower-case addresses whose logs are a book's, with the contract behind each. */
export function bookContracts({
  registry,
  token,
  custodians,
}: DeploymentRecord): ReadonlyMap<HexText, ContractName> {
  const contracts: [string, ContractName][] = [[registry, "SettlementRegistry"]];
  if (token !== ZeroAddress)
    contracts.push(
      [custodians.balances, "SettlementVault"],
      [custodians.locks, "P2PAgreementEscrow"],
      [custodians.stakes, "AccessTierStaking"],
      [custodians.compute, "EntityComputeReserve"],
    );
  return new Map(contracts.map(([address, name]) => [address.toLowerCase() as HexText, name]));
}

/** @returns null where the contract has no such event. @throws ChainInconsistent where the data is not what the event says */
export function decodeBookEvent(
  contracts: ReadonlyMap<HexText, ContractName>,
  log: RpcLog,
): BookEvent | null {
  const contract = log.address.toLowerCase() as HexText;
  const name = contracts.get(contract);
  if (!name) return null;
  const fragment = contractEvents(name).get(log.topics[0]?.toLowerCase() ?? "");
  if (!fragment) return null;
  const values = valuesOf(name, fragment, log);
  const args = fragment.inputs.map((input, place) => [snakeCase(input.name), values[place]]);
  return { contract, event: fragment.name, args: Object.fromEntries(args) as EventArgs };
}

/** The topics of all of them, each once. */
export function bookEventTopics(): readonly string[] {
  return [...new Set(CONTRACTS.flatMap((name) => [...contractEvents(name).keys()]))];
}

/** The names of all events that a book's contracts have, in order. */
export function bookEventNames(): readonly string[] {
  return [...eventInputs().keys()].sort();
}

/** The arguments of a kept event as they are shown to people: addresses with their checksum. */
export function showBookEvent(event: string, args: Readonly<Record<string, unknown>>) {
  return shownArgs(eventInputs().get(event) ?? [], args);
}

function shownArgs(
  inputs: readonly ParamType[],
  args: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    inputs.map((input) => {
      const name = snakeCase(input.name);
      return [name, shownArg(input, args[name])];
    }),
  );
}

const CONTRACTS: readonly ContractName[] = [
  "SettlementRegistry",
  "SettlementVault",
  "P2PAgreementEscrow",
  "AccessTierStaking",
  "EntityComputeReserve",
];
let inputsByEvent: ReadonlyMap<string, readonly ParamType[]> | undefined;

/** An event of several contracts has the same arguments in each. */
function eventInputs(): ReadonlyMap<string, readonly ParamType[]> {
  inputsByEvent ??= new Map(
    CONTRACTS.flatMap((contract) =>
      contractArtifact(contract).abi.fragments.flatMap((fragment) =>
        EventFragment.isFragment(fragment) ? [[fragment.name, fragment.inputs] as const] : [],
      ),
    ),
  );
  return inputsByEvent;
}

function shownArg(type: ParamType, value: unknown): unknown {
  if (type.arrayChildren && Array.isArray(value)) {
    const { arrayChildren } = type;
    return value.map((item) => shownArg(arrayChildren, item));
  }
  if (type.components && typeof value === "object" && value !== null)
    return shownArgs(type.components, value as Readonly<Record<string, unknown>>);
  return type.type === "address" && typeof value === "string" ? getAddress(value) : value;
}

function valuesOf(name: ContractName, fragment: EventFragment, { topics, data }: RpcLog): EventValue[] {
  try {
    const words = eventWords(fragment, topics, data);
    const isSimple = words.every((word) => word !== undefined);
    if (isSimple) return words.map((word) => (word instanceof Uint8Array ? textOf(word) : word));
    // Headers and lists, of which there are few.
    const values = contractArtifact(name).abi.decodeEventLog(fragment, data, topics);
    return fragment.inputs.map((input, place) => argOf(input, values[place]));
  } catch (error) {
    throw new ChainInconsistent(`a log of ${name} that cannot be read (${String(error)})`);
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** NUL no database keeps. */
function textOf(bytes: Uint8Array): string | null {
  try {
    const text = decoder.decode(bytes);
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

function argOf(type: ParamType, value: unknown): EventValue {
  if (type.arrayChildren) {
    const { arrayChildren } = type;
    return (value as readonly unknown[]).map((item) => argOf(arrayChildren, item));
  }
  if (type.components) {
    const members = value as readonly unknown[];
    const entries = type.components.map((one, place) => [snakeCase(one.name), argOf(one, members[place])]);
    return Object.fromEntries(entries) as EventArgs;
  }
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "boolean") return value;
  return (value as string).toLowerCase();
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/^_/, "");
}
