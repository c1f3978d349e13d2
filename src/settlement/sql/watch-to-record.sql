-- Final events that wait for their line, in the order of the chain, at most $3.
SELECT e.block, e.tx_hash, e.log_index, e.event, e.args,
  (e.args ->> 'seq')::numeric AS entry, (e.args ->> 'depositor') AS depositor, (e.args ->> 'amount')::numeric AS amount,
  (e.args ->> 'section')::smallint AS section, (e.args ->> 'kind')::bigint AS kind,
  (e.args ->> 'duration')::numeric AS duration, e.args ->> 'ref' AS ref,
  (e.args ->> 'index')::bigint AS index, e.args ->> 'key' AS key, e.args ->> 'owner' AS owner,
  (e.args ->> 'due')::bigint AS due, (e.args ->> 'total')::numeric AS total, e.args ->> 'wallet' AS wallet
FROM chain_event e
WHERE e.book = $1 AND e.block <= $2 AND NOT e.final
ORDER BY e.block, e.log_index
LIMIT $3
