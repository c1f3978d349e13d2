-- Epochs of a book from $2 on, oldest first, at most $3, with what the sender needs to know.
SELECT number, header, header_hash, journal_size, closed_at, status
FROM epoch
WHERE book = $1 AND number >= $2
ORDER BY number
LIMIT $3
