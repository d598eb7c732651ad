"""Programs that measure what the README claims; each prints a table, or with --json one document."""
