"""The reference of the tools, made of their declarations and of a run against the pretend markets."""
