/** A position's place in its tree, attacked with plain SQL as the application's own role. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Attempt, attempt, insertPositions } from "../support/hostile.ts";
import { type HostileWorld, startHostileWorld } from "./hostile-world.ts";

let hostile: HostileWorld;
beforeAll(async () => {
  hostile = await startHostileWorld();
});
beforeEach(() => hostile.look());
afterAll(() => hostile.close());

describe("a position", () => {
  test("keeps its section, index and key for ever", async () => {
    const own = { account: hostile.positioned, asset: "TST" };
    for (const changed of [
      { ...own, section: 1 },
      { ...own, index: 1 },
      { ...own, index: 0, key: 9 },
    ])
      expect(await attempt(hostile.app, insertPositions(hostile.head, [changed]))).toBe("position_fixed");
  });

  test("belongs to no wallet that has not signed, and says nothing that a leaf cannot", async () => {
    const insert = (owner: string, validUntil: number): Attempt => [
      [
        `INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity)
         VALUES ($1, $2, $3, 'USD', 0, 0, decode(repeat('01', 32), 'hex'), decode(repeat($4, 20), 'hex'), $5, 0, 0)`,
        ...[hostile.head.next_seq, hostile.head.time, hostile.accounts.a, owner, validUntil],
      ],
    ];
    expect(await attempt(hostile.app, insert("66", 0))).toBe("position_owner_signed");
    expect(await attempt(hostile.app, insert("00", -1))).toBe("position_change_valid_until_check");
  });

  test("is told one way within a statement too, whether it is new or not", async () => {
    const { a } = hostile.accounts;
    const { positioned } = hostile;
    for (const rows of [
      [{ account: a }, { account: a, index: 1 }],
      [{ account: a }, { account: a, key: 2 }],
      [{ account: a }, { account: a, section: 1 }],
      [
        { account: a, index: 1 },
        { account: a, index: 0 },
      ],
    ])
      expect([rows, await attempt(hostile.app, insertPositions(hostile.head, rows))]).toEqual([
        rows,
        "position_fixed",
      ]);
    const { rows } = await hostile.app.query(
      "SELECT asset, section, index, encode(key, 'hex') AS key FROM position WHERE account = $1",
      [positioned],
    );
    const [known] = rows;
    const right = { account: positioned, asset: known.asset, index: known.index, section: known.section };
    const insert = `INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity)
      SELECT $1 + n, $2, $3, $4, $5, CASE n WHEN 0 THEN $6 + 7 ELSE $6 END, decode($7, 'hex'), decode(repeat('00', 20), 'hex'), 0, 0, n
      FROM generate_series(0, 1) AS n`;
    const values = [
      hostile.head.next_seq,
      hostile.head.time,
      positioned,
      right.asset,
      right.section,
      right.index,
      known.key,
    ];
    expect(await attempt(hostile.app, [[insert, ...values]])).toBe("position_fixed");
  });

  test("takes the next index of its section, and a key of its own", async () => {
    const { a, b } = hostile.accounts;
    expect(await attempt(hostile.app, insertPositions(hostile.head, [{ account: a, index: 1 }]))).toBe(
      "position_next_index",
    );
    expect(
      await attempt(
        hostile.app,
        insertPositions(hostile.head, [{ account: a }, { account: b, index: 2, key: 2 }]),
      ),
    ).toBe("position_next_index");
    // Of this section there is one already.
    const bob = { account: hostile.accounts.bob, asset: "TST", key: 9 };
    expect(await attempt(hostile.app, insertPositions(hostile.head, [{ ...bob, index: 2 }]))).toBe(
      "position_next_index",
    );
    expect(await attempt(hostile.app, insertPositions(hostile.head, [{ ...bob, index: 1 }]))).toBe("done");
    expect(
      await attempt(hostile.app, insertPositions(hostile.head, [{ account: a }, { account: b, key: 2 }])),
    ).toBe("position_index");
    expect(
      await attempt(hostile.app, insertPositions(hostile.head, [{ account: a }, { account: b, index: 1 }])),
    ).toBe("position_key");
    expect(
      await attempt(hostile.app, insertPositions(hostile.head, [{ account: a, asset: "TST", index: 1 }])),
    ).toBe("position_account");
    expect(await attempt(hostile.app, insertPositions(hostile.head, [{ account: randomUUID() }]))).toBe(
      "position_account",
    );
  });
});
