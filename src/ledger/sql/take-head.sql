SELECT next_seq, now, previous FROM take_head($1::uuid, $2::uuid)
