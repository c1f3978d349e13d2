INSERT INTO inter_ledger_transfer (id, seq, from_account, to_ledger_id, to_ledger, to_account, asset, amount, reference,
  state, arrival_id, reason, sent_at, resolved_at)
SELECT id, seq, from_account, to_ledger_id, to_ledger, to_account, asset, amount, reference,
  state, arrival_id, reason, sent_at, resolved_at
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::numeric[],
  $9::text[], $10::text[], $11::uuid[], $12::text[], $13::bigint[], $14::bigint[]) AS r (id, seq, from_account,
  to_ledger_id, to_ledger, to_account, asset, amount, reference, state, arrival_id, reason, sent_at, resolved_at)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state, arrival_id = excluded.arrival_id, reason = excluded.reason,
  resolved_at = excluded.resolved_at
