-- The leaves that an epoch changed, as many as were written at once: the first such page after ($3 section, $4 its first index).
SELECT l.section, l.index, l.owner, l.key, l.amount, l.valid_until, l.kind, l.quantity
FROM (
  SELECT section, indexes FROM leaf_page
  WHERE book = $1 AND epoch = $2 AND (section, first) > ($3, $4)
  ORDER BY section, first
  LIMIT 1
) AS p
JOIN leaf l ON l.book = $1 AND l.section = p.section AND l.index = ANY (p.indexes) AND l.epoch = $2
ORDER BY l.index
