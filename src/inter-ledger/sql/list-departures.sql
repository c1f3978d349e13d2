SELECT t.*, s.scale FROM inter_ledger_transfer t JOIN asset s ON s.code = t.asset
WHERE t.seq < coalesce($1::bigint, 9223372036854775807) ORDER BY t.seq DESC LIMIT $2
