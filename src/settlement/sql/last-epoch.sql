SELECT number, header, header_hash, journal_size, closed_at, status
FROM epoch
WHERE book = $1
ORDER BY number DESC
LIMIT 1
