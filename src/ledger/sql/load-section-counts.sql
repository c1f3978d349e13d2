SELECT asset, section, count FROM section_count WHERE asset || '/' || section = ANY ($1::text[])
