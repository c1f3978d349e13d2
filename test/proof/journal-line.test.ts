import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodeJournalLine,
  FormatError,
  type Hex,
  type JournalLine,
  PHASES,
  parseJournalLine,
  SECTIONS,
  toHex,
} from "#proof";

const KEY: Hex = `0x${"ab".repeat(32)}`;
const OWNER: Hex = `0x${"00".repeat(20)}`;

const transfer: JournalLine = {
  kind: "transfer",
  seq: 7n,
  time: 1769904000n,
  id: "0198c2a0-0000-7000-8000-000000000001",
  phase: "post",
  debit: "0198c2a0-0000-7000-8000-00000000000a",
  credit: "0198c2a0-0000-7000-8000-00000000000b",
  asset: "TST",
  amount: 10n ** 19n,
  code: "lock",
  pendingId: "0198c2a0-0000-7000-8000-000000000000",
  effectiveAt: 1769900000n,
};
const position: JournalLine = {
  kind: "position",
  seq: 8n,
  time: 1769904000n,
  account: "0198c2a0-0000-7000-8000-00000000000b",
  asset: "TST",
  section: "locks",
  index: 0n,
  key: KEY,
  owner: OWNER,
  validUntil: 1770508800n,
  positionKind: 1,
  quantity: 0,
};
const chain: JournalLine = {
  kind: "chain",
  seq: 9n,
  time: 1769904001n,
  block: 12n,
  txHash: KEY,
  logIndex: 3n,
  event: "Claimed",
};
const chainOfBook: JournalLine = { ...chain, book: { chainId: 4242n, registry: OWNER } };
const closing: JournalLine = {
  kind: "closing",
  seq: 10n,
  time: 1769904002n,
  account: "0198c2a0-0000-7000-8000-00000000000b",
};

describe("a line is written", () => {
  test.each<[string, JournalLine, string]>([
    [
      "a transfer",
      transfer,
      `{"amount":"10000000000000000000","asset":"TST","code":"lock","credit":"0198c2a0-0000-7000-8000-00000000000b","debit":"0198c2a0-0000-7000-8000-00000000000a","effective_at":"1769900000","id":"0198c2a0-0000-7000-8000-000000000001","kind":"transfer","pending_id":"0198c2a0-0000-7000-8000-000000000000","phase":"post","seq":"7","time":"1769904000"}`,
    ],
    [
      "a position",
      position,
      `{"account":"0198c2a0-0000-7000-8000-00000000000b","asset":"TST","index":"0","key":"${KEY}","kind":"position","owner":"${OWNER}","position_kind":"1","quantity":"0","section":"locks","seq":"8","time":"1769904000","valid_until":"1770508800"}`,
    ],
    [
      "a chain event",
      chain,
      `{"block":"12","event":"Claimed","kind":"chain","log_index":"3","seq":"9","time":"1769904001","tx_hash":"${KEY}"}`,
    ],
    [
      "a chain event with its book",
      chainOfBook,
      `{"block":"12","chain_id":"4242","event":"Claimed","kind":"chain","log_index":"3","registry":"${OWNER}","seq":"9","time":"1769904001","tx_hash":"${KEY}"}`,
    ],
    [
      "a closing",
      closing,
      `{"account":"0198c2a0-0000-7000-8000-00000000000b","kind":"closing","seq":"10","time":"1769904002"}`,
    ],
  ])("%s with its members in order, absent ones left out", (_, line, text) => {
    expect(encodeJournalLine(line)).toBe(text);
    expect(parseJournalLine(text)).toEqual(line);
  });

  test("alike from whole numbers and from bigint, with an empty list of signatures left out", () => {
    expect(
      encodeJournalLine({
        ...position,
        seq: 8,
        time: 1769904000,
        index: 0,
        validUntil: 1770508800,
        signatures: [],
      }),
    ).toBe(encodeJournalLine(position));
  });

  test("with text escaped as RFC 8785 has it", () => {
    const text = encodeJournalLine({ ...transfer, code: 'ä€😀"\\\n\u0007/' });
    expect(text).toContain(`"code":"ä€😀\\"\\\\\\n\\u0007/"`);
    expect(parseJournalLine(text)).toMatchObject({ code: 'ä€😀"\\\n\u0007/' });
  });

  const unwritable: [string, JournalLine<bigint | number>][] = [
    ["a negative amount", { ...transfer, amount: -1n }],
    ["an amount of nothing", { ...transfer, amount: 0n }],
    ["a fractional time", { ...transfer, time: 1.5 }],
    ["an inexact number", { ...transfer, seq: 2 ** 53 }],
    ["NUL", { ...transfer, code: "a\0b" }],
    ["a lone surrogate", { ...transfer, asset: "\ud800" }],
    ["an empty id", { ...transfer, id: "" }],
    ["a post of nothing", { ...transfer, pendingId: undefined }],
    ["a single transfer that resolves", { ...transfer, phase: "single" }],
    ["upper-case hex", { ...position, key: KEY.toUpperCase().replace("0X", "0x") as Hex }],
    ["a short owner", { ...position, owner: "0x00" }],
  ];
  test.each(unwritable)("but never with %s", (_, line) => {
    expect(() => encodeJournalLine(line)).toThrow(FormatError);
  });
});

