/**
 * The ledger's own tables, as the simulator reads them when nobody writes: what
 * was decided since it last looked, in order, and how everything stands. Also
 * what an operator does by hand: the clock, and ending connections.
 */
import type { Client } from "pg";
import { createClient, isUnavailable } from "#infra";
import type { Json } from "#ledger";
import type { TestDatabase } from "../support/template-database.ts";
import { MARK, type Mark } from "./protocol.ts";

/** A unit of work that is committed: its mark, and what it told of before that. */
export interface DecidedUnit extends Mark {
  readonly time: number;
  readonly events: readonly BookEvent[];
}

export interface BookEvent {
  readonly type: string;
  readonly subject: string | null;
  readonly data: { readonly [member: string]: Json };
}

export interface StoredOutcome {
  readonly key: string;
  readonly fingerprint: string;
  readonly outcome: { readonly ok?: Json; readonly error?: { code: string; message: string; details: Json } };
  readonly time: number;
}

type Rows = Record<string, unknown>[];

const ROLES = ["ownerUrl", "adminUrl"] as const;
type Role = (typeof ROLES)[number];

export class Books {
  readonly #database: TestDatabase;
  readonly #clients = new Map<Role, Promise<Client>>();
  #nextEvent = 1;

  constructor(database: TestDatabase) {
    this.#database = database;
  }

  /** As the owner of the tables. Asks again where Postgres was restarted meanwhile. */
  rows(sql: string, values: readonly unknown[] = [], role: Role = "ownerUrl"): Promise<Rows> {
    return this.#with(role, async (client) => (await client.query(sql, [...values])).rows);
  }

  async #with<T>(role: Role, use: (client: Client) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await use(await this.#client(role));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        const lost = this.#clients.get(role);
        this.#clients.delete(role);
        await lost?.then((client) => client.end()).catch(() => undefined);
      }
    }
  }

  #client(role: Role): Promise<Client> {
    const known = this.#clients.get(role);
    if (known) return known;
    const { schema, [role]: url } = this.#database;
    const client = createClient({ url, schema, applicationName: "simulator" });
    client.on("error", () => this.#clients.delete(role));
    const connected = client.connect().then(() => client);
    this.#clients.set(role, connected);
    return connected;
  }

  /** What was decided since the last call, and what these keys stand for by now; all at one moment. */
  async tail(
    keys: readonly string[],
  ): Promise<{ units: DecidedUnit[]; outcomes: Map<string, StoredOutcome> }> {
    const rows = (await this.rows(
      "SELECT seq, time, type, subject, data FROM event WHERE seq >= $1 AND type <> 'journal.appended' ORDER BY seq",
      [this.#nextEvent],
    )) as unknown as (BookEvent & { seq: number; time: number })[];
    const units: DecidedUnit[] = [];
    let events: BookEvent[] = [];
    for (const { seq, time, type, subject, data } of rows) {
      this.#nextEvent = seq + 1;
      if (type === MARK) {
        units.push({ ...(data as unknown as Mark), time, events });
        events = [];
      } else events.push({ type, subject, data });
    }
    if (events.length > 0) throw new Error(`events of no unit: ${JSON.stringify(events)}`);
    const stored = (await this.rows(
      `SELECT key, encode(fingerprint, 'hex') AS fingerprint, outcome, time FROM idempotency
       WHERE principal = 'client' AND key = ANY ($1::text[])`,
      [keys],
    )) as unknown as StoredOutcome[];
    return { units, outcomes: new Map(stored.map((outcome) => [outcome.key, outcome])) };
  }

  /** Ledger time of the newest expiry in the journal; a batch that holds nothing else tells of it in no other way. */
  async lastExpiry(): Promise<number> {
    const rows = await this.rows(
      "SELECT coalesce(max(time), 0) AS time FROM transfer WHERE phase = 'expire'",
    );
    return rows[0]?.time as number;
  }

  async now(): Promise<number> {
    return (await this.rows("SELECT ledger_now() AS now"))[0]?.now as number;
  }

  async advance(seconds: number): Promise<void> {
    await this.rows("SELECT advance_clock($1)", [seconds]);
  }

  /** Ends the connections of all servers; answers how many there were. */
  async terminateServers(): Promise<number> {
    const rows = await this.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = $1 AND application_name = 'anchorbook-writer'`,
      [this.#database.name],
      "adminUrl",
    );
    return rows.length;
  }

  /** A process of Postgres that works for a writer; undefined where there is none. */
  async writerBackend(): Promise<number | undefined> {
    const rows = await this.rows(
      "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = 'anchorbook-writer' LIMIT 1",
      [this.#database.name],
      "adminUrl",
    );
    return rows[0]?.pid as number | undefined;
  }

  /** Waits until Postgres has done with connections whose clients are gone. */
  async untilGone(ports: () => readonly number[]): Promise<void> {
    while (ports().length > 0) {
      const rows = await this.rows(
        `SELECT 1 FROM pg_stat_activity
         WHERE datname = $1 AND client_port = ANY ($2::int[]) AND application_name <> 'simulator' LIMIT 1`,
        [this.#database.name, ports()],
        "adminUrl",
      );
      if (rows.length === 0) return;
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) await (await client).end();
    await this.#database.drop();
  }
}
