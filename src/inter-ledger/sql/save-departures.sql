INSERT INTO inter_ledger_transfer (id, seq, from_account, to_ledger_id, to_ledger, to_account, asset, amount, reference,
  state, arrival_id, reason, sent_at, resolved_at)
SELECT id, seq, from_account, to_ledger_id, to_ledger, to_account, asset, amount, reference,
  state, arrival_id, reason, sent_at, resolved_at
FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, seq bigint, from_account uuid, to_ledger_id uuid, to_ledger text,
  to_account uuid, asset text, amount numeric, reference text, state text, arrival_id uuid, reason text,
  sent_at bigint, resolved_at bigint)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state, arrival_id = excluded.arrival_id, reason = excluded.reason,
  resolved_at = excluded.resolved_at
