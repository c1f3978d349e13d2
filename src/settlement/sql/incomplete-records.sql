-- Recorded without a receipt, at most $2.
SELECT o.epoch, o.kind, e.header_hash AS subject, o.tx_hash, o.block_number, o.block_hash
FROM outbox o
JOIN epoch e ON e.book = o.book AND e.number = o.epoch
WHERE o.book = $1 AND o.tx_hash IS NOT NULL AND o.gas_used IS NULL
ORDER BY o.epoch, o.kind
LIMIT $2
