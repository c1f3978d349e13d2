SELECT t.* FROM unnest($1::uuid[]) AS k (id) JOIN inter_ledger_transfer t ON t.id = k.id
