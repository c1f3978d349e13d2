-- Statuses follow what is recorded: committed up to $2; final up to $3 where the finalize is in block $4 or below.
-- Each step is told of in the same statement, at the ledger's time.
WITH moved AS (
  UPDATE epoch e
  SET status = CASE WHEN f.block_number <= $4 AND e.number <= $3 THEN 'final' ELSE 'committed' END
  FROM outbox c, outbox f, epoch before
  WHERE e.book = $1 AND e.number <= $2 AND e.status IN ('built', 'sent', 'committed')
    AND c.book = e.book AND c.epoch = e.number AND c.kind = 'commit' AND c.tx_hash IS NOT NULL
    AND f.book = e.book AND f.epoch = e.number AND f.kind = 'finalize'
    AND before.book = e.book AND before.number = e.number
    AND e.status <> CASE WHEN f.block_number <= $4 AND e.number <= $3 THEN 'final' ELSE 'committed' END
  RETURNING e.number, e.status, before.status AS status_before, e.header_hash, e.journal_size,
    c.tx_hash AS commit_tx_hash, f.tx_hash AS finalize_tx_hash
), told AS (
  SELECT array_agg('epoch.' || step.status ORDER BY number, place) AS types, array_agg(NULL::text) AS subjects,
    array_agg(jsonb_build_object('epoch', number, 'header_hash', header_hash, 'journal_size', journal_size,
      'tx_hash', step.tx_hash) ORDER BY number, place) AS details
  FROM moved
  CROSS JOIN LATERAL (VALUES (1, 'committed', commit_tx_hash), (2, 'final', finalize_tx_hash))
    AS step (place, status, tx_hash)
  WHERE step.status = moved.status OR (step.status = 'committed' AND status_before <> 'committed')
  HAVING count(*) > 0
)
SELECT append_events(types, subjects, details) FROM told CROSS JOIN LATERAL take_head()