describe("a line is read only in its canonical bytes", () => {
  const text = encodeJournalLine(transfer);
  const members: Record<string, unknown> = JSON.parse(text);
  const places = encodeJournalLine(position);
  test.each<[string, string]>([
    ["white space", text.replace(",", ", ")],
    ["white space around", ` ${text}`],
    ["a newline", `${text}\n`],
    ["another order", JSON.stringify({ time: members.time, ...members })],
    ["a member twice", text.replace(`"kind":"transfer"`, `"kind":"transfer","kind":"transfer"`)],
    ["an escape that is not needed", text.replace("lock", "\\u006cock")],
    ["a number", text.replace(`"7"`, "7")],
    ["a leading zero", text.replace(`"7"`, `"07"`)],
    ["a sign", text.replace(`"7"`, `"+7"`)],
    ["an unknown member", JSON.stringify({ ...members, user: "alice" })],
    ["a null for an absent member", JSON.stringify({ ...members, pending_id: null })],
    ["a missing member", JSON.stringify({ ...members, asset: undefined })],
    ["an unknown phase", text.replace("post", "posted")],
    ["an unknown kind", text.replace(`"kind":"transfer"`, `"kind":"opening"`)],
    ["another kind's members", text.replace(`"kind":"transfer"`, `"kind":"closing"`)],
    ["a closing without its account", encodeJournalLine(closing).replace(/"account":"[^"]*",/, "")],
    ["an amount of 2^128", text.replace("10000000000000000000", `${2n ** 128n}`)],
    ["an amount of 0", text.replace("10000000000000000000", "0")],
    ["an unknown section", places.replace(`"locks"`, `"lock"`)],
    ["a kind above 32 bits", places.replace(`"position_kind":"1"`, `"position_kind":"4294967296"`)],
    ["a checksummed owner", places.replace(OWNER, `0x${"Ab".repeat(20)}`)],
    ["an empty list of signatures", places.replace(`"time"`, `"signatures":[],"time"`)],
    ["a list", `[${text}]`],
    ["null", "null"],
    ["nothing", ""],
    ["broken JSON", text.slice(0, -1)],
    ["a polluted prototype", text.replace("{", `{"__proto__":{},`)],
  ])("and not with %s", (_, line) => {
    expect(line).not.toBe(text);
    expect(() => parseJournalLine(line)).toThrow(FormatError);
  });

  const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const u32 = fc.nat(0xffff_ffff);
  const id = fc
    .string({ minLength: 1, unit: "binary" })
    .filter((text) => text.isWellFormed() && !text.includes("\0"));
  const bytes = (length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length }).map((value) => toHex(value));
  const anyTransfer = fc.constantFrom(...PHASES).chain((phase) => {
    const resolves = phase !== "single" && phase !== "pending";
    return fc.record({
      kind: fc.constant("transfer" as const),
      seq: u64,
      time: u64,
      id,
      phase: fc.constant(phase),
      debit: id,
      credit: id,
      asset: id,
      amount: fc.bigInt({ min: 1n, max: 2n ** 128n - 1n }),
      code: id,
      ...(resolves ? { pendingId: id } : {}),
    });
  });
  const anyPosition = fc.record({
    kind: fc.constant("position" as const),
    seq: u64,
    time: u64,
    account: id,
    asset: id,
    section: fc.constantFrom(...SECTIONS),
    index: u64,
    key: bytes(32),
    owner: bytes(20),
    validUntil: u64,
    positionKind: u32,
    quantity: u32,
    signatures: fc.array(bytes(65), { minLength: 1, maxLength: 2 }),
  });
  const anyChain = fc.record({
    kind: fc.constant("chain" as const),
    seq: u64,
    time: u64,
    block: u64,
    txHash: bytes(32),
    logIndex: u64,
    event: id,
  });
  const anyChainOfBook = fc.record({ chainId: u64, registry: bytes(20) });
  const anyChainLine = fc
    .tuple(anyChain, fc.option(anyChainOfBook, { nil: undefined }))
    .map(([line, book]) => (book ? { ...line, book } : line));

  const anyClosing = fc.record({ kind: fc.constant("closing" as const), seq: u64, time: u64, account: id });

  /** RFC 8785 for an object of strings and lists of strings, by another hand. */
  const canonical = (line: string): string => {
    const members = Object.entries(JSON.parse(line) as object).sort(([left], [right]) =>
      left < right ? -1 : 1,
    );
    return JSON.stringify(Object.fromEntries(members));
  };

  test("whatever it holds, it is canonical and reads as it was written", () => {
    fc.assert(
      fc.property(fc.oneof(anyTransfer, anyPosition, anyChainLine, anyClosing), (line) => {
        const written = encodeJournalLine(line);
        expect(canonical(written)).toBe(written);
        expect(parseJournalLine(written)).toEqual(line);
      }),
    );
  });
});
