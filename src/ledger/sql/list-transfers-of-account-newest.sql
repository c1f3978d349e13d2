-- Places of an account's lines from $2 to, not including, $3, newest first. Each side has its index in this order.
SELECT seq FROM (
  (SELECT seq FROM transfer WHERE debit_account = $1::uuid AND seq >= $2 AND seq < $3 ORDER BY seq DESC LIMIT $4)
  UNION ALL
  (SELECT seq FROM transfer WHERE credit_account = $1::uuid AND seq >= $2 AND seq < $3 ORDER BY seq DESC LIMIT $4)
) AS line
ORDER BY seq DESC
LIMIT $4
