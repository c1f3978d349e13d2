SELECT a.* FROM jsonb_to_recordset($1::jsonb) AS k (from_ledger_id uuid, transfer_id uuid)
JOIN inter_ledger_arrival a ON a.from_ledger_id = k.from_ledger_id AND a.transfer_id = k.transfer_id
