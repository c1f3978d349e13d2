-- $1 book, $2 section, $3 epoch. Of the leaves that the epoch changed, at most $5 above index $4: their indexes (8 bytes
-- each), and as they were before it, packed as in leaf-records.sql, those that were there.
SELECT string_agg(int8send(c.index), ''::bytea ORDER BY c.index) AS indexes,
  max(c.index) AS last,
  string_agg(
    int8send(c.index) || o.owner || o.key || int8send(o.valid_until) || int8send(o.kind) || int8send(o.quantity)
      || numeric_send(o.amount),
    ''::bytea ORDER BY c.index
  ) AS records
FROM (
  SELECT index FROM leaf
  WHERE book = $1 AND epoch = $3 AND section = $2 AND index > $4
  ORDER BY index
  LIMIT $5
) AS c
LEFT JOIN LATERAL (
  SELECT l.owner, l.key, l.amount, l.valid_until, l.kind, l.quantity
  FROM leaf l
  WHERE l.book = $1 AND l.section = $2 AND l.index = c.index AND l.epoch < $3
  ORDER BY l.epoch DESC
  LIMIT 1
) AS o ON true
