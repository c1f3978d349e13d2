-- $1 book, $2 section, $3 epoch. Of the leaves that the epoch changed, those above index $4 of at most $5 pages: their indexes (8 bytes
-- each), and as they were before it, packed as in leaf-records.sql, those that were there.
SELECT string_agg(int8send(c.index), ''::bytea ORDER BY c.index) AS indexes,
  max(c.index) AS last,
  string_agg(
    int8send(c.index) || o.owner || o.key || int8send(o.valid_until) || int8send(o.kind) || int8send(o.quantity)
      || numeric_send(o.amount),
    ''::bytea ORDER BY c.index
  ) AS records
FROM (
  SELECT unnest(indexes) AS index
  FROM (
    SELECT indexes FROM leaf_page
    WHERE book = $1 AND epoch = $3 AND section = $2 AND first > $4
    ORDER BY first
    LIMIT $5
  ) AS p
) AS c
LEFT JOIN LATERAL (
  SELECT l.owner, l.key, l.amount, l.valid_until, l.kind, l.quantity
  FROM leaf l
  WHERE l.book = $1 AND l.section = $2 AND l.index = c.index AND l.epoch < $3
  ORDER BY l.epoch DESC
  LIMIT 1
) AS o ON true
