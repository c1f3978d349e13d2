/**
 * Journal lines: the exact bytes that the log tree and every replay start from.
 * RFC 8785 canonical JSON of one of four kinds, integers as decimal strings,
 * hex in lower case, absent members left out. Reading is strict: any other
 * spelling is refused. Accounts and ids are opaque text; nothing personal is in it.
 */
import type { Hex } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { isSection, SECTIONS, type Section } from "./section.ts";
import {
  type JsonMembers,
  parseJson,
  readHex,
  readList,
  readMembers,
  readText,
  readU32,
  readUint,
  requireHex,
  requireText,
} from "./strict-json.ts";

export const PHASES = ["single", "pending", "post", "void", "expire"] as const;
export type Phase = (typeof PHASES)[number];

/** Integers are read as bigint; who writes lines may hand over whole numbers as well. */
type Integer = bigint | number;

export interface TransferLine<Int extends Integer = bigint> {
  readonly kind: "transfer";
  /** u64: place in the journal, from 0, without gaps over all kinds. */
  readonly seq: Int;
  /** u64, Unix seconds, of recording. */
  readonly time: Int;
  readonly id: string;
  readonly phase: Phase;
  readonly debit: string;
  readonly credit: string;
  readonly asset: string;
  /** u128 base units, above 0; of `void` and `expire` the held amount that is set free. */
  readonly amount: Int;
  readonly code: string;
  /** Exactly with `post`, `void` and `expire`: the id of the pending transfer that the line resolves. */
  readonly pendingId?: string | undefined;
  /** u64, Unix seconds, of effect. */
  readonly effectiveAt?: Int | undefined;
}

export interface PositionLine<Int extends Integer = bigint> {
  readonly kind: "position";
  readonly seq: Int;
  readonly time: Int;
  readonly account: string;
  readonly asset: string;
  readonly section: Section;
  readonly index: Int;
  readonly key: Hex;
  readonly owner: Hex;
  readonly validUntil: Int;
  /** The leaf's `kind`. */
  readonly positionKind: number;
  readonly quantity: number;
  /** The wallets' signatures where they caused the change of owner. */
  readonly signatures?: readonly Hex[] | undefined;
}

export interface ChainLine<Int extends Integer = bigint> {
  readonly kind: "chain";
  readonly seq: Int;
  readonly time: Int;
  readonly block: Int;
  readonly txHash: Hex;
  readonly logIndex: Int;
  /** Name of the contract event. */
  readonly event: string;
  /** Whose registry or custodian said it; left out by older lines, which are of the book that is looked at. */
  readonly book?: LineBook<Int> | undefined;
}

export interface LineBook<Int extends Integer = bigint> {
  readonly chainId: Int;
  readonly registry: Hex;
}

/** From here on no `single`, `pending` or `post` names the account, and no position. */
export interface ClosingLine<Int extends Integer = bigint> {
  readonly kind: "closing";
  readonly seq: Int;
  readonly time: Int;
  readonly account: string;
}

export type JournalLine<Int extends Integer = bigint> =
  | TransferLine<Int>
  | PositionLine<Int>
  | ChainLine<Int>
  | ClosingLine<Int>;

/**
 * One line, without a newline: the members in RFC 8785's order, written out for
 * each kind, because the ledger writes tens of thousands of lines a second.
 * @throws FormatError for a value that a line cannot hold
 */
export function encodeJournalLine(line: JournalLine<Integer>): string {
  switch (line.kind) {
    case "transfer":
      return encodeTransfer(line);
    case "position":
      return encodePosition(line);
    case "chain":
      return encodeChain(line);
    case "closing":
      return (
        `{"account":${text(line.account, "account")},"kind":"closing"` +
        `,"seq":${uint(line.seq, "seq")},"time":${uint(line.time, "time")}}`
      );
  }
}

