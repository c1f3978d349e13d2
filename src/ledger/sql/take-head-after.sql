SELECT take_head($1::uuid, $2::uuid, $3::uuid, $4::bigint)
