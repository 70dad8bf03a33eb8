"""What people see: lines, bars, summaries, errors."""