function encodeTransfer(line: TransferLine<Integer>): string {
  requireResolution(line.phase, line.pendingId !== undefined);
  if (line.amount === 0n || line.amount === 0) throw new FormatError("amount", "must not be 0");
  const effectiveAt =
    line.effectiveAt === undefined ? "" : `,"effective_at":${uint(line.effectiveAt, "effective_at")}`;
  const pendingId = line.pendingId === undefined ? "" : `,"pending_id":${text(line.pendingId, "pending_id")}`;
  return (
    `{"amount":${uint(line.amount, "amount")},"asset":${text(line.asset, "asset")},"code":${text(line.code, "code")}` +
    `,"credit":${text(line.credit, "credit")},"debit":${text(line.debit, "debit")}${effectiveAt}` +
    `,"id":${text(line.id, "id")},"kind":"transfer"${pendingId},"phase":"${line.phase}"` +
    `,"seq":${uint(line.seq, "seq")},"time":${uint(line.time, "time")}}`
  );
}

function encodePosition(line: PositionLine<Integer>): string {
  const signatures = line.signatures?.length
    ? `,"signatures":[${line.signatures.map((one) => `"${requireHex(one, undefined, "signatures")}"`).join(",")}]`
    : "";
  return (
    `{"account":${text(line.account, "account")},"asset":${text(line.asset, "asset")}` +
    `,"index":${uint(line.index, "index")},"key":"${requireHex(line.key, 32, "key")}","kind":"position"` +
    `,"owner":"${requireHex(line.owner, 20, "owner")}","position_kind":${uint(line.positionKind, "position_kind")}` +
    `,"quantity":${uint(line.quantity, "quantity")},"section":"${line.section}","seq":${uint(line.seq, "seq")}` +
    `${signatures},"time":${uint(line.time, "time")},"valid_until":${uint(line.validUntil, "valid_until")}}`
  );
}

function encodeChain(line: ChainLine<Integer>): string {
  const chainId = line.book === undefined ? "" : `,"chain_id":${uint(line.book.chainId, "chain_id")}`;
  const registry =
    line.book === undefined ? "" : `,"registry":"${requireHex(line.book.registry, 20, "registry")}"`;
  return (
    `{"block":${uint(line.block, "block")}${chainId},"event":${text(line.event, "event")},"kind":"chain"` +
    `,"log_index":${uint(line.logIndex, "log_index")}${registry},"seq":${uint(line.seq, "seq")}` +
    `,"time":${uint(line.time, "time")},"tx_hash":"${requireHex(line.txHash, 32, "tx_hash")}"}`
  );
}

/** @throws FormatError unless `line` is byte for byte what `encodeJournalLine` writes */
export function parseJournalLine(line: string): JournalLine {
  const parsed = readKind(parseJson(line, "journal line"));
  if (encodeJournalLine(parsed) !== line) throw new FormatError("journal line", "is not canonical JSON");
  return parsed;
}

function readKind(value: unknown): JournalLine {
  switch ((value as { kind?: unknown } | null)?.kind) {
    case "transfer":
      return readTransfer(readMembers(value, "line", TRANSFER_MEMBERS, ["effective_at", "pending_id"]));
    case "position":
      return readPosition(readMembers(value, "line", POSITION_MEMBERS, ["signatures"]));
    case "chain":
      return readChain(readMembers(value, "line", CHAIN_MEMBERS, ["chain_id", "registry"]));
    case "closing":
      return readClosing(readMembers(value, "line", CLOSING_MEMBERS));
    default:
      throw new FormatError("line.kind", `must be "transfer", "position", "chain" or "closing"`);
  }
}

const TRANSFER_MEMBERS = ["amount", "asset", "code", "credit", "debit", "id", "kind", "phase", "seq", "time"];
const POSITION_MEMBERS = [
  "account",
  "asset",
  "index",
  "key",
  "kind",
  "owner",
  "position_kind",
  "quantity",
  "section",
  "seq",
  "time",
  "valid_until",
];
const CHAIN_MEMBERS = ["block", "event", "kind", "log_index", "seq", "time", "tx_hash"];
const CLOSING_MEMBERS = ["account", "kind", "seq", "time"];

