SELECT id, code FROM failed_transfer WHERE id = ANY ($1::uuid[])
