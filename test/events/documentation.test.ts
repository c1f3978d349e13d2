/** docs/events.md names every event there is, and its receiver checks what is really sent. */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test, vi } from "vitest";
import { EVENT_TYPES } from "#events";
import { startReceiver } from "./receiver.ts";
import { createWorld } from "./world.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TEXT = readFileSync(join(ROOT, "docs/events.md"), "utf8");
const FAMILIES =
  /["'](?:lock|stake|compute|grant|epoch|webhook|journal|quota|account|asset|clearing|inter_ledger|entry|exit|wallet|withdrawal)\.[a-z_.]+["']/g;
/** What requests may ask for: a list of its own. */
const LIST = "src/events/event-types.ts";
/** Names of files, not of events. */
const OTHERS = new Set(["journal.ndjson"]);

test("names every type that the source tells of and requests may ask for, and no other", () => {
  const sources = globSync(["src/**/*.ts", "src/**/*.sql", "migrations/*-*.sql"], { cwd: ROOT });
  const emitted = new Set(
    sources
      .filter((file) => file !== LIST)
      .flatMap((file) =>
        (readFileSync(join(ROOT, file), "utf8").match(FAMILIES) ?? []).map((quoted) => quoted.slice(1, -1)),
      ),
  );
  // Made from the status, in SQL.
  for (const status of ["committed", "final"]) emitted.add(`epoch.${status}`);
  for (const other of OTHERS) emitted.delete(other);
  const documented = [...TEXT.matchAll(/^\| `([a-z_.]+)` \|/gm)]
    .map(([, type = ""]) => type)
    .filter((type) => type.includes("."));
  expect(emitted.size).toBeGreaterThan(15);
  expect([...emitted].sort()).toEqual([...documented].sort());
  expect([...EVENT_TYPES].sort()).toEqual([...documented].sort());
});

test("the receiver's check takes a real delivery, and nothing else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-receiver-"));
  const world = await createWorld();
  const receiver = await startReceiver();
  try {
    const [, code = ""] = /```js receiver\n([\s\S]*?)```/.exec(TEXT) ?? [];
    writeFileSync(join(folder, "receiver.mjs"), code);
    const { isGenuine } = await import(pathToFileURL(join(folder, "receiver.mjs")).href);
    const { body } = await world.send("POST", "/api/v1/webhooks", { url: receiver.url });
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), { timeout: 5_000 });
    const [one] = receiver.received;
    const header = one?.headers["anchorbook-signature"];
    const now = Date.now() / 1000;
    expect(isGenuine(header, one?.body, body.secret)).toBe(true);
    expect(isGenuine(header, Buffer.from(one?.body ?? ""), body.secret, now)).toBe(true);
    expect(isGenuine(header, `${one?.body}.`, body.secret, now)).toBe(false);
    expect(isGenuine(header, one?.body, "whsec_other", now)).toBe(false);
    expect(isGenuine(header, one?.body, body.secret, now + 301)).toBe(false);
    expect(isGenuine("t=1,v1=", one?.body, body.secret, 1)).toBe(false);
  } finally {
    await world.close();
    await receiver.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
