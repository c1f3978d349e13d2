-- Whether a due demand is open that no epoch can serve so far: one that holds its sweep, committed in a later second than it
-- was made (or not committed yet).
SELECT EXISTS (
  SELECT FROM exit_demand d
  JOIN chain_event made ON made.book = d.book AND made.seq = d.seq
  WHERE d.book = $1 AND d.served_at IS NULL AND d.due <= ledger_now() AND NOT EXISTS (
    SELECT FROM epoch e
    JOIN outbox c ON c.book = e.book AND c.epoch = e.number AND c.kind = 'commit'
    WHERE e.book = d.book AND e.status NOT IN ('vetoed', 'cancelled') AND e.journal_size > greatest(d.seq, d.swept_seq)
      AND (c.block_time IS NULL OR c.block_time > made.block_time))
) AS wanted
