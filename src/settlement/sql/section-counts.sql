SELECT section, count FROM section_count WHERE asset = $1
