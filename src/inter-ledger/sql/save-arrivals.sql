INSERT INTO inter_ledger_arrival (from_ledger_id, transfer_id, line_id, refusal, decided_at)
SELECT from_ledger_id, transfer_id, line_id, refusal, decided_at
FROM jsonb_to_recordset($1::jsonb)
  AS r (from_ledger_id uuid, transfer_id uuid, line_id uuid, refusal text, decided_at bigint)
