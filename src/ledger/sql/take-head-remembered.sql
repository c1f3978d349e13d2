SELECT take_head($1::uuid, $2::uuid, $3::uuid, $4::bigint, $5::uuid[], $6::text[], $7::text[])
