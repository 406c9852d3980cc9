"""A USB camera made of a program, and what the agent does with it inside a machine of its own."""
