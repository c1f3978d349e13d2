/** Endpoints as the writer sees them: made, replayed and deleted by units of work, so that a key acts once. */
import { readFileSync } from "node:fs";
import type { UnixSeconds } from "#kernel";
import { column, columns, type RowTable } from "#ledger";

export interface Webhook {
  readonly id: string;
  readonly url: string;
  /** Null wants all. */
  readonly types: readonly string[] | null;
  readonly createdBy: string;
  readonly createdAt: UnixSeconds;
  readonly replays: number;
  readonly replayFrom: number | null;
  readonly deletedAt: UnixSeconds | null;
}

const text = (name: string) => readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");

export const webhookTable: RowTable<Webhook, { id: string }> = {
  name: "webhook",
  load: { sql: text("load-webhooks"), parameters: columns(column.text((key) => key.id)) },
  save: {
    sql: text("save-webhooks"),
    parameters: columns(
      column.text((row) => row.id),
      column.text((row) => row.url),
      column.jsonb((row) => row.types),
      column.text((row) => row.createdBy),
      column.int((row) => row.createdAt),
      column.int((row) => row.replays),
      column.int((row) => row.replayFrom),
      column.int((row) => row.deletedAt),
    ),
  },
  keyOf: ({ id }) => ({ id }),
  decode: (r) => ({
    id: r.id as string,
    url: r.url as string,
    types: r.types as string[] | null,
    createdBy: r.created_by as string,
    createdAt: r.created_at as number,
    replays: r.replays as number,
    replayFrom: r.replay_from as number | null,
    deletedAt: r.deleted_at as number | null,
  }),
};
