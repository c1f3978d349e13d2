-- $1 first line, $2 line after the last, $3 asset.
-- The positions that the lines touch, as leaves, in the order of (section, index), 1,024 of a section in a row: each column
-- of them as an array, as it is sent and as insert-leaves.sql takes it. Section 4 (payouts) counts what was ever credited.
DECLARE touched_leaves NO SCROLL CURSOR FOR
WITH touched AS (
  SELECT debit_account AS account FROM transfer
  WHERE seq >= $1 AND seq < $2 AND asset = $3 AND phase IN ('single', 'post')
  UNION
  SELECT credit_account FROM transfer
  WHERE seq >= $1 AND seq < $2 AND asset = $3 AND phase IN ('single', 'post')
  UNION
  SELECT account FROM position_change
  WHERE seq >= $1 AND seq < $2 AND asset = $3
)
SELECT section,
  array_send(array_agg(index ORDER BY index)) AS index,
  array_send(array_agg(owner ORDER BY index)) AS owner,
  array_send(array_agg(key ORDER BY index)) AS key,
  array_send(array_agg(amount ORDER BY index)) AS amount,
  array_send(array_agg(valid_until ORDER BY index)) AS valid_until,
  array_send(array_agg(kind ORDER BY index)) AS kind,
  array_send(array_agg(quantity ORDER BY index)) AS quantity
FROM (
  SELECT p.section, p.index, p.owner, p.key, p.valid_until, p.kind, p.quantity,
    CASE p.section WHEN 4 THEN a.credits_posted ELSE a.credits_posted - a.debits_posted END::numeric AS amount,
    (row_number() OVER (PARTITION BY p.section ORDER BY p.index) - 1) / 1024 AS page
  -- In the order of the index on accounts: the next one stands near the last.
  FROM (SELECT account FROM touched ORDER BY account) t
  JOIN position p ON p.account = t.account AND p.asset = $3
  JOIN account a ON a.id = t.account
) AS leaf_now
GROUP BY section, page
ORDER BY section, page
