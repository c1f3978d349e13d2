SELECT seq, time, type, subject, data FROM event WHERE seq > $1 ORDER BY seq LIMIT $2
