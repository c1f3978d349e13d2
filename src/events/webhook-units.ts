/** What operators do to endpoints, as units of work. Answers hold no secret: they are kept with their key. */
import { DomainError, toRfc3339 } from "#kernel";
import type { Idempotency, Unit, View } from "#ledger";
import { type Webhook, webhookTable } from "./webhook-table.ts";

export interface NewWebhook {
  readonly id: string;
  /** Checked. */
  readonly url: string;
  readonly types: readonly string[] | null;
  readonly operator: string;
}

export type WebhookAnswer = {
  readonly webhook_id: string;
  readonly url: string;
  readonly types: readonly string[] | null;
  readonly created_at: string;
};

type Key = Idempotency | undefined;

export function createWebhookUnit({ id, url, types, operator }: NewWebhook, key: Key): Unit<WebhookAnswer> {
  return {
    name: "events.create_webhook",
    idempotency: key,
    decide(view) {
      const webhook: Webhook = {
        ...{ id, url, types, createdBy: operator, createdAt: view.now },
        ...{ replays: 0, replayFrom: null, deletedAt: null },
      };
      view.putRow(webhookTable, webhook);
      tell(view, "webhook.created", id, { by: operator });
      return { webhook_id: id, url, types, created_at: toRfc3339(view.now) };
    },
  };
}

/** @throws DomainError `not_found` */
export function deleteWebhookUnit(id: string, operator: string): Unit<{ webhook_id: string; deleted: true }> {
  return {
    name: "events.delete_webhook",
    reads: { rows: [{ table: webhookTable, key: { id } }] },
    decide(view) {
      view.putRow(webhookTable, { ...known(view, id), deletedAt: view.now });
      tell(view, "webhook.deleted", id, { by: operator });
      return { webhook_id: id, deleted: true };
    },
  };
}

/** Delivers everything from an event on once more. @throws DomainError `not_found` */
export function replayUnit(
  { id, fromSeq, operator }: { id: string; fromSeq: number; operator: string },
  key: Key,
): Unit<{ webhook_id: string; from_seq: number }> {
  return {
    name: "events.replay_webhook",
    idempotency: key,
    reads: { rows: [{ table: webhookTable, key: { id } }] },
    decide(view) {
      const webhook = known(view, id);
      view.putRow(webhookTable, { ...webhook, replays: webhook.replays + 1, replayFrom: fromSeq });
      tell(view, "webhook.replayed", id, { by: operator, from_seq: fromSeq });
      return { webhook_id: id, from_seq: fromSeq };
    },
  };
}

function known(view: View, id: string): Webhook {
  const webhook = view.row(webhookTable, { id });
  if (!webhook || webhook.deletedAt !== null) throw new DomainError("not_found", `There is no webhook ${id}`);
  return webhook;
}

/** Without the URL, which may hold a key of the receiver's. */
function tell(view: View, type: string, id: string, more: Readonly<Record<string, string | number>>): void {
  view.emit({ type, subject: null, data: { webhook_id: id, ...more } });
}
