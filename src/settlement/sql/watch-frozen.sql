SELECT EXISTS (SELECT FROM chain_event WHERE book = $1 AND event = 'Frozen' AND final AND NOT lost) AS frozen
