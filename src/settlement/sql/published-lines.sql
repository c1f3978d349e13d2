-- How many journal lines the newest epoch of any book holds: the books share one journal, and none waits for another.
SELECT coalesce(max(newest.journal_size), 0) AS size
FROM book b
CROSS JOIN LATERAL (SELECT journal_size FROM epoch WHERE book = b.id ORDER BY number DESC LIMIT 1) AS newest
