SELECT complete_time, (SELECT count(*) FROM chain_event e WHERE e.book = c.book AND e.lost) AS lost
FROM chain_cursor c WHERE book = $1
