SELECT count(*) > 0 AS frozen, max(block) AS block
FROM chain_event WHERE book = $1 AND event = 'Frozen' AND final AND NOT lost
