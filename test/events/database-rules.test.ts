/** What the database itself refuses of webhooks, asked of it in plain SQL as the application's role. */
import type { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attempt } from "../support/hostile.ts";
import { connect } from "../support/ledger.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
let app: Client;
let kept: string;
let gone: string;
beforeAll(async () => {
  world = await createWorld();
  app = await connect(world.books.database.appUrl, world.books.database);
  const make = async () =>
    (await world.send("POST", "/api/v1/webhooks", { url: "http://127.0.0.1:9/", types: ["lock.released"] }))
      .body.webhook_id;
  [kept, gone] = [await make(), await make()];
  await world.send("DELETE", `/api/v1/webhooks/${gone}`);
});
afterAll(async () => {
  await app.end();
  await world.close();
});

test.each([
  "UPDATE webhook SET url = 'https://example.com/'",
  "UPDATE webhook SET types = NULL",
  "UPDATE webhook SET created_by = 'somebody'",
  "DELETE FROM webhook",
  "TRUNCATE webhook CASCADE",
  "INSERT INTO webhook_secret (webhook, secret) VALUES ('wh_1', 'known')",
  "UPDATE webhook_secret SET secret = 'known'",
  "DELETE FROM webhook_secret",
  "INSERT INTO webhook_delivery (webhook, after_seq) VALUES ('wh_1', 0)",
  "DELETE FROM webhook_delivery",
  "UPDATE webhook_dead_letter SET seq = 1",
  "SELECT open_webhook()",
  "SELECT close_webhook()",
])("the application's role may not: %s", async (statement) => {
  expect(await attempt(app, statement)).toBe("42501");
});

test("a deleted endpoint stays deleted, and keeps no secret", async () => {
  expect(await attempt(app, [["UPDATE webhook SET deleted_at = NULL WHERE id = $1", gone]])).toBe(
    "webhook_deleted",
  );
  expect(await attempt(app, [["UPDATE webhook SET replays = 1, replay_from = 1 WHERE id = $1", gone]])).toBe(
    "webhook_deleted",
  );
  const { rows } = await app.query("SELECT webhook FROM webhook_secret");
  expect(rows).toEqual([{ webhook: kept }]);
});

test("a new endpoint gets a secret of its own and begins where events are now", async () => {
  const insert =
    "INSERT INTO webhook (id, url, created_by, created_at) VALUES ($1, 'https://example.com/', 'op', 0)";
  await app.query("BEGIN");
  await app.query(insert, ["wh_new"]);
  const { rows } = await app.query(
    `SELECT s.secret, d.after_seq, h.next_event FROM webhook_secret s JOIN webhook_delivery d USING (webhook)
     CROSS JOIN journal_head h WHERE webhook = 'wh_new'`,
  );
  const { rows: others } = await app.query("SELECT secret FROM webhook_secret WHERE webhook = $1", [kept]);
  await app.query("ROLLBACK");
  expect(rows[0].secret).toMatch(/^whsec_[0-9a-f]{64}$/);
  expect(rows[0].secret).not.toBe(others[0].secret);
  expect(rows[0].after_seq).toBe(rows[0].next_event - 1);
});
