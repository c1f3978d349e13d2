/**
 * The outward face of a ledger's events: pages, a stream, webhooks. Events are
 * written by the ledger, in the batch of their effect; nothing here can add one
 * beside it, or lose one.
 */
import { createPool, type Log, type Metrics } from "#infra";
import { type Clock, DomainError, type Ids } from "#kernel";
import type { Idempotency, Ledger, Submitted } from "#ledger";
import { checkedUrl } from "./address-policy.ts";
import type { BackOff } from "./back-off.ts";
import { Deliverer } from "./deliverer.ts";
import { EventTail } from "./event-tail.ts";
import { type Followed, type FollowRequest, follow } from "./follow.ts";
import { type EventAnswer, type EventRecord, eventAnswer } from "./model.ts";
import { type EventPage, newestSeq, readFiltered } from "./read-events.ts";
import { rows, SQL } from "./sql.ts";
import type { TypeFilter } from "./type-filter.ts";
import {
  type DeadLetter,
  findWebhook,
  listDeadLetters,
  listWebhooks,
  secretOf,
  type WebhookState,
} from "./webhook-queries.ts";
import { createWebhookUnit, deleteWebhookUnit, replayUnit, type WebhookAnswer } from "./webhook-units.ts";

export interface EventsOptions {
  readonly databaseUrl: string;
  /** The ledger's schema. */
  readonly schema: string;
  readonly ledger: Pick<Ledger, "submit">;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Whether webhooks may reach this network's own addresses, over plain HTTP. */
  readonly allowPrivateWebhooks: boolean;
  /** Other than the defaults in tests alone. */
  readonly delivery?: { readonly timeoutMs?: number; readonly backOff?: BackOff };
}

export interface Events {
  /** Said after each batch of this process, so that nobody has to wait for the next look. */
  wake(): void;
  answer(event: EventRecord): EventAnswer;
  page(request: {
    after: number;
    limit: number;
    subject: string | null;
    wanted: TypeFilter;
  }): Promise<EventPage>;
  follow(request: FollowRequest, signal: AbortSignal): AsyncGenerator<Followed>;
  /** `secret` is null where this is the stored answer of an earlier request: it is shown once. */
  createWebhook(
    webhook: { url: string; types: readonly string[] | null; operator: string },
    key: Idempotency | undefined,
  ): Promise<Submitted<WebhookAnswer & { secret: string | null }>>;
  webhooks(page: { afterId: string | null; limit: number }): Promise<WebhookState[]>;
  /** @throws DomainError `not_found` */
  webhook(id: string): Promise<WebhookState>;
  deleteWebhook(id: string, operator: string): Promise<Submitted<{ webhook_id: string; deleted: true }>>;
  /** @throws DomainError `not_found`, `invalid_request` for a number that no event has yet */
  replay(
    request: { id: string; fromSeq: number; operator: string },
    key: Idempotency | undefined,
  ): Promise<Submitted<{ webhook_id: string; from_seq: number }>>;
  deadLetters(page: { id: string; afterSeq: number; limit: number }): Promise<DeadLetter[]>;
  /** Begins the deliveries that are due. @throws what the database throws where it is away */
  deliver(): Promise<void>;
  stop(): Promise<void>;
}

/** Pages and deliveries are small statements; nobody holds a connection between two of them. */
const POOL_SIZE = 4;
const STATEMENT_TIMEOUT_MS = 10_000;
const WEBHOOK_ID_BYTES = 12;

export async function openEvents(options: EventsOptions): Promise<Events> {
  const { clock, ids, ledger, log, metrics } = options;
  const pool = createPool({
    // All it writes is how far deliveries are, where losing the last moments in a crash leads to a repetition; so it
    // does not compete with the ledger for the disk.
    synchronousCommit: "off",
    ...{ url: options.databaseUrl, schema: options.schema, log, max: POOL_SIZE },
    ...{ applicationName: "anchorbook-events", statementTimeoutMs: STATEMENT_TIMEOUT_MS },
  });
  const ledgerId = await idOfLedger(pool).catch(async (error: unknown) => {
    await pool.end();
    throw error;
  });
  const tail = new EventTail({ pool, log });
  const deliverer = new Deliverer({
    ...{ pool, ledgerId, clock, ids, log, metrics, allowPrivate: options.allowPrivateWebhooks },
    ...options.delivery,
  });
  const known = async (id: string): Promise<WebhookState> => {
    const found = await findWebhook(pool, id);
    if (!found) throw new DomainError("not_found", `There is no webhook ${id}`);
    return found;
  };
  return {
    wake() {
      tail.wake();
      deliverer.wake();
    },
    answer: (event) => eventAnswer(ledgerId, event),
    page: (request) => readFiltered(pool, request),
    follow: (request, signal) => follow({ pool, tail, clock }, request, signal),
    async createWebhook({ url, types, operator }, key) {
      const id = `wh_${Buffer.from(ids.bytes(WEBHOOK_ID_BYTES)).toString("hex")}`;
      const { href } = checkedUrl(url, options.allowPrivateWebhooks);
      const { value, replayed } = await ledger.submit(
        createWebhookUnit({ id, url: href, types, operator }, key),
      );
      const secret = replayed ? null : await secretOf(pool, value.webhook_id);
      return { value: { ...value, secret }, replayed };
    },
    webhooks: (page) => listWebhooks(pool, page),
    webhook: known,
    deleteWebhook: (id, operator) => ledger.submit(deleteWebhookUnit(id, operator)),
    async replay(request, key) {
      if (request.fromSeq > (await newestSeq(pool)))
        throw new DomainError("invalid_request", "from_seq must be the number of an event", {
          details: { member: "from_seq" },
        });
      return ledger.submit(replayUnit(request, key));
    },
    async deadLetters(page) {
      await known(page.id);
      return listDeadLetters(pool, page);
    },
    deliver: () => deliverer.deliver(),
    async stop() {
      await deliverer.stop();
      await tail.idle();
      await pool.end();
    },
  };
}

async function idOfLedger(pool: Parameters<typeof newestSeq>[0]): Promise<string> {
  const [identity] = await rows<{ id: string }>(pool, SQL.ledgerId);
  if (!identity) throw new Error("this ledger has no identity");
  return identity.id;
}
