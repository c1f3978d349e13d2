-- For each journal line: the first epoch that holds it and was not given up, and its commit.
SELECT t.seq, e.number AS epoch, e.status, c.tx_hash, c.block_time
FROM unnest($2::bigint[]) AS t (seq)
CROSS JOIN LATERAL (
  SELECT number, status FROM epoch
  WHERE book = $1 AND journal_size > t.seq AND status NOT IN ('vetoed', 'cancelled')
  ORDER BY journal_size LIMIT 1
) AS e
LEFT JOIN outbox c ON c.book = $1 AND c.epoch = e.number AND c.kind = 'commit'
