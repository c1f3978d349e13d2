-- Up to final_time every event has its line: one that is final and waits for its own holds it back.
SELECT c.seen_block, c.final_block,
  least(c.final_time, (SELECT min(e.block_time) - 1 FROM chain_event e WHERE e.book = c.book AND NOT e.final)) AS final_time,
  c.complete_time, c.checked_block, c.latest_block, c.looked_at_ms,
  (SELECT count(*) FROM chain_event e WHERE e.book = c.book AND NOT e.final) AS waiting,
  (SELECT count(*) FROM chain_event e WHERE e.book = c.book AND e.lost) AS lost,
  (SELECT coalesce(max(entry), 0) FROM chain_entry n WHERE n.book = c.book) AS last_entry,
  (SELECT count(*) FROM exit_demand d WHERE d.book = c.book AND d.served_at IS NULL) AS open_demands,
  (SELECT min(d.due) FROM exit_demand d WHERE d.book = c.book AND d.served_at IS NULL) AS oldest_due,
  EXISTS (SELECT FROM chain_event e WHERE e.book = c.book AND e.event = 'Frozen' AND e.final AND NOT e.lost) AS frozen,
  EXISTS (SELECT FROM chain_event e WHERE e.book = c.book AND e.event = 'Frozen' AND NOT e.final) AS freezing
FROM chain_cursor c WHERE c.book = $1
