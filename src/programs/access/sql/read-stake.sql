-- User $1's stake on strategy $2: the active one, else the newest. With the key of its position.
SELECT s.*, p.key AS position_key
FROM access_stake s JOIN position p ON p.account = s.account
WHERE s.user_id = $1 AND s.strategy_id = $2
ORDER BY s.status = 'staked' DESC, s.created_at DESC, s.id DESC
LIMIT 1
