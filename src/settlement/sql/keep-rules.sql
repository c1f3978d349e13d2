UPDATE book SET challenge_window = $2, threshold = $3, attesters = $4, chain_time = $5
WHERE id = $1
  AND (challenge_window, threshold, attesters, chain_time) IS DISTINCT FROM ($2::bigint, $3::integer, $4::text[], $5::bigint)
