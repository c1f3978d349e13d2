-- All of a proof but its siblings, in one round trip; nulls for what is not there.
-- The epoch is the newest one on the chain, or $5 where that is not null and that one is. Its header is left out where it
-- is the one that the asker has: $7 is that one's hash, or null.
SELECT p.index AS position, e.number, e.header_hash,
  CASE WHEN e.header_hash IS DISTINCT FROM $7 THEN e.header END AS header,
  c.tx_hash, o.salt,
  l.index, l.owner, l.key, l.amount, l.valid_until, l.kind, l.quantity
FROM (SELECT true) AS asked
-- Not by =: with statistics older than a section, Postgres would go through all of it for the one.
LEFT JOIN position p ON p.account = $4 AND p.asset IS NOT DISTINCT FROM $2 AND p.section IS NOT DISTINCT FROM $3
LEFT JOIN LATERAL (
  SELECT number, header_hash, header
  FROM epoch
  WHERE book = $1 AND status IN ('committed', 'final') AND number <= coalesce($5::bigint, 9223372036854775807)
  ORDER BY number DESC
  LIMIT 1
) e ON $5::bigint IS NULL OR e.number = $5
-- Not within, and of one alone: joined there, or by another order, all newer epochs are gone through first.
LEFT JOIN LATERAL (
  SELECT tx_hash FROM outbox WHERE book = $1 AND epoch = e.number AND kind = 'commit' LIMIT 1
) c ON true
LEFT JOIN LATERAL (
  SELECT index, owner, key, amount, valid_until, kind, quantity
  FROM leaf
  WHERE book = $1 AND section = $3 AND index = p.index AND epoch <= e.number
  ORDER BY epoch DESC
  LIMIT 1
) l ON true
LEFT JOIN owner o ON o.id = $6
