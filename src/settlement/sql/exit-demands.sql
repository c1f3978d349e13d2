-- Demands whose line is below $3, newest first, at most $4; where $2 is not null those that are open, or those that are not.
SELECT d.section, d.index, d.key, d.owner, d.amount, d.due, d.swept, d.swept_at, d.served_at, d.seq, d.block, e.tx_hash,
  d.due <= ledger_now() AS is_due, s.scale, b.asset
FROM exit_demand d
JOIN book b ON b.id = d.book
JOIN asset s ON s.code = b.asset
JOIN chain_event e ON e.book = d.book AND e.seq = d.seq
WHERE d.book = $1 AND ($2::boolean IS NULL OR (d.served_at IS NULL) = $2) AND d.seq < $3
ORDER BY d.seq DESC
LIMIT $4
