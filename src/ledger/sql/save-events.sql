SELECT append_events($1::text[], $2::text[], $3::jsonb[])
