SELECT number, header_hash FROM epoch WHERE book = $1 AND status = 'vetoed' ORDER BY number LIMIT 1
