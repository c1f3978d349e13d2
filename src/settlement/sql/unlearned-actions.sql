-- What the chain has done ($2 last committed, $3 last final) but this book has not recorded, in order.
SELECT o.epoch, o.kind, e.header_hash AS subject
FROM outbox o
JOIN epoch e ON e.book = o.book AND e.number = o.epoch
WHERE o.book = $1 AND o.tx_hash IS NULL
  AND o.epoch <= CASE o.kind WHEN 'commit' THEN $2::bigint ELSE $3::bigint END
ORDER BY o.epoch, o.kind
LIMIT $4
