/** The options that the log commands share: whose log, whose word, whose signatures. */
import { loadConfig } from "#config";
import { FormatError, NOTE_COSIGNATURE, NOTE_ED25519, type NoteKey, parseVerifierKey } from "#proof";
import type { CommandIo } from "../command.ts";
import { requireUrl } from "../option-checks.ts";
import { readArgs } from "../read-args.ts";

export interface LogOptions {
  readonly positionals: readonly string[];
  readonly api: string;
  readonly ledger: string | undefined;
  /** Pinned keys of the log; none: the API's word is taken, and said so. */
  readonly logKeys: readonly NoteKey[];
  readonly witnesses: readonly NoteKey[];
  readonly quorum: number;
  readonly size: number | undefined;
  readonly since: string | undefined;
  readonly line: string | undefined;
  readonly out: string | undefined;
  readonly json: boolean;
  /** How long an answer of the server is waited for. */
  readonly answerSeconds: number;
}

/** @throws Error that says what is wrong with the usage */
export function readLogOptions(args: readonly string[], io: CommandIo): LogOptions {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      api: { type: "string" },
      ledger: { type: "string" },
      key: { type: "string", multiple: true, default: [] },
      witness: { type: "string", multiple: true, default: [] },
      quorum: { type: "string" },
      size: { type: "string" },
      since: { type: "string" },
      line: { type: "string" },
      out: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  requireUrl("--api", values.api);
  const { api, answerSeconds } = loadConfig(io.env);
  return {
    ...{ positionals, ...readNoteKeys(values), ledger: values.ledger, json: values.json, answerSeconds },
    api: (values.api ?? api).replace(/\/+$/, ""),
    size: wholeNumber("--size", values.size),
    ...{ since: values.since, line: values.line, out: values.out },
  };
}

interface NoteKeyValues {
  readonly key: readonly string[];
  readonly witness: readonly string[];
  readonly quorum?: string | undefined;
}

/** Whose signatures on checkpoints count. @throws Error that says what is wrong with the usage */
export function readNoteKeys(values: NoteKeyValues): Pick<LogOptions, "logKeys" | "witnesses" | "quorum"> {
  const witnesses = values.witness.map((text) => readKey("--witness", text, NOTE_COSIGNATURE));
  const quorum = wholeNumber("--quorum", values.quorum) ?? witnesses.length;
  if (quorum > witnesses.length) throw new Error("--quorum is above the number of --witness keys");
  return { logKeys: values.key.map((text) => readKey("--key", text, NOTE_ED25519)), witnesses, quorum };
}

export function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw new Error(`${name} must be a whole number`);
  return Number.parseInt(text, 10);
}

const KEY_OF = { [NOTE_ED25519]: "log", [NOTE_COSIGNATURE]: "witness" } as const;

function readKey(name: string, text: string, type: NoteKey["type"]): NoteKey {
  try {
    const key = parseVerifierKey(text);
    if (key.type === type) return key;
    throw new FormatError(
      "verifier key",
      `is the key of a ${KEY_OF[key.type]}, and that of a ${KEY_OF[type]} is needed`,
    );
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Error(`${name} must be name+id+base64, as the ${KEY_OF[type]} publishes it: ${error.message}`);
  }
}
