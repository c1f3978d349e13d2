SELECT r.*, p.key AS position_key
FROM access_reservation r JOIN position p ON p.account = r.account
WHERE r.id = $1
