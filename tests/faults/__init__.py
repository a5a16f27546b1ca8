"""Real faults on real processes: what was sent, stored, stored twice, and named as missing."""
