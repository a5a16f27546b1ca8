"""Collectors: peers that take records from nodes and keep them in stores."""
