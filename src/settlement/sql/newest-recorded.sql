-- What was recorded last on the chain, newest block first, at most $2.
SELECT o.epoch, o.kind, e.header_hash AS subject, o.tx_hash, o.block_number, o.block_hash, o.gas_used
FROM outbox o
JOIN epoch e ON e.book = o.book AND e.number = o.epoch
WHERE o.book = $1 AND o.tx_hash IS NOT NULL
ORDER BY o.block_number DESC
LIMIT $2
