/**
 * The elements of a position line's `signatures`: statements about wallets, as
 * bytes. The first byte is the kind; members have fixed widths, big-endian, and
 * a signature is what is left. One reading has one writing.
 */
import { fromHex, type Hex, toHex, writeHex, writeU64 } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import type { CancelMessage, LinkMessage } from "./wallet-message.ts";

/** Longest signature; those of contract wallets may be long. */
export const MAX_SIGNATURE_BYTES = 2_048;

/** A signature, and how it is checked. */
export interface WalletSignature {
  readonly signature: Hex;
  /** 0: by a key (65 bytes, low s). Else by the wallet's contract (EIP-1271), which was asked as of this block. */
  readonly block: bigint;
}

export interface LinkStatement extends WalletSignature {
  readonly kind: "link";
  readonly message: LinkMessage;
  readonly signer: "wallet" | "previous";
}

/** The owner is that of a link that the journal has: it stands there with its signatures. */
export interface ReferenceStatement {
  readonly kind: "reference";
  readonly user: Hex;
  readonly number: bigint;
}

/** Signed by the previous wallet. */
export interface CancelStatement extends WalletSignature {
  readonly kind: "cancel";
  readonly message: CancelMessage;
}

/** The owner is who made the on-chain entry of that place. */
export interface EntryStatement {
  readonly kind: "entry";
  readonly txHash: Hex;
  readonly logIndex: bigint;
}

export type WalletStatement = LinkStatement | ReferenceStatement | CancelStatement | EntryStatement;

const LINK = 1;
const REFERENCE = 2;
const CANCEL = 3;
const ENTRY = 4;

const LINK_BYTES = 1 + 32 + 20 + 20 + 8 + 8 + 1 + 8;
const REFERENCE_BYTES = 1 + 32 + 8;
const CANCEL_BYTES = 1 + 32 + 20 + 20 + 8 + 8;
const ENTRY_BYTES = 1 + 32 + 8;

/** @throws FormatError for a member that does not fit */
export function encodeStatement(statement: WalletStatement): Hex {
  switch (statement.kind) {
    case "link":
    case "cancel":
      return encodeSigned(statement);
    case "reference": {
      const bytes = start(REFERENCE, REFERENCE_BYTES);
      writeHex(bytes, 1, statement.user, 32, "user");
      writeU64(new DataView(bytes.buffer), 33, statement.number, "number");
      return toHex(bytes);
    }
    case "entry": {
      const bytes = start(ENTRY, ENTRY_BYTES);
      writeHex(bytes, 1, statement.txHash, 32, "tx_hash");
      writeU64(new DataView(bytes.buffer), 33, statement.logIndex, "log_index");
      return toHex(bytes);
    }
  }
}

function encodeSigned(statement: LinkStatement | CancelStatement): Hex {
  const { message, signature, block } = statement;
  const isLink = statement.kind === "link";
  const head = isLink ? LINK_BYTES : CANCEL_BYTES;
  const length = signature.length / 2 - 1;
  if (length < 1 || length > MAX_SIGNATURE_BYTES)
    throw new FormatError("signature", `must have 1 to ${MAX_SIGNATURE_BYTES} bytes`);
  const bytes = start(isLink ? LINK : CANCEL, head + length);
  const view = new DataView(bytes.buffer);
  writeHex(bytes, 1, message.user, 32, "user");
  writeHex(bytes, 33, message.wallet, 20, "wallet");
  writeHex(bytes, 53, message.previous, 20, "previous");
  writeU64(view, 73, message.number, "number");
  if (statement.kind === "link") {
    writeU64(view, 81, statement.message.deadline, "deadline");
    bytes[89] = statement.signer === "wallet" ? 0 : 1;
  }
  writeU64(view, head - 8, block, "block");
  writeHex(bytes, head, signature, length, "signature");
  return toHex(bytes);
}

function start(kind: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  bytes[0] = kind;
  return bytes;
}

/** @throws FormatError unless it is byte for byte what `encodeStatement` writes */
export function parseStatement(hex: Hex): WalletStatement {
  const bytes = fromHex(hex, hex.length / 2 - 1, "statement");
  const statement = read(bytes, new DataView(bytes.buffer));
  if (!statement || encodeStatement(statement) !== hex)
    throw new FormatError("statement", "is of no known kind, or has another length");
  return statement;
}

function read(bytes: Uint8Array, view: DataView): WalletStatement | null {
  const at = (from: number, length: number): Hex => toHex(bytes.subarray(from, from + length));
  const { length } = bytes;
  switch (bytes[0]) {
    case LINK: {
      if (length <= LINK_BYTES || length > LINK_BYTES + MAX_SIGNATURE_BYTES) return null;
      const message = { ...members(at, view), deadline: view.getBigUint64(81) };
      const signer = bytes[89] === 0 ? "wallet" : "previous";
      const signature = at(LINK_BYTES, length - LINK_BYTES);
      return { kind: "link", message, signer, block: view.getBigUint64(90), signature };
    }
    case CANCEL: {
      if (length <= CANCEL_BYTES || length > CANCEL_BYTES + MAX_SIGNATURE_BYTES) return null;
      const signature = at(CANCEL_BYTES, length - CANCEL_BYTES);
      return { kind: "cancel", message: members(at, view), block: view.getBigUint64(81), signature };
    }
    case REFERENCE:
      if (length !== REFERENCE_BYTES) return null;
      return { kind: "reference", user: at(1, 32), number: view.getBigUint64(33) };
    case ENTRY:
      if (length !== ENTRY_BYTES) return null;
      return { kind: "entry", txHash: at(1, 32), logIndex: view.getBigUint64(33) };
    default:
      return null;
  }
}

function members(at: (from: number, length: number) => Hex, view: DataView): CancelMessage {
  return { user: at(1, 32), wallet: at(33, 20), previous: at(53, 20), number: view.getBigUint64(73) };
}

/** What stands in the line of a position that gets the owner of a link. */
export function linkReference(user: Hex, number: bigint): Hex {
  return encodeStatement({ kind: "reference", user, number });
}

/** What stands in the line of a position whose owner is the depositor of an on-chain entry. */
export function entryProof(txHash: Hex, logIndex: bigint): Hex {
  return encodeStatement({ kind: "entry", txHash, logIndex });
}
