-- The position behind an id of a section ($1 its name, $2 the id): its account, whose it is, the parts of its key.
SELECT account, user_id, ARRAY[user_id, agreement_id] AS key_parts
FROM access_lock WHERE $1 = 'locks' AND id = $2
UNION ALL
SELECT account, user_id, ARRAY[user_id, strategy_id]
FROM access_stake WHERE $1 = 'stakes' AND id = $2
UNION ALL
SELECT account, user_id, ARRAY[user_id, entity_type::text, entity_id]
FROM access_reservation WHERE $1 = 'compute' AND id = $2
