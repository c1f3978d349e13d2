SELECT next_seq, now, previous, any_due, clock_ms FROM take_head($1::uuid, $2::uuid)
