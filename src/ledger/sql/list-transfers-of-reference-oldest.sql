-- Places of a reference's lines from $2 to, not including, $3, oldest first.
SELECT seq FROM transfer
WHERE reference = $1 AND seq >= $2 AND seq < $3
ORDER BY seq ASC
LIMIT $4
