SELECT a.* FROM unnest($1::uuid[], $2::uuid[]) AS k (from_ledger_id, transfer_id)
JOIN inter_ledger_arrival a ON a.from_ledger_id = k.from_ledger_id AND a.transfer_id = k.transfer_id
