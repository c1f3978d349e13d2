-- What was recorded and is on the chain: the last entry, and all that was claimed. What a deep reorg took is looked for
-- among the newest alone.
SELECT c.claimed AS paid, coalesce((
  SELECT n.entry FROM chain_entry n
  JOIN chain_event e ON e.book = n.book AND e.tx_hash = n.tx_hash AND e.log_index = n.log_index AND NOT e.lost
  WHERE n.book = c.book
  ORDER BY n.entry DESC
  LIMIT 1), 0)::numeric AS last_entry
FROM chain_cursor c WHERE c.book = $1
