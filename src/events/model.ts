/** An event as it is read: the shape that streams, pages and webhooks say in JSON. */
import { toRfc3339, type UnixSeconds } from "#kernel";
import type { Json } from "#ledger";

export interface EventRecord {
  /** Its place among all events of the ledger, from 1, without a gap. */
  readonly seq: number;
  readonly time: UnixSeconds;
  readonly type: string;
  readonly subject: string | null;
  readonly data: { readonly [member: string]: Json };
}

export type EventAnswer = {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly time: string;
  readonly subject: string | null;
  readonly data: { readonly [member: string]: Json };
};

const LEDGER_DIGITS = 12;

/** The same for an event wherever and however often it is told: from the ledger's own id and its number. */
export function eventId(ledgerId: string, seq: number): string {
  return `evt_${ledgerId.replaceAll("-", "").slice(-LEDGER_DIGITS)}_${seq}`;
}

export function eventAnswer(ledgerId: string, event: EventRecord): EventAnswer {
  const { seq, type, time, subject, data } = event;
  return { id: eventId(ledgerId, seq), seq, type, time: toRfc3339(time), subject, data };
}
