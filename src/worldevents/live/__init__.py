"""Live fan-out: every change of a goal to everybody who watches, whatever they watch it through."""
