SELECT seq, time, type, subject, data FROM event WHERE subject = $3 AND seq > $1 ORDER BY seq LIMIT $2
