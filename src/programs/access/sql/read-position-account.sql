-- Whose account the position behind an id is: $1 the id of a lock, stake or reservation.
SELECT account, user_id FROM access_lock WHERE id = $1
UNION ALL SELECT account, user_id FROM access_stake WHERE id = $1
UNION ALL SELECT account, user_id FROM access_reservation WHERE id = $1
