-- $1 book, $2 epoch, $3 first line, $4 line after the last, $5 asset.
-- The positions that the lines touch, as leaves, where a leaf differs from its
-- newest version. Section 4 (payouts) counts what was ever credited.
WITH touched AS (
  SELECT debit_account AS account FROM transfer
  WHERE seq >= $3 AND seq < $4 AND asset = $5 AND phase IN ('single', 'post')
  UNION
  SELECT credit_account FROM transfer
  WHERE seq >= $3 AND seq < $4 AND asset = $5 AND phase IN ('single', 'post')
  UNION
  SELECT account FROM position_change
  WHERE seq >= $3 AND seq < $4 AND asset = $5
)
INSERT INTO leaf (book, section, index, epoch, owner, key, amount, valid_until, kind, quantity)
SELECT $1, now.section, now.index, $2, now.owner, now.key, now.amount, now.valid_until, now.kind, now.quantity
FROM (
  SELECT p.section, p.index, p.owner, p.key, p.valid_until, p.kind, p.quantity,
    CASE p.section WHEN 4 THEN a.credits_posted ELSE a.credits_posted - a.debits_posted END AS amount
  FROM touched t
  JOIN position p ON p.account = t.account AND p.asset = $5
  JOIN account a ON a.id = t.account
) AS now
LEFT JOIN LATERAL (
  SELECT l.owner, l.amount, l.valid_until, l.kind, l.quantity
  FROM leaf l
  WHERE l.book = $1 AND l.section = now.section AND l.index = now.index
  ORDER BY l.epoch DESC
  LIMIT 1
) AS before ON true
WHERE (before.owner, before.amount, before.valid_until, before.kind, before.quantity)
  IS DISTINCT FROM (now.owner, now.amount, now.valid_until, now.kind, now.quantity)
