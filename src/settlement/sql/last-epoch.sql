SELECT number, header, header_hash, journal_size, journal_frontier, closed_at, status
FROM epoch
WHERE book = $1
ORDER BY number DESC
LIMIT 1
