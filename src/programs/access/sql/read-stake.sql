-- User $1's stake on strategy $2: the active one, else the newest. With the key of its position. Two
-- looks by index, so that stakes that ended long ago are not read and sorted.
SELECT s.*, p.key AS position_key
FROM (
  (SELECT a.*, 0 AS past FROM access_stake a
   WHERE a.user_id = $1 AND a.strategy_id = $2 AND a.status = 'staked')
  UNION ALL
  (SELECT n.*, 1 FROM access_stake n WHERE n.user_id = $1 AND n.strategy_id = $2
   ORDER BY n.place DESC LIMIT 1)
  ORDER BY past LIMIT 1
) AS s JOIN position p ON p.account = s.account
