SELECT t.*, s.scale FROM inter_ledger_transfer t JOIN asset s ON s.code = t.asset
WHERE t.state = 'pending' AND t.to_ledger_id = $1 AND t.seq > $2 ORDER BY t.seq LIMIT $3
