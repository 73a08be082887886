"""Many workers as one: who is well, who holds what, who is asked. Policy alone; time is passed in."""
