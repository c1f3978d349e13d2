/**
 * An event's values as text, by hand: a chain has a million of them, and the
 * parser of the library hashes the names of all events for each. What somebody
 * sent as a name that is not text does not end the reading.
 */
import type { EventFragment } from "ethers";
import { type ContractName, contractArtifact } from "#infra";

export interface DecodedEvent {
  readonly name: string;
  readonly args: Readonly<Record<string, string>>;
}

const EVENTS = new Map<ContractName, ReadonlyMap<string, EventFragment>>();
const WORD_DIGITS = 64;
/** Whatever bytes there are: nothing is refused or left out. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Null for an event that the contract does not know. @throws Error where the data is not that of its event */
export function decodeEvent(
  contract: ContractName,
  topics: readonly string[],
  data: string,
): DecodedEvent | null {
  const fragment = eventsOf(contract).get(topics[0]?.toLowerCase() ?? "");
  if (!fragment) return null;
  const args: Record<string, string> = {};
  let [topic, word] = [1, 0];
  for (const { name, type, indexed } of fragment.inputs) {
    const value = indexed ? (topics[topic++] ?? "").slice(2) : wordAt(data, WORD_DIGITS * word++);
    const text = textOf(type, value, data);
    // Headers, which end their event, and lists: nobody reads them here.
    if (text !== undefined) args[name] = text;
  }
  return { name: fragment.name, args };
}

/** By topic. */
function eventsOf(contract: ContractName): ReadonlyMap<string, EventFragment> {
  let events = EVENTS.get(contract);
  if (!events) {
    const found = new Map<string, EventFragment>();
    contractArtifact(contract).abi.forEachEvent((fragment) => found.set(fragment.topicHash, fragment));
    EVENTS.set(contract, found);
    events = found;
  }
  return events;
}

/** Lower case where bytes, decimal where a number. */
function textOf(type: string, word: string, data: string): string | undefined {
  if (word.length !== WORD_DIGITS) throw new Error("the node answers with an event whose data is cut off");
  if (type.startsWith("uint") && !type.endsWith("]")) return BigInt(`0x${word}`).toString();
  if (type === "address") return `0x${word.slice(-40).toLowerCase()}`;
  if (type === "bytes32") return `0x${word.toLowerCase()}`;
  if (type === "bool") return String(BigInt(`0x${word}`) !== 0n);
  if (type === "string") return decoder.decode(Buffer.from(bytesAt(data, word), "hex"));
  return type === "bytes" ? `0x${bytesAt(data, word).toLowerCase()}` : undefined;
}

function bytesAt(data: string, offset: string): string {
  const at = 2 * Number(BigInt(`0x${offset}`));
  const length = 2 * Number(BigInt(`0x${wordAt(data, at)}`));
  return data.slice(2 + at + WORD_DIGITS, 2 + at + WORD_DIGITS + length);
}

function wordAt(data: string, digit: number): string {
  return data.slice(2 + digit, 2 + digit + WORD_DIGITS);
}
