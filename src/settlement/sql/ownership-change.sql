-- What epochs above $2, up to $3, changed of each section: of all, and of what has no owner. Each version of a leaf counts for
-- what it adds to the version before, so that the changes of all epochs add up to what there is.
SELECT v.section,
  sum(v.amount - coalesce(b.amount, 0))::numeric AS amount,
  sum(CASE WHEN v.owner = $4 THEN v.amount ELSE 0 END - CASE WHEN b.owner = $4 THEN b.amount ELSE 0 END)::numeric AS unlinked_amount,
  sum(CASE WHEN b.index IS NULL THEN 1 ELSE 0 END)::bigint AS positions,
  sum(CASE WHEN v.owner = $4 THEN 1 ELSE 0 END - CASE WHEN b.owner = $4 THEN 1 ELSE 0 END)::bigint AS unlinked_positions
FROM leaf_page p
JOIN leaf v ON v.book = p.book AND v.section = p.section AND v.index = ANY (p.indexes) AND v.epoch = p.epoch
LEFT JOIN LATERAL (
  SELECT l.index, l.owner, l.amount FROM leaf l
  WHERE l.book = v.book AND l.section = v.section AND l.index = v.index AND l.epoch < v.epoch
  ORDER BY l.epoch DESC LIMIT 1
) AS b ON true
WHERE p.book = $1 AND p.epoch > $2 AND p.epoch <= $3
GROUP BY v.section
