-- For the metrics: how far the book is behind its journal, and its epochs by status.
SELECT h.next_seq,
  ledger_now() AS now,
  (SELECT journal_size FROM epoch WHERE book = $1 AND status = 'final' ORDER BY number DESC LIMIT 1) AS final_size,
  (SELECT journal_size FROM epoch WHERE book = $1 AND status IN ('committed', 'final')
   ORDER BY number DESC LIMIT 1) AS committed_size,
  (SELECT closed_at FROM epoch WHERE book = $1 AND status = 'final' ORDER BY number DESC LIMIT 1) AS final_closed_at,
  (SELECT max(number) FROM epoch WHERE book = $1) AS last_number,
  (SELECT max(number) FROM epoch WHERE book = $1 AND status IN ('committed', 'final')) AS committed_number,
  (SELECT max(number) FROM epoch WHERE book = $1 AND status = 'final') AS final_number,
  (SELECT block_time FROM outbox WHERE book = $1 AND kind = 'commit' AND tx_hash IS NOT NULL
   ORDER BY epoch DESC LIMIT 1) AS last_commit_time,
  (SELECT min(closed_at) FROM epoch WHERE book = $1 AND status NOT IN ('final', 'cancelled')) AS oldest_open_closed_at,
  -- Of the oldest committed epoch that nobody made final, once its window is over: how many signatures it lacks.
  coalesce((SELECT CASE WHEN c.block_time + b.challenge_window > ledger_now() THEN 0 ELSE greatest(0, b.threshold
      - (SELECT count(*) FROM attestation a WHERE a.header_hash = e.header_hash AND a.attester = ANY (b.attesters))) END
   FROM epoch e
   JOIN book b ON b.id = e.book
   JOIN outbox c ON c.book = e.book AND c.epoch = e.number AND c.kind = 'commit'
   JOIN outbox f ON f.book = e.book AND f.epoch = e.number AND f.kind = 'finalize'
   WHERE e.book = $1 AND e.status = 'committed' AND f.tx_hash IS NULL
   ORDER BY e.number LIMIT 1), 0) AS attestations_missing,
  (SELECT coalesce(jsonb_object_agg(status, n), '{}')
   FROM (SELECT status, count(*) AS n FROM epoch WHERE book = $1 AND status NOT IN ('final', 'cancelled') GROUP BY status) AS s) AS open
FROM journal_head h
