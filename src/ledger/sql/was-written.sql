SELECT was_written($1::uuid, $2::uuid) AS written
