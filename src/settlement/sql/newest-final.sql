SELECT number FROM epoch WHERE book = $1 AND status = 'final' ORDER BY number DESC LIMIT 1