function readTransfer(members: JsonMembers): TransferLine {
  const phase = PHASES.find((known) => known === members.phase);
  if (!phase) throw new FormatError("line.phase", `must be one of ${PHASES.join(", ")}`);
  requireResolution(phase, members.pending_id !== undefined);
  const amount = readUint(members, "amount", 128, "line");
  if (amount === 0n) throw new FormatError("line.amount", "must not be 0");
  return {
    kind: "transfer",
    ...readPlace(members),
    id: readText(members, "id", "line"),
    phase,
    debit: readText(members, "debit", "line"),
    credit: readText(members, "credit", "line"),
    asset: readText(members, "asset", "line"),
    amount,
    code: readText(members, "code", "line"),
    ...(members.pending_id === undefined ? {} : { pendingId: readText(members, "pending_id", "line") }),
    ...(members.effective_at === undefined
      ? {}
      : { effectiveAt: readUint(members, "effective_at", 64, "line") }),
  };
}

function readPosition(members: JsonMembers): PositionLine {
  const { section } = members;
  if (!isSection(section)) throw new FormatError("line.section", `must be one of ${SECTIONS.join(", ")}`);
  return {
    kind: "position",
    ...readPlace(members),
    account: readText(members, "account", "line"),
    asset: readText(members, "asset", "line"),
    section,
    index: readUint(members, "index", 64, "line"),
    key: readHex(members, "key", 32, "line"),
    owner: readHex(members, "owner", 20, "line"),
    validUntil: readUint(members, "valid_until", 64, "line"),
    positionKind: readU32(members, "position_kind", "line"),
    quantity: readU32(members, "quantity", "line"),
    ...(members.signatures === undefined ? {} : { signatures: readSignatures(members.signatures) }),
  };
}

function readSignatures(value: unknown): Hex[] {
  const signatures = readList(value, "line.signatures", 16);
  if (signatures.length === 0)
    throw new FormatError("line.signatures", "must be left out where there is none");
  return signatures.map((signature) => requireHex(signature, undefined, "line.signatures"));
}

function readChain(members: JsonMembers): ChainLine {
  return {
    kind: "chain",
    ...readPlace(members),
    block: readUint(members, "block", 64, "line"),
    txHash: readHex(members, "tx_hash", 32, "line"),
    logIndex: readUint(members, "log_index", 64, "line"),
    event: readText(members, "event", "line"),
    ...(members.chain_id === undefined && members.registry === undefined
      ? {}
      : {
          book: {
            chainId: readUint(members, "chain_id", 256, "line"),
            registry: readHex(members, "registry", 20, "line"),
          },
        }),
  };
}

function readClosing(members: JsonMembers): ClosingLine {
  return { kind: "closing", ...readPlace(members), account: readText(members, "account", "line") };
}

function readPlace(members: JsonMembers): { seq: bigint; time: bigint } {
  return { seq: readUint(members, "seq", 64, "line"), time: readUint(members, "time", 64, "line") };
}

function requireResolution(phase: Phase, hasPendingId: boolean): void {
  const resolves = phase === "post" || phase === "void" || phase === "expire";
  if (resolves !== hasPendingId)
    throw new FormatError(
      "line.pending_id",
      resolves ? `is missing in a ${phase}` : `must not stand in a ${phase}`,
    );
}

function uint(value: Integer, where: string): string {
  if (typeof value === "number" ? !Number.isSafeInteger(value) || value < 0 : value < 0n)
    throw new FormatError(where, "must be an unsigned whole number");
  return `"${value}"`;
}

/** Printable ASCII that JSON writes as it is; ids and codes are nothing else. */
const PLAIN = /^[ !#-[\]-~]+$/;

function text(value: string, where: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  if (value === "") throw new FormatError(where, "must not be empty");
  requireText(value, where);
  return JSON.stringify(value);
}
