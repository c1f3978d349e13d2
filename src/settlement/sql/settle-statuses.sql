-- Statuses follow what is recorded: committed up to $2; final up to $3 where the finalize is in block $4 or below.
UPDATE epoch e
SET status = CASE WHEN f.block_number <= $4 AND e.number <= $3 THEN 'final' ELSE 'committed' END
FROM outbox c, outbox f
WHERE e.book = $1 AND e.number <= $2 AND e.status IN ('built', 'sent', 'committed')
  AND c.book = e.book AND c.epoch = e.number AND c.kind = 'commit' AND c.tx_hash IS NOT NULL
  AND f.book = e.book AND f.epoch = e.number AND f.kind = 'finalize'
  AND e.status <> CASE WHEN f.block_number <= $4 AND e.number <= $3 THEN 'final' ELSE 'committed' END
RETURNING e.number, e.status
