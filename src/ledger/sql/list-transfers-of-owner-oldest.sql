-- Places of the lines of an owner's accounts from $2 to, not including, $3, oldest first. What an account has is found by
-- its index, so this costs as many looks as there are accounts. A line between two of them is one line.
SELECT line.seq
FROM account a
CROSS JOIN LATERAL (
  (SELECT seq FROM transfer WHERE debit_account = a.id AND seq >= $2 AND seq < $3 ORDER BY seq ASC LIMIT $4)
  UNION ALL
  (SELECT seq FROM transfer WHERE credit_account = a.id AND seq >= $2 AND seq < $3 ORDER BY seq ASC LIMIT $4)
) AS line
WHERE a.owner = $1
GROUP BY line.seq
ORDER BY line.seq ASC
LIMIT $4
