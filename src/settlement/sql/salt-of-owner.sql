SELECT salt FROM owner WHERE id = $1
