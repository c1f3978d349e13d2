-- What was seen up to block $2 and is on the chain: the last entry, and all that was claimed. What a deep reorg moved is
-- there twice, and has its line once.
SELECT
  (SELECT coalesce(max((args ->> 'seq')::numeric), 0) FROM chain_event
   WHERE book = $1 AND event = 'EntryMade' AND block <= $2 AND seq IS NOT NULL AND NOT lost) AS last_entry,
  (SELECT coalesce(sum((args ->> 'amount')::numeric), 0) FROM chain_event
   WHERE book = $1 AND event = 'Claimed' AND block <= $2 AND seq IS NOT NULL AND NOT lost) AS paid
