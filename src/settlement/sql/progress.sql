-- For the metrics: how far the book is behind its journal, and its epochs by status.
SELECT h.next_seq,
  ledger_now() AS now,
  (SELECT journal_size FROM epoch WHERE book = $1 AND status = 'final' ORDER BY number DESC LIMIT 1) AS final_size,
  (SELECT closed_at FROM epoch WHERE book = $1 AND status = 'final' ORDER BY number DESC LIMIT 1) AS final_closed_at,
  (SELECT max(number) FROM epoch WHERE book = $1) AS last_number,
  (SELECT max(number) FROM epoch WHERE book = $1 AND status IN ('committed', 'final')) AS committed_number,
  (SELECT max(number) FROM epoch WHERE book = $1 AND status = 'final') AS final_number,
  (SELECT block_time FROM outbox WHERE book = $1 AND kind = 'commit' AND tx_hash IS NOT NULL
   ORDER BY epoch DESC LIMIT 1) AS last_commit_time,
  (SELECT min(closed_at) FROM epoch WHERE book = $1 AND status <> 'final') AS oldest_open_closed_at,
  (SELECT coalesce(jsonb_object_agg(status, n), '{}')
   FROM (SELECT status, count(*) AS n FROM epoch WHERE book = $1 AND status <> 'final' GROUP BY status) AS s) AS open
FROM journal_head h
