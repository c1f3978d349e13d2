-- Entries before ($3 block, $4 log index), newest first, at most $5; of one depositor where $2 is not null. Those that are not
-- final are not credited yet.
SELECT (e.args ->> 'seq')::bigint AS entry, e.args ->> 'depositor' AS depositor, (e.args ->> 'amount')::numeric AS amount,
  (e.args ->> 'section')::smallint AS section, e.block, e.block_time, e.tx_hash, e.log_index, e.lost, e.seq, c.credited_as,
  s.scale, b.asset
FROM chain_event e
JOIN book b ON b.id = e.book
JOIN asset s ON s.code = b.asset
LEFT JOIN chain_entry c ON c.book = e.book AND c.tx_hash = e.tx_hash AND c.log_index = e.log_index
WHERE e.book = $1 AND e.event = 'EntryMade' AND ($2::text IS NULL OR e.args ->> 'depositor' = $2)
  AND (e.block, e.log_index) < ($3, $4)
ORDER BY e.block DESC, e.log_index DESC
LIMIT $5
