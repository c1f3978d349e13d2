-- The freeze that was seen, and whether its block is final; the epoch is the last one that ever became final.
SELECT final, block, (args ->> 'last_final')::bigint AS last_final
FROM chain_event WHERE book = $1 AND event = 'Frozen' AND NOT lost
ORDER BY final DESC, block DESC LIMIT 1
