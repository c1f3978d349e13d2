-- Places of pending lines that were open before the line $1, from $2 to, not including, $3, newest first: the holds there are,
-- and those that the lines from $1 on have ended.
SELECT seq FROM hold WHERE seq >= $2 AND seq < $3
UNION
SELECT p.seq
FROM transfer r
JOIN transfer p ON p.id = r.pending_id
WHERE r.seq >= $1 AND r.pending_id IS NOT NULL AND p.seq >= $2 AND p.seq < $3
ORDER BY seq DESC
LIMIT $4
