-- The first place in the journal from which on every transfer was recorded at $1 or later. Times never run backwards, so it
-- is found by halving: some forty looks at the primary key, however long the history.
WITH RECURSIVE search AS (
  SELECT 0::bigint AS low, next_seq AS high FROM journal_head
  UNION ALL
  SELECT CASE WHEN earlier THEN mid + 1 ELSE low END, CASE WHEN earlier THEN high ELSE mid END
  FROM (SELECT low, high, (low + high) / 2 AS mid FROM search WHERE low < high) AS half
  CROSS JOIN LATERAL (
    SELECT coalesce((SELECT t.time FROM transfer t WHERE t.seq >= half.mid ORDER BY t.seq LIMIT 1) < $1, false) AS earlier
  ) AS look
)
SELECT low AS seq FROM search WHERE low >= high
