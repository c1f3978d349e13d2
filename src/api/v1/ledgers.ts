/** The ledgers of a server: which there are, and one more. Which of them a request means says its `X-Ledger`. */
import { z } from "zod";
import type { Ledger } from "#ledger";
import { answerOnce } from "../answer-once.ts";
import { defineRoute, type Route } from "../route.ts";

export interface LedgerAdminDeps {
  /** The one that is asked keeps the answers. */
  readonly ledger: Pick<Ledger, "submit">;
  list(): Promise<readonly ListedLedger[]>;
  /** The one that is there where it was made before. @throws DomainError `invalid_request`, `unavailable` */
  create(name: string): Promise<ListedLedger>;
}

const STATES = ["creating", "open", "arriving", "leaving", "moved"] as const;

interface ListedLedger {
  readonly name: string;
  readonly schema: string;
  readonly state: (typeof STATES)[number];
  readonly createdAt: Date;
}

const tags = ["Ledgers"] as const;
/** Migrating a schema takes a second or two, and waits for another that is at it. */
const CREATE_TIMEOUT_MS = 120_000;

const ledgerOut = z.strictObject({
  name: z.string(),
  schema: z.string().meta({ description: "The Postgres schema that holds all of it." }),
  state: z.enum(STATES).meta({
    description:
      "Only an `open` one is served. `creating`: its making was cut off; making it again goes on. `arriving`, `leaving`, `moved`: it is being moved here, or away, or is gone.",
  }),
  created_at: z.string(),
});

const nameIn = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, {
  error: "must be 1 to 40 lower-case letters, digits and underscores, a letter first",
});

export function ledgerAdminRoutes(deps: LedgerAdminDeps): Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/admin/ledgers",
      summary: "The ledgers beside the default one",
      tags,
      auth: { roles: ["operator", "auditor"] },
      response: z.strictObject({ ledgers: z.array(ledgerOut) }),
      handler: async () => ({ ledgers: (await deps.list()).map(answer) }),
    }),
    defineRoute({
      method: "post",
      path: "/api/v1/admin/ledgers",
      summary: "Make a ledger",
      description:
        "A Postgres schema of its own, with its own journal, writer, program tables and epochs; requests choose it by `X-Ledger`. Answers once it is served. Cut off, the same request goes on; one that is there is answered again. There is no way to remove one. 503 where this server may not make tables.",
      tags,
      auth: { roles: ["operator"] },
      body: z.strictObject({ name: nameIn }),
      response: ledgerOut,
      timeoutMs: CREATE_TIMEOUT_MS,
      handler: ({ body: { name }, idempotency }) =>
        answerOnce(deps.ledger, idempotency, "ledger.create", async () => answer(await deps.create(name))),
    }),
  ];
}

function answer({ name, schema, state, createdAt }: ListedLedger): z.input<typeof ledgerOut> {
  return { name, schema, state, created_at: createdAt.toISOString() };
}
