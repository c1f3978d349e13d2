SELECT t.* FROM jsonb_to_recordset($1::jsonb) AS k (id uuid) JOIN inter_ledger_transfer t ON t.id = k.id
