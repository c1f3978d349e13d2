-- What was seen up to block $2: the last entry, and all that was claimed.
SELECT
  (SELECT coalesce(max((args ->> 'seq')::numeric), 0) FROM chain_event
   WHERE book = $1 AND event = 'EntryMade' AND block <= $2) AS last_entry,
  (SELECT coalesce(sum((args ->> 'amount')::numeric), 0) FROM chain_event
   WHERE book = $1 AND event = 'Claimed' AND block <= $2) AS paid
