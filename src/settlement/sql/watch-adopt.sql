-- After a reorg deeper than finality: the same event of the same transaction, in another place. It counted there.
WITH found AS (
  SELECT e.book, e.tx_hash, e.log_index, l.log_index AS lost_index
  FROM chain_event l
  JOIN chain_event e ON e.book = l.book AND e.tx_hash = l.tx_hash AND e.event = l.event AND e.args = l.args AND NOT e.final
  WHERE l.book = $1 AND l.lost AND e.block <= $2
), adopted AS (
  UPDATE chain_event e SET final = true FROM found f
  WHERE e.book = f.book AND e.tx_hash = f.tx_hash AND e.log_index = f.log_index
)
UPDATE chain_event l SET lost = false FROM found f
WHERE l.book = f.book AND l.tx_hash = f.tx_hash AND l.log_index = f.lost_index
