/**
 * JSON that means one thing to everybody. Beside what `JSON.parse` refuses, this
 * refuses what parsers disagree about or what Postgres cannot hold: a member
 * given twice, `__proto__`, nesting deeper than `MAX_DEPTH`, U+0000 and lone
 * surrogates in strings and names, bytes that are not UTF-8.
 */
import { DomainError } from "#kernel";

const MAX_DEPTH = 32;

type Step = string | number;
interface Container {
  /** Names seen so far; null for an array. */
  readonly names: Set<string> | null;
  /** Where in the container the scan is: a member's name or an element's index. */
  at: Step;
  /** True where the next string is a member's name. */
  expectsName: boolean;
}

/** @throws DomainError `invalid_request`, naming the member where there is one */
export function parseStrictJson(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DomainError("invalid_request", `The body is not valid JSON${placeOf(error)}`);
  }
  scan(text);
  return value;
}

/**
 * Refuses text that Postgres cannot hold; for strings that did not come as JSON too (paths, queries).
 *
 * @param where said after the reason, where the text is not the member's value
 */
export function assertStorable(text: string, member: string, where = ""): void {
  if (text.includes("\u0000")) throw refused(member, `must not contain U+0000${where}`);
  if (!text.isWellFormed()) throw refused(member, `must not contain lone surrogates${where}`);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DomainError("invalid_request", "The body is not UTF-8");
  }
}

/** The engine's message quotes the body, which is no business of logs: only its place is taken. */
function placeOf(error: unknown): string {
  const [, position] = /at position (\d+)/.exec(String(error)) ?? [];
  return position === undefined ? "" : `, at character ${position}`;
}

/** Walks text that `JSON.parse` accepted, so that only structure and strings need looking at. */
function scan(text: string): void {
  const open: Container[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    const inner = open.at(-1);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      takeString(decodeString(text, at, end), open);
      at = end;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      if (open.length === MAX_DEPTH) throw refused(memberName(open), `is nested deeper than ${MAX_DEPTH}`);
      open.push(
        char === OPEN_OBJECT
          ? { names: new Set(), at: "", expectsName: true }
          : { names: null, at: 0, expectsName: false },
      );
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) open.pop();
    else if (char === COMMA && inner) {
      if (typeof inner.at === "number") inner.at += 1;
      else inner.expectsName = true;
    }
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

function takeString(value: string, open: readonly Container[]): void {
  const inner = open.at(-1);
  if (!inner?.expectsName) {
    assertStorable(value, memberName(open));
    return;
  }
  assertStorable(value, memberName(open.slice(0, -1)), " in a name");
  if (value === "__proto__") throw refused("__proto__", "is not known");
  if (inner.names?.has(value))
    throw refused(memberName([...open.slice(0, -1), { ...inner, at: value }]), "is given twice");
  inner.names?.add(value);
  inner.at = value;
  inner.expectsName = false;
}

/** Index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

function decodeString(text: string, start: number, end: number): string {
  const inside = text.slice(start + 1, end);
  return inside.includes("\\") ? String(JSON.parse(`"${inside}"`)) : inside;
}

function memberName(open: readonly Container[]): string {
  return memberPath(open.map((container) => container.at)) || "body";
}

/** `["transfers", 3, "amount"]` → `transfers[3].amount`. */
export function memberPath(steps: readonly PropertyKey[]): string {
  return steps.reduce<string>(
    (path, step) => (typeof step === "number" ? `${path}[${step}]` : `${path}${path && "."}${String(step)}`),
    "",
  );
}

function refused(member: string, reason: string): DomainError {
  return new DomainError("invalid_request", `${member} ${reason}`, { details: { member } });
}
