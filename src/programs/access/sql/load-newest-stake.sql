-- A user's active stake on each strategy, else the newest of the past ones.
SELECT s.*
FROM unnest($1::text[], $2::text[]) AS k (user_id, strategy_id)
CROSS JOIN LATERAL (
  (SELECT a.*, 0 AS past FROM access_stake a
   WHERE a.user_id = k.user_id AND a.strategy_id = k.strategy_id AND a.status = 'staked')
  UNION ALL
  (SELECT p.*, 1 FROM access_stake p WHERE p.user_id = k.user_id AND p.strategy_id = k.strategy_id
   ORDER BY p.place DESC LIMIT 1)
  ORDER BY past LIMIT 1
) AS s
