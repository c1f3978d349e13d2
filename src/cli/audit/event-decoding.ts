/** An event's values as text. What somebody sent as a name that is not text does not end the reading. */
import { type ContractName, contractEvents, eventWords } from "#infra";

export interface DecodedEvent {
  readonly name: string;
  readonly args: Readonly<Record<string, string>>;
}

/** Whatever bytes there are: nothing is refused or left out. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Null for an event that the contract does not know. @throws Error where the data is not that of its event */
export function decodeEvent(
  contract: ContractName,
  topics: readonly string[],
  data: string,
): DecodedEvent | null {
  const fragment = contractEvents(contract).get(topics[0]?.toLowerCase() ?? "");
  if (!fragment) return null;
  const words = eventWords(fragment, topics, data);
  const args: Record<string, string> = {};
  for (const [place, { name }] of fragment.inputs.entries()) {
    const word = words[place];
    // Headers, which end their event, and lists: nobody reads them here.
    if (word !== undefined) args[name] = word instanceof Uint8Array ? decoder.decode(word) : `${word}`;
  }
  return { name: fragment.name, args };
}
