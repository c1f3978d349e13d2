-- Closed, and not final on the chain as far as is recorded; whether one of them was vetoed.
SELECT count(*) AS waiting, min(e.number) FILTER (WHERE e.status = 'vetoed') AS vetoed
FROM epoch e
JOIN outbox f ON f.book = e.book AND f.epoch = e.number AND f.kind = 'finalize'
WHERE e.book = $1 AND e.status NOT IN ('final', 'cancelled') AND f.tx_hash IS NULL
