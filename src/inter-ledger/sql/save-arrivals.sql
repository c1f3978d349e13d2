INSERT INTO inter_ledger_arrival (from_ledger_id, transfer_id, line_id, refusal, decided_at)
SELECT from_ledger_id, transfer_id, line_id, refusal, decided_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[]) AS r (from_ledger_id, transfer_id, line_id,
  refusal, decided_at)
