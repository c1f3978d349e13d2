/**
 * The epoch header: what one settlement commits to, its hash, and its JSON form.
 * The hash is keccak256 of the Solidity struct's `abi.encode`: all members are
 * static, so that is 25 words.
 */
import {
  type Hex,
  requireU32,
  requireUint,
  toHex,
  U64_LIMIT,
  U128_LIMIT,
  writeHex,
  writeU256,
} from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { keccak256 } from "./hash.ts";
import { SECTIONS, type Section } from "./section.ts";
import {
  readAddress,
  readHex,
  readList,
  readMembers,
  readU32,
  readUint,
  toChecksumAddress,
} from "./strict-json.ts";

export const HEADER_VERSION = 1;

export interface HeaderSection {
  readonly root: Hex;
  /** u128 */
  readonly sum: bigint;
  /** u64 */
  readonly count: bigint;
}

/** Whether both are the same tree. */
export function isSameSection(one: HeaderSection, other: HeaderSection): boolean {
  return one.root === other.root && one.sum === other.sum && one.count === other.count;
}

export interface Header {
  readonly version: number;
  readonly chainId: bigint;
  readonly registry: Hex;
  /** u64; the first epoch is 1. */
  readonly epoch: bigint;
  /** Header hash of the epoch before, zero for the first. */
  readonly previous: Hex;
  /** In the order of SECTIONS. */
  readonly sections: readonly HeaderSection[];
  readonly journalRoot: Hex;
  /** u64: journal lines up to the closing. */
  readonly journalSize: bigint;
  /** u64: the last direct entry that the ledger has credited. */
  readonly depositSeq: bigint;
  readonly dataHash: Hex;
  /** u64, Unix seconds. */
  readonly closedAt: bigint;
}

export interface HeaderJson {
  readonly version: string;
  readonly chain_id: string;
  readonly registry: string;
  readonly epoch: string;
  readonly previous: string;
  readonly sections: readonly { readonly root: string; readonly sum: string; readonly count: string }[];
  readonly journal_root: string;
  readonly journal_size: string;
  readonly deposit_seq: string;
  readonly data_hash: string;
  readonly closed_at: string;
}

const WORDS = 25;

/** abi.encode(header): 800 bytes. */
export function encodeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(WORDS * 32);
  const view = new DataView(bytes.buffer);
  let word = 0;
  const putUint = (value: bigint, limit: bigint, where: string): void => {
    requireUint(value, limit, where);
    writeU256(view, 32 * word++, value, where);
  };
  const putBytes = (value: Hex, where: string): void => writeHex(bytes, 32 * word++, value, 32, where);

  requireU32(header.version, "header.version");
  putUint(BigInt(header.version), U64_LIMIT, "header.version");
  writeU256(view, 32 * word++, header.chainId, "header.chain_id");
  writeHex(bytes, 32 * word++ + 12, header.registry, 20, "header.registry");
  putUint(header.epoch, U64_LIMIT, "header.epoch");
  putBytes(header.previous, "header.previous");
  if (header.sections.length !== SECTIONS.length) throw new FormatError("header.sections", "must be five");
  for (const section of header.sections) {
    putBytes(section.root, "header.sections.root");
    putUint(section.sum, U128_LIMIT, "header.sections.sum");
    putUint(section.count, U64_LIMIT, "header.sections.count");
  }
  putBytes(header.journalRoot, "header.journal_root");
  putUint(header.journalSize, U64_LIMIT, "header.journal_size");
  putUint(header.depositSeq, U64_LIMIT, "header.deposit_seq");
  putBytes(header.dataHash, "header.data_hash");
  putUint(header.closedAt, U64_LIMIT, "header.closed_at");
  return bytes;
}

export function headerHash(header: Header): Hex {
  return toHex(keccak256(encodeHeader(header)));
}

export function headerSection(header: Header, section: Section): HeaderSection {
  const found = header.sections[SECTIONS.indexOf(section)];
  if (!found) throw new FormatError("section", "must be one of the five sections");
  return found;
}

export function headerToJson(header: Header): HeaderJson {
  return {
    version: `${header.version}`,
    chain_id: `${header.chainId}`,
    registry: toChecksumAddress(header.registry),
    epoch: `${header.epoch}`,
    previous: header.previous,
    sections: header.sections.map(({ root, sum, count }) => ({ root, sum: `${sum}`, count: `${count}` })),
    journal_root: header.journalRoot,
    journal_size: `${header.journalSize}`,
    deposit_seq: `${header.depositSeq}`,
    data_hash: header.dataHash,
    closed_at: `${header.closedAt}`,
  };
}

const HEADER_MEMBERS = [
  "version",
  "chain_id",
  "registry",
  "epoch",
  "previous",
  "sections",
  "journal_root",
  "journal_size",
  "deposit_seq",
  "data_hash",
  "closed_at",
];

/** @throws FormatError for anything but exactly a version 1 header */
export function parseHeader(value: unknown, where = "header"): Header {
  const members = readMembers(value, where, HEADER_MEMBERS);
  const version = readU32(members, "version", where);
  if (version !== HEADER_VERSION) throw new FormatError(`${where}.version`, `must be ${HEADER_VERSION}`);
  const sections = readList(members.sections, `${where}.sections`, SECTIONS.length);
  if (sections.length !== SECTIONS.length) throw new FormatError(`${where}.sections`, "must be five");
  return {
    version,
    chainId: readUint(members, "chain_id", 256, where),
    registry: readAddress(members, "registry", where),
    epoch: readUint(members, "epoch", 64, where),
    previous: readHex(members, "previous", 32, where),
    sections: sections.map((section, position) =>
      parseHeaderSection(section, `${where}.sections[${position}]`),
    ),
    journalRoot: readHex(members, "journal_root", 32, where),
    journalSize: readUint(members, "journal_size", 64, where),
    depositSeq: readUint(members, "deposit_seq", 64, where),
    dataHash: readHex(members, "data_hash", 32, where),
    closedAt: readUint(members, "closed_at", 64, where),
  };
}

function parseHeaderSection(value: unknown, where: string): HeaderSection {
  const members = readMembers(value, where, ["root", "sum", "count"]);
  return {
    root: readHex(members, "root", 32, where),
    sum: readUint(members, "sum", 128, where),
    count: readUint(members, "count", 64, where),
  };
}
