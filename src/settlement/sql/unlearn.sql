-- What is recorded as done but is not on the chain (any more), where $2 is the last
-- committed epoch and $3 the last final one, is taken back.
WITH cleared AS (
  UPDATE outbox o
  SET tx_hash = NULL, block_number = NULL, block_hash = NULL, block_time = NULL, gas_used = NULL
  FROM epoch e
  WHERE o.book = $1 AND o.epoch > $3 AND o.tx_hash IS NOT NULL
    AND o.epoch > CASE o.kind WHEN 'commit' THEN $2::bigint ELSE $3::bigint END
    -- The commit of a vetoed or cancelled epoch was mined all the same.
    AND e.book = o.book AND e.number = o.epoch AND e.status NOT IN ('vetoed', 'cancelled')
  RETURNING o.epoch, o.kind
), demoted AS (
  UPDATE epoch
  SET status = CASE WHEN number > $2 THEN 'sent' ELSE 'committed' END
  WHERE book = $1 AND number > $3
    AND (status = 'final' OR (status = 'committed' AND number > $2))
  RETURNING number, status, header_hash
), told AS (
  SELECT append_events(types, subjects, details) FROM (
    SELECT array_agg('epoch.reverted'::text) AS types, array_agg(NULL::text) AS subjects,
      array_agg(jsonb_build_object('epoch', number, 'header_hash', header_hash, 'status', status) ORDER BY number) AS details
    FROM demoted HAVING count(*) > 0
  ) AS back CROSS JOIN LATERAL take_head()
)
SELECT c.epoch, c.kind FROM (SELECT count(*) FROM told) AS said, cleared c ORDER BY c.epoch, c.kind
