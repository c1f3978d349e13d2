-- Epochs below $2 (all where it is null), newest first, at most $3.
SELECT e.number, e.status, e.header, e.header_hash, e.journal_size, e.leaves_changed, e.closed_at,
  c.tx_hash, c.block_number, c.block_time, c.gas_used,
  f.tx_hash AS finalize_tx_hash, f.gas_used AS finalize_gas_used, f.block_number AS finalize_block,
  c.block_time + b.challenge_window AS window_until,
  -- Of the newest block that was looked at, or that of its commit or finalize, if that is newer: a node may be behind.
  greatest(c.block_time, f.block_time, b.chain_time) < c.block_time + b.challenge_window AS is_window_open, w.latest_block,
  (SELECT count(*) FROM attestation a WHERE a.header_hash = e.header_hash AND a.attester = ANY (b.attesters)) AS attestations,
  b.threshold, cardinality(b.attesters) AS attesters
FROM epoch e
JOIN book b ON b.id = e.book
JOIN outbox c ON c.book = e.book AND c.epoch = e.number AND c.kind = 'commit'
JOIN outbox f ON f.book = e.book AND f.epoch = e.number AND f.kind = 'finalize'
LEFT JOIN chain_cursor w ON w.book = e.book
WHERE e.book = $1 AND ($2::bigint IS NULL OR e.number < $2)
ORDER BY e.number DESC
LIMIT $3
