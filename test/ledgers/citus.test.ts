/**
 * What Citus refuses in a schema that it has placed on a worker, looked for in all SQL there is. Its limits are those of
 * https://docs.citusdata.com/en/stable/develop/reference_workarounds.html and of its planner
 * (`multi_router_planner.c` of citusdata/citus); docs/scale-out.md names them. This reads text: it is no trial.
 */
import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url).pathname;

interface Piece {
  readonly file: string;
  readonly sql: string;
}

const files = globSync(["src/**/*.sql", "migrations/17*.sql"], { cwd: ROOT });
const statements = files.flatMap((file) => statementsOf(file, readFileSync(`${ROOT}${file}`, "utf8")));

/** Without comments and literals, each on one line. */
function statementsOf(file: string, text: string): Piece[] {
  const bare = text.replace(/--.*$/gm, "").replace(/'(?:[^']|'')*'/g, "''");
  return bare.split(/;|\$\$/).map((sql) => ({ file, sql: sql.replace(/\s+/g, " ").trim() }));
}

const listed = (found: readonly Piece[]) => found.map(({ file, sql }) => `${file}: ${sql.slice(0, 160)}`);
const having = (pattern: RegExp) => listed(statements.filter(({ sql }) => pattern.test(sql)));

/** Read anew by each call. (`ledger_now` and `wall_clock` of ours are declared STABLE.) */
const VOLATILE = /\b(?:clock_timestamp|gen_random_uuid|uuidv[47]|random|timeofday|nextval)\s*\(/i;
/** Those beside that know the moment: the same within a statement. */
const STABLE = /\b(?:\w+_timestamp|now|ledger_now|wall_clock)\s*\(|\bcurrent_timestamp\b/i;
const VERBS = /\b(?:UPDATE (?!OF )|DELETE FROM )/gi;
/** Of a trigger, a lock or a privilege. */
const NO_VERB = /\b(?:BEFORE|AFTER|OR|FOR|FOR NO KEY|GRANT|REVOKE) $/i;

/** Whole changes of rows: from the verb to the end, or to the bracket that closes the expression around it. */
function changesOf(pieces: readonly Piece[]): Piece[] {
  return pieces.flatMap(({ file, sql }) =>
    [...sql.matchAll(VERBS)]
      .filter(({ index }) => !NO_VERB.test(sql.slice(0, index)))
      .map(({ index }) => ({ file, sql: untilClosed(sql.slice(index)) })),
  );
}

function untilClosed(text: string): string {
  let depth = 0;
  for (const [place, character] of [...text].entries()) {
    if (character === "(") depth++;
    if (character === ")" && --depth < 0) return text.slice(0, place);
  }
  return text;
}

const isVolatile = ({ sql }: Piece) => VOLATILE.test(sql);
const answersTheMoment = ({ sql }: Piece) => STABLE.test(/\bRETURNING\b.*/i.exec(sql)?.[0] ?? "");
/** Inside a CASE or COALESCE. */
const choosesTheMoment = ({ sql }: Piece) =>
  [...sql.matchAll(/\b(?:coalesce\s*\(|CASE\b)/gi)].some(({ 0: word, index }) => {
    const rest = sql.slice(index + word.length);
    return STABLE.test(/^case/i.test(word) ? (/^.*?\bEND\b/i.exec(rest)?.[0] ?? rest) : untilClosed(rest));
  });

const changes = changesOf(statements);

test("reads all SQL there is, and finds what it looks for", () => {
  expect(files.length).toBeGreaterThan(60);
  expect(changes.length).toBeGreaterThan(20);
  const sample = (sql: string) => changesOf(statementsOf("sample", sql));
  expect(
    sample("WITH a AS (UPDATE b SET c = (1) RETURNING c) SELECT clock_timestamp()").some(isVolatile),
  ).toBe(false);
  expect(sample("UPDATE b SET c = clock_timestamp()").some(isVolatile)).toBe(true);
  expect(sample("INSERT INTO b ON CONFLICT DO UPDATE SET c = random()").some(isVolatile)).toBe(true);
  expect(sample("UPDATE b SET c = 1 RETURNING ledger_now()").some(answersTheMoment)).toBe(true);
  expect(sample("UPDATE b SET c = coalesce(d, now())").some(choosesTheMoment)).toBe(true);
  expect(sample("UPDATE b SET c = coalesce(d, 1), e = now()").some(choosesTheMoment)).toBe(false);
  expect(sample("SELECT 1 FOR UPDATE SKIP LOCKED; CREATE TRIGGER t AFTER INSERT OR UPDATE ON b")).toEqual([]);
});

test("changes no row by a volatile function", () => {
  expect(listed(changes.filter(isVolatile))).toEqual([]);
});

test("a change answers no function of the moment, and has none in its CASE or COALESCE", () => {
  expect(listed(changes.filter(answersTheMoment))).toEqual([]);
  expect(listed(changes.filter(choosesTheMoment))).toEqual([]);
});

test("joins no transition table: on a shard a statement that does so fails", () => {
  const names = statements.flatMap(({ sql }) =>
    [...sql.matchAll(/NEW TABLE AS (\w+)/g)].map(([, name = ""]) => name),
  );
  expect(names.length).toBeGreaterThan(1);
  const readers = statements.filter(
    ({ sql }) => !/CREATE TRIGGER/.test(sql) && names.some((name) => new RegExp(`\\b${name}\\b`).test(sql)),
  );
  expect(readers.length).toBeGreaterThan(1);
  const joining = ({ sql }: Piece) =>
    /\bJOIN\b/i.test(sql) || names.some((name) => new RegExp(`\\b${name}( \\w+)?,`).test(sql));
  expect(listed(readers.filter(joining))).toEqual([]);
});

test("numbers by no sequence that is narrower than bigint", () => {
  expect(having(/\b(?:small)?serial\b|\b(?:smallint|integer|int|int4)\b[^,(]*\bGENERATED\b/i)).toEqual([]);
});

test("uses nothing else that distributed tables do not have", () => {
  expect(having(/\bCREATE (?:OR REPLACE )?RULE\b/i)).toEqual([]);
  expect(having(/\bPARTITION (?:OF|BY (?:RANGE|LIST|HASH))\b|\bINHERITS\b/i)).toEqual([]);
  expect(having(/\bEXCLUDE USING\b|\bTABLESAMPLE\b|\bWHERE CURRENT OF\b/i)).toEqual([]);
  expect(having(/\b(?:LISTEN|NOTIFY)\b|\bpg_notify\b/i)).toEqual([]);
  expect(having(/\bVALUES\s*\([^;]*\(\s*SELECT\b/i)).toEqual([]);
});
