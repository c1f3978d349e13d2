-- Open demands of book $1 whose position stands at 0 in epoch $2, in the order in which they are due. Those that the chain
-- has as served stay open here until that is final.
SELECT d.section, d.index, d.seq, d.key
FROM exit_demand d
CROSS JOIN LATERAL (
  SELECT l.amount FROM leaf l
  WHERE l.book = d.book AND l.section = d.section AND l.index = d.index AND l.epoch <= $2
  ORDER BY l.epoch DESC
  LIMIT 1
) AS leaf
WHERE d.book = $1 AND d.served_at IS NULL AND leaf.amount = 0
ORDER BY d.due, d.seq
LIMIT 200
