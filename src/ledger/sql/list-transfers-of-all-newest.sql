-- Places of lines from $1 to, not including, $2, newest first.
SELECT seq FROM transfer WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3
