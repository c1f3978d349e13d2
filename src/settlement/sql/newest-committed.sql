-- The newest epoch that is on the chain; $2, where not null, asks for that one alone.
SELECT e.number, e.header, e.header_hash, c.tx_hash
FROM epoch e
JOIN outbox c ON c.book = e.book AND c.epoch = e.number AND c.kind = 'commit'
WHERE e.book = $1 AND e.status IN ('committed', 'final') AND ($2::bigint IS NULL OR e.number = $2)
ORDER BY e.number DESC
LIMIT 1
